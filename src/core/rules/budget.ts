/**
 * What the rules may cost in one packet. A step was measured to take 3 to 40 ns in predicates, patterns and rules
 * that remember, and up to 45 in the dearest schemas. No event is left half checked, so the last overdraws.
 */
export const PACKET_STEPS_MAX = 500_000_000

export type Budget = { steps: number }

export function newBudget(): Budget {
  return { steps: PACKET_STEPS_MAX }
}
