import { identify, type KnownPayloads } from '../../core/event/identity.ts'
import type { Queryable } from '../postgres/sql.ts'
import { claimEventIds, type EventIdKey, orderingOf } from './event-ids.ts'
import { type ItemWork, undecided, type Work } from './group-work.ts'
import type { Holding } from './holdings.ts'
import { claimNativeIds, type NativeKey, writeNativeIds } from './native-ids.ts'
import type { PreparedEvent } from './prepared.ts'

export async function settleNativeIds(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const events = undecided(works).flatMap(({ item, event }) => {
    const { nativeId, sourceId } = event.observed
    return nativeId === undefined ? [] : [{ item, event, key: { sourceId, nativeId } }]
  })
  if (events.length === 0) return
  const firsts = new Map<string, NativeKey & { first: KnownPayloads['latest']; asInserted: KnownPayloads }>()
  for (const { event, key } of events) {
    const { known } = event.identity
    const text = textOf(key)
    if (known !== undefined && !firsts.has(text))
      firsts.set(text, { ...key, first: known.latest, asInserted: known })
  }
  const claims = [...firsts.values()]
  const found = await claimNativeIds(db, claims, nowMs)
  const known = new Map(claims.map((claim, i) => [textOf(claim), found[i]]))

  for (const { item, event, key } of events) {
    const text = textOf(key)
    const before = known.get(text)
    // What nothing was known of is what it was prepared as, line and all.
    const identity = before === undefined ? event.identity : identify(event.observed, event.arrival, before)
    if (identity.kind === 'duplicate') {
      item.answer = { status: 'duplicate', of: identity.of, nativeId: key.nativeId }
      item.countsAs = 'duplicate'
    } else if (identity.kind === 'undecided') {
      item.held = undecidedEvent(event, key.nativeId)
    } else {
      item.identity = identity
      known.set(text, identity.known)
    }
  }
  const changed = claims.flatMap((claim, i) => {
    const now = known.get(textOf(claim))
    return now === undefined || now === found[i] || now === claim.asInserted ? [] : [{ ...claim, known: now }]
  })
  await writeNativeIds(db, changed)
}

/** The name of a source never holds the character NUL: its column could not. */
function textOf({ sourceId, nativeId }: NativeKey): string {
  return `${sourceId}\0${nativeId}`
}

function undecidedEvent({ event, identity }: PreparedEvent, nativeId: string): Holding['item'] {
  return {
    kind: 'held',
    reason: 'identity-undecided',
    detail: `so many payloads of "${nativeId.slice(0, 80)}" came before that some were forgotten, and this one is late: only its owner can say whether it is new`,
    held: event.submission,
    fingerprint: identity.eventId,
    nativeId,
  }
}

export async function settleEventIds(db: Queryable, works: readonly Work[]): Promise<void> {
  const keys = new Map<string, EventIdKey>()
  const asked: { item: ItemWork; eventId: string }[] = []
  for (const { work, item, event } of undecided(works)) {
    const { identity } = item
    const isKeyed = work.member.offer.idempotency !== undefined
    if (identity === undefined || identity.dedup === 'native-id') continue
    if (identity.dedup === 'none' && !isKeyed) continue
    const { eventId } = identity
    if (keys.has(eventId)) {
      repeats(item, eventId)
      continue
    }
    const { sourceSeq, eventTime } = event.event.stated
    const ordering = orderingOf(identity, {
      ...(sourceSeq !== undefined && { sourceSeq }),
      ownTime: eventTime !== undefined,
      index: item.index,
    })
    keys.set(eventId, { eventId, ordering })
    asked.push({ item, eventId })
  }
  const taken = await claimEventIds(db, [...keys.values()])
  if (taken.size === 0) return
  for (const { item, eventId } of asked) if (taken.has(eventId)) repeats(item, eventId)
}

function repeats(item: ItemWork, eventId: string): void {
  item.answer = { status: 'duplicate', of: eventId }
  item.countsAs = 'duplicate'
}
