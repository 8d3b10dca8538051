import type { ItemAnswer } from '../../ingest/arrived.ts'
import { answered, type Taken } from './taken.ts'

/** The answer of POST /ingest/events. Lists go by the items that are answered one by one. */
export function ingestAnswer(taken: Taken) {
  const { items, counts } = taken
  const of = <S extends ItemAnswer['status']>(status: S) =>
    items.flatMap((item, at) => (item.status === status ? [listed(item, at)] : []))
  return {
    status: 'ok',
    inserted: items.flatMap(item =>
      item.status === 'accepted' || item.status === 'revision' ? [item.eventId] : [],
    ),
    count: counts.accepted + counts.revision,
    duplicates: of('duplicate'),
    revisions: of('revision'),
    quarantined: of('quarantined'),
    rejected: of('rejected'),
    counts,
    items: items.map(told),
    itemsTruncated: items.length < answered(counts),
  }
}

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

/** One item's answer, under the names that its members have everywhere else. */
function told(item: ItemAnswer) {
  switch (item.status) {
    case 'accepted':
    case 'revision': {
      const { flags, nativeId, ...placed } = item
      return { ...placed, qualityFlags: flags, ...external(nativeId) }
    }
    case 'duplicate':
      return { status: item.status, eventId: item.of, ...external(item.nativeId) }
    case 'quarantined': {
      const { nativeId, ...held } = item
      return { ...held, ...external(nativeId) }
    }
    case 'rejected':
      return item
  }
}

function external(nativeId: string | undefined) {
  return nativeId === undefined ? {} : { externalId: nativeId }
}
