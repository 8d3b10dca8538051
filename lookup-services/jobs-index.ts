import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'
import type { SpentOutputIndex } from './output-index.ts'

/** What `ls_gitdata_jobs` looks things up in. */
export type JobsIndex = SpentOutputIndex<JobEntry> & {
  /** In the order asked for, by (admittedMs, txid, vout), beginning after the position given. */
  find(query: JobsQuery): Promise<ListedJob[]>
}

export const jobKinds = ['seat', 'thread', 'result'] as const
export type JobKind = (typeof jobKinds)[number]

/** What its token says. */
export type JobEntry = Outpoint & JobSaid & (SeatSaid | ThreadSaid | ResultSaid)

type JobSaid = {
  readonly coordinator: string
  /** Or the id of an aggregate. */
  readonly roundId: string
  readonly template: string
  readonly stage: string
  readonly level: string
  readonly members: readonly number[]
  readonly inputHash: string
  readonly deadlineMs: number
}

type SeatSaid = { readonly kind: 'seat'; readonly agentKey: string; readonly operator: string }
type ThreadSaid = { readonly kind: 'thread' }
/** Whose operator is its seat's, and not said again. */
type ResultSaid = {
  readonly kind: 'result'
  readonly agentKey: string
  readonly jobOutpoint: Outpoint
  readonly status: string
  readonly leaves: readonly string[]
  readonly workHash: string
  readonly evidenceHash: string
}

export type ListedJob = Outpoint &
  JobSaid & {
    readonly kind: JobKind
    readonly agentKey: string | null
    /** Of a seat, and of a result whose seat was admitted here. */
    readonly operator: string | null
    readonly jobOutpoint: Outpoint | null
    readonly status: string | null
    readonly leaves: readonly string[] | null
    readonly workHash: string | null
    readonly evidenceHash: string | null
    readonly spentBy: string | null
    readonly admittedMs: number
  }

/** Tokens that fit all the members given. */
export type JobsQuery = {
  readonly kind?: JobKind | undefined
  readonly roundId?: string | undefined
  /** Seats and thread of this job, and its results. */
  readonly jobTxid?: string | undefined
  /** The results of one seat. */
  readonly jobOutpoint?: Outpoint | undefined
  readonly txid?: string | undefined
  readonly agentKey?: string | undefined
  readonly operator?: string | undefined
  readonly coordinator?: string | undefined
  readonly template?: string | undefined
  readonly stage?: string | undefined
  readonly level?: string | undefined
  readonly status?: string | undefined
  readonly spent?: boolean | undefined
  /** At or after, and before. */
  readonly admittedFromMs?: number | undefined
  readonly admittedToMs?: number | undefined
  readonly deadlineFromMs?: number | undefined
  readonly deadlineToMs?: number | undefined
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly after?: ListPosition | undefined
}
