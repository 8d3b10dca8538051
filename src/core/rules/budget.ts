/** What the rules may cost in one packet: a minute or two at the worst. No event is left half checked, so the last overdraws. */
export const PACKET_STEPS_MAX = 500_000_000

export type Budget = { steps: number }

export function newBudget(): Budget {
  return { steps: PACKET_STEPS_MAX }
}
