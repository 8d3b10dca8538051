/**
 * What the rules may cost in one packet. A step takes 3 to 40 ns in predicates, patterns and rules that remember,
 * 200 ns in a schema whose `anyOf` fails often, and 700 ns where that stands in `contains`: the library makes
 * an object per failure. No event is left half checked, so the last overdraws.
 */
export const PACKET_STEPS_MAX = 500_000_000

export type Budget = { steps: number }

export function newBudget(): Budget {
  return { steps: PACKET_STEPS_MAX }
}
