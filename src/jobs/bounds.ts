import type { LeaveLimits } from '../core/rounds/coordinating/leave.ts'
import type { PlanLimits } from '../core/rounds/coordinating/plan.ts'
import type { SeatRules } from './choose-seats.ts'
import type { OfferBounds } from './offer-seats.ts'
import type { PaceBounds } from './pace.ts'
import type { FanOut } from './ports.ts'
import type { RetryBounds } from './retry-after.ts'

/** Everything that bounds how rounds are made and followed. */
export type CoordinatorBounds = {
  readonly seats: SeatRules
  readonly plan: PlanLimits
  readonly leave: LeaveLimits
  readonly pace: PaceBounds
  readonly offers: OfferBounds
  /** After a step that could not be paid for, or failed. */
  readonly retry: RetryBounds
  readonly job: JobBounds
  /** Rounds that one node works on. */
  readonly roundsAtOnce: number
}

export type JobBounds = {
  readonly fanOut: FanOut
  /** What agents have for a job. */
  readonly timeoutMs: number
  readonly satsPerKb: number
  /** Of one stored object. */
  readonly outputBytesMax: number
}

const FAIR_SHARE = 1 / 4

/** Of the time that a job has: with less than this left nobody could answer, and so much later nobody was here to hear it. */
export function fairMsOf({ timeoutMs }: JobBounds): number {
  return timeoutMs * FAIR_SHARE
}
