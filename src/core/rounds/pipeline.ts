import type { Level } from '../level.ts'

/**
 * A transaction of the pipeline as the judging rules see it: who asked, who answered, what was spent. The
 * bytes are read elsewhere (contract/pipeline-transaction.ts), which also checks what only bytes can show:
 * signatures, output order and who each output is locked to.
 */
export type PipelineTransaction = {
  readonly txid: string
  readonly inputs: readonly Outpoint[]
  readonly role: Role
}

export type Outpoint = { readonly txid: string; readonly vout: number }

export type Role =
  | { readonly kind: 'job'; readonly facts: JobFacts; readonly seats: readonly Seat[] }
  | {
      readonly kind: 'result'
      readonly facts: JobFacts
      readonly jobOutpoint: Outpoint
      readonly agentKey: string
      /** Identity key whose owner alone can spend the result's output. */
      readonly lockedTo: string
      readonly status: ResultStatus
      readonly leaves: readonly Leaf[]
    }
  | {
      readonly kind: 'certificate'
      readonly coordinator: string
      readonly subject: string
      readonly template: string
      readonly level: Level
      readonly members: readonly { readonly index: number; readonly versionId: Leaf }[]
    }
  /** No pipeline token in it: fuel, change, a close. Only its money matters. */
  | { readonly kind: 'plain' }
  /** Holds something that looks like a pipeline token and breaks a rule of form; never admitted. */
  | { readonly kind: 'malformed'; readonly why: string }

/** What every token of one job repeats. Keys and hashes are lower-case hex. */
export type JobFacts = {
  /** Identity key that issued the job and owns its thread. */
  readonly coordinator: string
  /** roundId, or the aggregate's id. */
  readonly subject: string
  readonly template: string
  readonly stage: string
  readonly level: Level
  /** Ascending indexes into the round. */
  readonly members: readonly number[]
  /** RFC 6962 root over the members' leaves of the stage before; zeros for a first stage. */
  readonly inputRoot: string
  /** SHA-256 of the round document. */
  readonly inputHash: string
  readonly deadlineMs: number
  readonly outputBytesMax: number
}

/** Output i of a job, for 0 ≤ i < seats.length. Output seats.length is the thread. */
export type Seat = { readonly agentKey: string; readonly operator: string }

export const resultStatuses = ['completed', 'failed', 'rejected'] as const
export type ResultStatus = (typeof resultStatuses)[number]

/** 64 hex digits: what one agent says about one member. */
export type Leaf = string

/** "No answer for this member." */
export const noLeaf: Leaf = '0'.repeat(64)
