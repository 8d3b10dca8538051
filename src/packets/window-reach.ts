import type { PolicySet } from '../core/policy/policy-set.ts'

/** How long after an event a window that holds it may still be open, in the time of the events. */
export type WindowReach = { readonly windowMs: number; readonly latenessMs: number }

/** Only fusion has windows: what rules remember, they remember until something newer comes. */
export function windowReachOf(policy: PolicySet): WindowReach | undefined {
  if (policy.fusion === undefined) return undefined
  const { windowMs, latenessMs } = policy.fusion
  return { windowMs, latenessMs }
}
