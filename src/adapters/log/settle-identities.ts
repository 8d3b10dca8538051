import { canonicalJson } from '../../core/canonical-json.ts'
import {
  type IdentifiedEvent,
  identifyKnown,
  type KnownPayloads,
  rememberFirst,
} from '../../core/event/identity.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readBack } from './changed-line.ts'
import { claimEventIds, type EventIdKey, orderingOf, takeEventIds } from './event-ids.ts'
import { type EventWork, type ItemWork, undecided, type Work } from './group-work.ts'
import type { Holding } from './holdings.ts'
import { claimNativeIds, type NativeClaim, takeNativeIds, writeNativeIds } from './native-ids.ts'

/** One native id that the group names. */
type Named = NativeClaim & {
  /** As of the events so far; undefined while nothing is known of it. */
  known: KnownPayloads | undefined
  /** What it was taken with, where nothing was known. */
  takenAs: IdentifiedEvent | undefined
  isChanged: boolean
}

/**
 * Whether ids are taken as new without asking, which costs half: where one is not, the transaction fails, and is tried
 * again with `asked`.
 */
export type IdsTaken = 'as-new' | 'asked'

export async function settleNativeIds(
  db: Queryable,
  works: readonly Work[],
  taken: IdsTaken,
  nowMs: number,
): Promise<void> {
  const named = new Map<string, Named>()
  const events: { readonly item: EventWork; readonly name: Named }[] = []
  for (const item of undecided(works)) {
    const { nativeId, identity } = item.event
    if (nativeId === undefined) continue
    const { sourceId } = item.member.offer.source
    const text = textOf(sourceId, nativeId)
    let name = named.get(text)
    if (name === undefined) {
      name = { sourceId, nativeId, first: identity, known: undefined, takenAs: undefined, isChanged: false }
      named.set(text, name)
    }
    events.push({ item, name })
  }
  if (events.length === 0) return
  const names = [...named.values()]
  if (taken === 'as-new') await takeNativeIds(db, names, nowMs)
  else
    for (const [place, known] of await claimNativeIds(db, names, nowMs)) {
      const name = names[place]
      if (name !== undefined) name.known = known
    }

  for (const { item, name } of events) {
    if (name.takenAs !== undefined) name.known ??= rememberFirst(name.takenAs)
    if (name.known === undefined) name.takenAs = item.event.identity
    else settleKnown(item, name, name.known)
  }
  await writeNativeIds(
    db,
    names.flatMap(({ sourceId, nativeId, known, isChanged }) =>
      isChanged && known !== undefined ? [{ sourceId, nativeId, known }] : [],
    ),
    nowMs,
  )
}

function settleKnown(item: EventWork, name: Named, known: KnownPayloads): void {
  const { event, member } = item
  const identity = identifyKnown(event.identity, known, {
    ingestTimeMs: member.offer.receivedMs,
    payloadJcs: () => canonicalJson(readBack(event, member.offer).payload),
  })
  if (identity.kind === 'duplicate') {
    item.answer = { status: 'duplicate', of: identity.of, nativeId: name.nativeId }
    item.countsAs = 'duplicate'
  } else if (identity.kind === 'undecided') {
    item.held = undecidedEvent(item, name.nativeId)
  } else {
    item.identity = identity
    name.known = identity.known
    name.isChanged = true
  }
}

/** The name of a source never holds the character NUL: its column could not. */
function textOf(sourceId: string, nativeId: string): string {
  return `${sourceId}\0${nativeId}`
}

function undecidedEvent({ event, index, member }: EventWork, nativeId: string): Holding['item'] {
  return {
    kind: 'held',
    reason: 'identity-undecided',
    detail: `so many payloads of "${nativeId.slice(0, 80)}" came before that some were forgotten, and this one is late: only its owner can say whether it is new`,
    held: member.offer.submissionOf(index),
    fingerprint: event.identity.eventId,
    nativeId,
  }
}

export async function settleEventIds(
  db: Queryable,
  works: readonly Work[],
  idsTaken: IdsTaken,
): Promise<void> {
  const seen = new Set<string>()
  const keys: EventIdKey[] = []
  const asked: ItemWork[] = []
  for (const item of undecided(works)) {
    const { identity, event, index, member } = item
    if (identity === undefined || identity.dedup === 'native-id') continue
    if (identity.dedup === 'none' && member.offer.idempotency === undefined) continue
    const { eventId } = identity
    if (seen.has(eventId)) {
      repeats(item, eventId)
      continue
    }
    seen.add(eventId)
    keys.push({ eventId, ordering: orderingOf(identity, event.sourceSeq, index) })
    asked.push(item)
  }
  if (idsTaken === 'as-new') return takeEventIds(db, keys)
  const taken = await claimEventIds(db, keys)
  if (taken.size === 0) return
  for (const [i, { eventId }] of keys.entries()) {
    const item = asked[i]
    if (item !== undefined && taken.has(eventId)) repeats(item, eventId)
  }
}

function repeats(item: ItemWork, eventId: string): void {
  item.answer = { status: 'duplicate', of: eventId }
  item.countsAs = 'duplicate'
}
