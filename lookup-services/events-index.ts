import type { Carried } from '../src/contract/event-batch.ts'
import type { Outpoint } from '../src/core/rounds/pipeline.ts'
import type { ListPosition } from './cursor.ts'
import type { SpentOutputIndex } from './output-index.ts'

/** What `ls_gitdata_events` looks things up in. */
export type EventsIndex = SpentOutputIndex<EventBatchEntry> & {
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
