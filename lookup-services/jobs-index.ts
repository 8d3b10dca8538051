import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'

/**
 * What `ls_gitdata_jobs` looks things up in. A host that is in the middle of recording an admission may have a
 * write take effect with that admission; then it resolves before.
 */
export type JobsIndex = {
  /** Resolves once the token is listed. One that is there already stays as it is, its time included. */
  put(token: JobEntry): Promise<void>
  /** Resolves once the token is listed as spent; nothing happens to one that is not listed. */
  markSpent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once the token is listed as unspent, if this transaction is what it was spent by. */
  markUnspent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once no answer will name the token any more. */
  remove(outpoint: Outpoint): Promise<void>
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
