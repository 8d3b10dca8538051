import type { Outpoint, ResultStatus } from '../../core/rounds/pipeline.ts'
import type { Stage } from '../../core/rounds/template.ts'

/**
 * Whether the bytes that an agent has stored for its seat are those that its result votes for. `missing`: nothing is
 * stored, and the result counts as soon as something is. `unreadable`: something is, and it is our disk that does not give
 * it back, which is no fault of the agent; it may be stored again. A throw means the same.
 */
export type CheckWork = (answer: AnsweredSeat) => Promise<CheckedWork>

export type AnsweredSeat = {
  readonly jobOutpoint: Outpoint
  readonly agentKey: string
  readonly stage: Stage
  readonly status: ResultStatus
  readonly leaves: readonly string[]
  readonly workHash: string
  /** Of each member of the job, in its order: what the leaf is about. */
  readonly subjects: readonly string[]
  readonly outputBytesMax: number
}

export type CheckedWork =
  | {
      readonly kind: 'held'
      readonly sha256: string
      readonly bytes: number
      readonly outcomes: readonly HeldOutcome[]
    }
  | { readonly kind: 'void'; readonly why: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly why: string }

/** Where output and state of one member stand in the stored bytes; nothing is listed of a member without an answer. */
export type HeldOutcome = {
  readonly member: number
  readonly leaf: string
  readonly outputHash: string
  readonly stateOut: string | null
  readonly outputAt: number
  readonly outputBytes: number
  readonly stateAt: number
  readonly stateBytes: number
}
