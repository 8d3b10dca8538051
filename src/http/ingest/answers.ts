import type { ItemAnswer } from '../../ingest/arrived.ts'
import { answered, type Taken } from './taken.ts'

/** The answer of POST /ingest/events. Lists go by the items that are answered one by one. */
export function ingestAnswer({ items, counts }: Taken) {
  const inserted: string[] = []
  const lists: Record<Listed, object[]> = { duplicate: [], revision: [], quarantined: [], rejected: [] }
  const all: object[] = []
  for (const [at, item] of items.entries()) {
    all.push(told(item))
    if (item.status === 'accepted' || item.status === 'revision') inserted.push(item.eventId)
    if (item.status !== 'accepted') lists[item.status].push(listed(item, at))
  }
  return {
    status: 'ok',
    inserted,
    count: counts.accepted + counts.revision,
    duplicates: lists.duplicate,
    revisions: lists.revision,
    quarantined: lists.quarantined,
    rejected: lists.rejected,
    counts,
    items: all,
    itemsTruncated: items.length < answered(counts),
  }
}

type Listed = Exclude<ItemAnswer['status'], 'accepted'>

/** The last line where each item has a line of its own. */
export function summaryLine({ counts }: Pick<Taken, 'counts'>) {
  return { summary: true, status: 'ok', count: counts.accepted + counts.revision, counts }
}

export function itemLine(item: ItemAnswer, at: number) {
  return { item: at, ...told(item) }
}

function listed(item: ItemAnswer, at: number) {
  const { status: _, ...rest } = told(item)
  return { item: at, ...rest }
}

/** One item's answer, under the names that its members have everywhere else; what is undefined is not sent. */
function told(item: ItemAnswer) {
  const { status } = item
  switch (status) {
    case 'accepted':
    case 'revision':
      return {
        status,
        eventId: item.eventId,
        externalId: item.nativeId,
        partition: item.partition,
        seq: item.seq,
        qualityFlags: item.flags,
        dedup: item.dedup,
        revises: item.status === 'revision' ? item.revises : undefined,
      }
    case 'duplicate':
      return { status, eventId: item.of, externalId: item.nativeId }
    case 'quarantined': {
      const { quarantineId, reason, detail, nativeId } = item
      return { status, quarantineId, reason, detail, externalId: nativeId }
    }
    case 'rejected':
      return item
  }
}
