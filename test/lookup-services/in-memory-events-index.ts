import type {
  EventBatchEntry,
  EventsIndex,
  EventsQuery,
  ListedBatch,
} from '../../lookup-services/events-index.ts'
import { outpointText } from '../../src/contract/transaction.ts'

type Listed = EventBatchEntry & { readonly admittedMs: number; spentBy: string | undefined }

/** The shortest index that a host could write, and what others are compared with. */
export function inMemoryEventsIndex(now: () => number): EventsIndex {
  const listed = new Map<string, Listed>()
  return {
    async put(batch) {
      const key = outpointText(batch)
      if (!listed.has(key)) listed.set(key, { ...batch, admittedMs: now(), spentBy: undefined })
    },
    async markSpent(outpoint, spendingTxid) {
      const batch = listed.get(outpointText(outpoint))
      if (batch !== undefined) batch.spentBy = spendingTxid
    },
    async markUnspent(outpoint, spendingTxid) {
      const batch = listed.get(outpointText(outpoint))
      if (batch?.spentBy === spendingTxid) batch.spentBy = undefined
    },
    async remove(outpoint) {
      listed.delete(outpointText(outpoint))
    },
    async find(query) {
      const sign = query.order === 'asc' ? 1 : -1
      const { after } = query
      return [...listed.values()]
        .map(({ spentBy, ...batch }): ListedBatch => ({ ...batch, spent: spentBy !== undefined }))
        .filter(batch => fits(batch, query))
        .filter(batch => after === undefined || sign * compare(batch, after) > 0)
        .sort((a, b) => sign * compare(a, b))
        .slice(0, query.limit)
    },
  }
}

type Position = { readonly admittedMs: number; readonly txid: string; readonly vout: number }

function compare(a: Position, b: Position): number {
  if (a.admittedMs !== b.admittedMs) return a.admittedMs - b.admittedMs
  if (a.txid !== b.txid) return a.txid < b.txid ? -1 : 1
  return a.vout - b.vout
}

function fits(batch: ListedBatch, query: EventsQuery): boolean {
  const members = ['publisher', 'streamId', 'sourceId', 'subject', 'txid', 'spent'] as const
  return (
    members.every(member => query[member] === undefined || query[member] === batch[member]) &&
    batch.admittedMs >= (query.admittedFromMs ?? 0) &&
    batch.admittedMs < (query.admittedToMs ?? Number.POSITIVE_INFINITY)
  )
}
