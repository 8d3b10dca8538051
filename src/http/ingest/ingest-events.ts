import type { ProblemCode } from '../problem.ts'
import type { Counts } from './taken.ts'

/** What happens at the door, for metrics and the log. Never holds what was sent. */
export type IngestDoorEvents = {
  /** From the last byte of the request to its answer. */
  onAnswered(answered: {
    readonly sourceId: string
    readonly counts: Counts
    readonly latencyMs: number
  }): void
  onRefused(refused: {
    readonly code: ProblemCode
    readonly detail: string
    /** The other end of the socket. */
    readonly address: string | undefined
  }): void
  /** What is nobody's mistake but ours. */
  onFailure(error: unknown, path: string): void
  onSweepFailure(error: unknown): void
}
