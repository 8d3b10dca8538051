import type { Carried } from '../src/contract/event-batch.ts'
import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'

/**
 * What `ls_gitdata_events` looks things up in. A host that is in the middle of recording an admission may have a
 * write take effect with that admission; then it resolves before.
 */
export type EventsIndex = {
  /** Resolves once the batch is listed. One that is there already stays as it is, its time included. */
  put(batch: EventBatchEntry): Promise<void>
  /** Resolves once the batch is listed as spent; nothing happens to one that is not listed. */
  markSpent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once the batch is listed as unspent, if this transaction is what it was spent by. */
  markUnspent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once no answer will name the batch any more. */
  remove(outpoint: Outpoint): Promise<void>
  /** In the order asked for, by (admittedMs, txid, vout), beginning after the position given. */
  find(query: EventsQuery): Promise<ListedBatch[]>
}

/** What its token says. */
export type EventBatchEntry = Outpoint & {
  readonly publisher: string
  readonly streamId: string
  readonly sourceId: string
  /** SHA-256 of the batch, in hex. */
  readonly subject: string
  readonly count: number
  readonly carried: Carried
}

export type ListedBatch = EventBatchEntry & { readonly admittedMs: number; readonly spent: boolean }

/** Batches that fit all the members given. */
export type EventsQuery = {
  readonly publisher?: string | undefined
  readonly streamId?: string | undefined
  readonly sourceId?: string | undefined
  readonly subject?: string | undefined
  readonly txid?: string | undefined
  /** At or after. */
  readonly admittedFromMs?: number | undefined
  /** Before. */
  readonly admittedToMs?: number | undefined
  readonly spent?: boolean | undefined
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly after?: ListPosition | undefined
}
