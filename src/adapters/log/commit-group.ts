import type { Pool } from 'pg'
import { sha256Hex } from '#sha256'
import { canonicalJson } from '../../core/canonical-json.ts'
import { type IdentifiedEvent, identify, type KnownPayloads } from '../../core/event/identity.ts'
import { qualityFlags } from '../../core/event/quality-flags.ts'
import { orThrow } from '../../core/fault.ts'
import { authentications, type PacketSource } from '../../core/log/packet-header.ts'
import { rosterDigest } from '../../core/log/roster.ts'
import type { AppendOutcome, Offer } from '../../ingest/append.ts'
import type { ItemAnswer } from '../../ingest/arrived.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { claimEventIds, type EventIdKey, orderingOf } from './event-ids.ts'
import { type Head, lockHeads, markEnd, watermarkOf } from './heads.ts'
import { type Holding, holdEvents, type LetGo, letGo, noteReleases } from './holdings.ts'
import { claimKeys, giveKeyBack, keepAnswers } from './idempotency.ts'
import { takeShares } from './meters.ts'
import { claimNativeIds, type NativeKey, writeNativeIds } from './native-ids.ts'
import type { Partition } from './partitions.ts'
import { flagsOf, isLate, lineFor, type PreparedEvent, type PreparedOffer } from './prepared.ts'
import { type Counts, noCounts, type SegmentLines, type SegmentRow, writeSegments } from './write-segments.ts'

/** Events of one append, so that a packet can hold whole ones. */
const SEGMENT_EVENTS_MAX = 16_384
const SEGMENT_BYTES_MAX = 8 * 1024 * 1024
/** With the next append, a packet must still be one. */
const UNSEALED_EVENTS_MAX = 60_000
const UNSEALED_BYTES_MAX = 24 * 1024 * 1024

export type GroupMember = PreparedOffer & { readonly partitions: readonly Partition[] }

export type GroupOutcome =
  | {
      readonly kind: 'committed'
      readonly outcomes: readonly AppendOutcome[]
      /** As they are now. */
      readonly heads: readonly Head[]
    }
  /** Nothing was taken: the members at these places know an older policy than their streams have. */
  | { readonly kind: 'stale'; readonly members: ReadonlySet<number> }

/**
 * Takes several offers in one transaction, in their order: all that is answered is durable when this resolves. Whatever
 * has rows is locked kind by kind in the order of these lines, and in ascending order within a kind.
 */
export async function commitGroup(
  group: readonly GroupMember[],
  { pool, nowMs, begin }: { readonly pool: Pool; readonly nowMs: number; readonly begin: string },
): Promise<GroupOutcome> {
  return inTransaction<GroupOutcome>(
    pool,
    async db => {
      const works = group.map(workOn)
      await settleKeys(db, works, nowMs)
      await settleReleases(db, works, nowMs)
      await settleShares(db, works, nowMs)
      await settleNativeIds(db, works, nowMs)
      await settleHeld(db, works)
      const heads = new Map((await lockHeads(db, partitionsOf(works))).map(head => [head.partitionId, head]))
      const stale = works.flatMap((work, i) => (isStale(work, heads) ? [i] : []))
      if (stale.length > 0) return { kind: 'stale', members: new Set(stale) }
      await settleEventIds(db, works)
      const written = await place(db, works, heads, nowMs)
      await noteReleases(db, works.flatMap(released), nowMs)
      await keepAnswers(db, works.flatMap(answeredUnderKey))
      return { kind: 'committed', outcomes: works.map(outcomeOf), heads: written }
    },
    { begin, keep: ({ kind }) => kind === 'committed' },
  )
}

/** What becomes of an offer while its group is being taken. */
type Work = {
  readonly member: GroupMember
  /** Of the whole offer, once that is known before its items are. */
  outcome: AppendOutcome | undefined
  readonly items: ItemWork[]
}

type ItemWork = {
  readonly index: number
  readonly item: PreparedOffer['items'][number]
  /** Of an event, once what was known of its id has been asked for. */
  identity: IdentifiedEvent | undefined
  /** What its kind of item turned into. */
  held: Holding['item'] | undefined
  answer: ItemAnswer | undefined
  countsAs: 'duplicate' | 'rejected' | 'quarantined' | undefined
  /** It left quarantine now, or had left it before. */
  letGo: LetGo | undefined
}

function workOn(member: GroupMember): Work {
  const items = member.items.map((item, index): ItemWork => {
    const work = { index, item, answer: undefined, countsAs: undefined, letGo: undefined, held: undefined }
    if (item.kind === 'event') return { ...work, identity: item.identity }
    if (item.kind === 'held') return { ...work, identity: undefined, held: item }
    const { kind: _kind, ...why } = item
    return { ...work, identity: undefined, answer: { status: 'rejected', ...why }, countsAs: 'rejected' }
  })
  return { member, outcome: undefined, items }
}

function isOpen({ outcome }: Work): boolean {
  return outcome === undefined
}

async function settleKeys(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const keyed = works.flatMap(work => {
    const { idempotency } = work.member.offer
    return idempotency === undefined ? [] : [{ work, idempotency }]
  })
  const verdicts = await claimKeys(
    db,
    keyed.map(({ idempotency }) => idempotency),
    nowMs,
  )
  for (const [i, { work }] of keyed.entries()) {
    const verdict = verdicts[i]
    if (verdict === 'reused') work.outcome = { kind: 'refused', refusal: { why: 'key-reused' } }
    else if (verdict !== undefined && verdict !== 'new')
      work.outcome = { kind: 'answered', items: verdict.answered, replayed: true }
  }
}

async function settleReleases(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const open = works.filter(isOpen)
  const outcomes = await letGo(
    db,
    open.flatMap(({ member }) => member.offer.releases ?? []),
    nowMs,
  )
  if (outcomes.size === 0) return
  for (const { member, items } of open)
    for (const item of items) {
      const release = member.offer.releases?.[item.index]
      item.letGo = release && outcomes.get(release.quarantineId)
      if (item.letGo?.kind !== 'gone') continue
      const { eventId } = item.letGo
      item.countsAs = undefined
      item.answer =
        eventId === null
          ? {
              status: 'rejected',
              code: 'not-held',
              detail: 'it was given up, or set aside again, and cannot be released',
            }
          : { status: 'duplicate', of: eventId }
    }
}

async function settleShares(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const open = works.filter(isOpen)
  const refusals = await takeShares(
    db,
    open.map(({ member }) => member.offer),
    nowMs,
  )
  for (const [i, work] of open.entries()) {
    const refusal = refusals[i]
    if (refusal === undefined) continue
    work.outcome = { kind: 'refused', refusal }
    const { idempotency } = work.member.offer
    if (idempotency !== undefined) await giveKeyBack(db, idempotency)
  }
}

async function settleNativeIds(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
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

function textOf({ sourceId, nativeId }: NativeKey): string {
  return JSON.stringify([sourceId, nativeId])
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

async function settleHeld(db: Queryable, works: readonly Work[]): Promise<void> {
  const held = works.filter(isOpen).flatMap(({ member, items }) =>
    items.flatMap(item => {
      if (item.held === undefined || item.answer !== undefined) return []
      const { source, stream, authenticated, receivedMs } = member.offer
      const holding: Holding = {
        partitionId: partitionFor(member, undefined).id,
        streamId: stream.streamId,
        sourceId: source.sourceId,
        ...(source.tenantId !== undefined && { tenantId: source.tenantId }),
        authenticated,
        receivedMs,
        item: item.held,
      }
      return [{ item, holding }]
    }),
  )
  const heldAs = await holdEvents(
    db,
    held.map(({ holding }) => holding),
  )
  for (const [i, { item, holding }] of held.entries()) {
    const { quarantineId = '', again = false } = heldAs[i] ?? {}
    const { reason, detail, nativeId } = holding.item
    item.answer = {
      status: 'quarantined',
      quarantineId,
      reason,
      detail,
      ...(nativeId !== undefined && { nativeId }),
    }
    item.countsAs = again ? 'duplicate' : 'quarantined'
  }
}

async function settleEventIds(db: Queryable, works: readonly Work[]): Promise<void> {
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

/** Events of offers that are still to be taken and that nothing was found against. */
function undecided(works: readonly Work[]) {
  return works.filter(isOpen).flatMap(work =>
    work.items.flatMap(item => {
      const isUndecided = item.item.kind === 'event' && item.answer === undefined && item.held === undefined
      return isUndecided && item.item.kind === 'event' ? [{ work, item, event: item.item }] : []
    }),
  )
}

/** Where an item counts: its event's partition, and else the first. */
function partitionFor({ partitions, offer }: GroupMember, item: ItemWork | undefined): Partition {
  const { by, count } = offer.stream.shards
  const shard = item === undefined || count === 1 ? 0 : shardOf(item, by, count)
  const partition = partitions[shard]
  if (partition === undefined)
    throw new Error(`stream "${offer.stream.streamId}" has no partition for shard ${shard}`)
  return partition
}

function shardOf({ item, identity }: ItemWork, by: 'key' | 'event-id', count: number): number {
  if (item.kind !== 'event' || identity === undefined) return 0
  const hex = by === 'key' ? sha256Hex(item.event.partitionKey) : identity.eventId
  return Number.parseInt(hex.slice(0, SHARD_DIGITS), 16) % count
}

const SHARD_DIGITS = 12

function partitionsOf(works: readonly Work[]): number[] {
  const ids = new Set<number>()
  for (const work of works.filter(isOpen))
    for (const item of work.items) {
      if (item.letGo?.kind === 'gone') continue
      ids.add(partitionFor(work.member, item).id)
      if (item.letGo !== undefined) ids.add(item.letGo.partitionId)
    }
  return [...ids].sort((a, b) => a - b)
}

function isStale(work: Work, heads: ReadonlyMap<number, Head>): boolean {
  const { offer, partitions } = work.member
  if (!isOpen(work)) return false
  return partitions.some(({ id }) => (heads.get(id)?.streamPolicyNo ?? 0) > offer.stream.policyNo)
}

/** What one transaction adds to one partition. */
type Addition = { counts: Counts; readonly events: Placing[] }
type Placing = {
  readonly work: Work
  readonly item: ItemWork
  readonly event: PreparedEvent
  readonly identity: IdentifiedEvent
}

async function place(
  db: Queryable,
  works: readonly Work[],
  heads: ReadonlyMap<number, Head>,
  nowMs: number,
): Promise<Head[]> {
  const additions = new Map<number, Addition>()
  for (const work of works.filter(isOpen)) for (const item of work.items) addTo(additions, work, item)

  const rows: SegmentRow[] = []
  const written: (Head & { lastEventId: string | null })[] = []
  for (const [partitionId, addition] of [...additions].sort(([a], [b]) => a - b)) {
    const head = heads.get(partitionId)
    if (head === undefined) throw new Error(`partition ${partitionId} has no head`)
    const laid = await layOut(db, head, addition, nowMs)
    rows.push(...laid.rows)
    written.push(laid.head)
  }
  if (rows.length > 0) await writeSegments(db, rows, written, nowMs)
  return written
}

function addTo(additions: Map<number, Addition>, work: Work, item: ItemWork): void {
  if (item.letGo?.kind === 'gone') return
  const { id } = partitionFor(work.member, item)
  const { counts, events } = additionFor(additions, id)
  if (item.letGo === undefined) counts.received++
  else if (item.letGo.partitionId === id) counts.quarantined--
  else {
    // There it was given up, and here it is received: no count of the other partition may shrink.
    const left = additionFor(additions, item.letGo.partitionId).counts
    left.quarantined--
    left.waived++
    counts.received++
  }
  if (item.countsAs !== undefined) counts[item.countsAs]++
  else if (item.item.kind === 'event' && item.identity !== undefined)
    events.push({ work, item, event: item.item, identity: item.identity })
}

function additionFor(additions: Map<number, Addition>, partitionId: number): Addition {
  let addition = additions.get(partitionId)
  if (addition === undefined) {
    addition = { counts: noCounts(), events: [] }
    additions.set(partitionId, addition)
  }
  return addition
}

/** Gives the events their places, and ends the packet before wherever they do not fit into it. */
async function layOut(
  db: Queryable,
  before: Head,
  { counts, events }: Addition,
  nowMs: number,
): Promise<{ rows: SegmentRow[]; head: Head & { lastEventId: string | null } }> {
  const rows: SegmentRow[] = []
  let head = before
  // Of an append that is several rows, the first one counts what did not become events.
  let { received: _received, ...others } = counts
  for (const run of runsOf(events, before.watermarkMs)) {
    if (!fits(run, head)) head = await endBefore(db, head, run, nowMs)
    const apart = others.duplicate + others.rejected + others.quarantined + others.waived
    const row = { received: run.places.length + apart, ...others }
    rows.push({
      partitionId: head.partitionId,
      appendNo: head.nextAppend,
      firstSeq: head.nextSeq,
      ...row,
      lines: linesOf(run),
    })
    answerPlaces(run, head)
    head = after(head, row, run, nowMs)
    others = { duplicate: 0, rejected: 0, quarantined: 0, waived: 0 }
  }
  if (rows.length === 0) {
    const apart = others.duplicate + others.rejected + others.quarantined + others.waived
    const row = { received: apart, ...others }
    rows.push({ partitionId: head.partitionId, appendNo: head.nextAppend, firstSeq: head.nextSeq, ...row })
    head = after(head, row, undefined, nowMs)
  }
  return { rows, head: { ...head, lastEventId: events.at(-1)?.identity.eventId ?? null } }
}

/** Events that one segment can hold. */
type Run = {
  readonly stream: Offer['stream']
  readonly constants: string
  readonly places: { readonly placing: Placing; readonly flags: number }[]
  readonly lines: string[]
  bytes: number
}

function runsOf(events: readonly Placing[], watermarkMs: number): Run[] {
  const runs: Run[] = []
  for (const placing of events) {
    const { event, identity, work } = placing
    const { offer, constants, constantsText } = work.member
    const late = isLate(identity, watermarkMs)
    const asPrepared = identity === event.identity && late === event.late
    const placed = { event: event.event, identity, late }
    const line = asPrepared ? event.line : orThrow(lineFor(placed, offer, constants))
    const bytes = Buffer.byteLength(line) + 1
    let run = runs.at(-1)
    const isFull =
      run !== undefined && (run.lines.length === SEGMENT_EVENTS_MAX || run.bytes + bytes > SEGMENT_BYTES_MAX)
    if (
      run === undefined ||
      isFull ||
      run.constants !== constantsText ||
      run.stream.policyDigest !== offer.stream.policyDigest
    ) {
      run = { stream: offer.stream, constants: constantsText, places: [], lines: [], bytes: 0 }
      runs.push(run)
    }
    run.places.push({ placing, flags: flagsOf(placed) })
    run.lines.push(line)
    run.bytes += bytes
  }
  return runs
}

function fits(run: Run, head: Head): boolean {
  const unsealed = head.nextSeq - head.sealedSeq
  if (unsealed === 0) return true
  return (
    head.policyDigest === run.stream.policyDigest &&
    head.constants === run.constants &&
    unsealed + run.lines.length <= UNSEALED_EVENTS_MAX &&
    head.unsealedBytes + run.bytes <= UNSEALED_BYTES_MAX
  )
}

function endBefore(db: Queryable, head: Head, run: Run, nowMs: number): Promise<Head> {
  const { stream } = run
  const isPolicy = head.policyDigest !== stream.policyDigest || head.constants !== run.constants
  return markEnd(db, head, {
    watermarkMs: watermarkOf(head, stream.latenessMs),
    policyDigest: head.policyDigest ?? stream.policyDigest,
    rosterDigest: orThrow(rosterDigest(stream.operators)),
    because: isPolicy ? 'policy' : 'size',
    nowMs,
  })
}

function linesOf({ stream, constants, places, lines }: Run): SegmentLines {
  const times = places.map(({ placing }) => placing.identity.eventTimeMs)
  const weakest = new Map<string, PacketSource['authenticated']>()
  for (const { placing } of places) {
    const { source, authenticated } = placing.work.member.offer
    const known = weakest.get(source.sourceId)
    if (known === undefined || authentications.indexOf(authenticated) < authentications.indexOf(known))
      weakest.set(source.sourceId, authenticated)
  }
  const sources = [...weakest.keys()]
    .sort()
    .map(sourceId => ({ sourceId, authenticated: weakest.get(sourceId) ?? 'none' }))
  return {
    count: lines.length,
    policyDigest: stream.policyDigest,
    constants,
    sources: canonicalJson(sources),
    firstEventMs: times.reduce((least, ms) => Math.min(least, ms), Number.MAX_SAFE_INTEGER),
    lastEventMs: times.reduce((greatest, ms) => Math.max(greatest, ms), 0),
    bytes: Buffer.from(`${lines.join('\n')}\n`),
  }
}

function answerPlaces({ places }: Run, { partition, nextSeq }: Head): void {
  for (const [i, { placing, flags }] of places.entries()) {
    const { item, identity, work } = placing
    const { eventId, revises } = identity
    const { nativeId } = placing.event.observed
    const isKeyed = identity.dedup === 'none' && work.member.offer.idempotency !== undefined
    const placed = {
      eventId,
      partition,
      seq: nextSeq + i,
      flags,
      dedup: isKeyed ? ('event-id' as const) : identity.dedup,
      ...(nativeId !== undefined && { nativeId }),
    }
    item.answer =
      revises === undefined ? { status: 'accepted', ...placed } : { status: 'revision', ...placed, revises }
  }
}

function after(head: Head, row: Counts, run: Run | undefined, nowMs: number): Head {
  const counted = {
    ...head,
    nextAppend: head.nextAppend + 1,
    received: head.received + row.received,
    duplicate: head.duplicate + row.duplicate,
    rejected: head.rejected + row.rejected,
    quarantined: head.quarantined + row.quarantined,
    waived: head.waived + row.waived,
  }
  if (run === undefined) return counted
  return {
    ...counted,
    nextSeq: head.nextSeq + run.lines.length,
    eventMsMax: run.places.reduce(
      (greatest, place) => Math.max(greatest, countedTime(place)),
      head.eventMsMax ?? 0,
    ),
    unsealedBytes: head.unsealedBytes + run.bytes,
    unsealedSinceMs: head.unsealedSinceMs ?? nowMs,
    policyDigest: run.stream.policyDigest,
    policyNo: run.stream.policyNo,
    constants: run.constants,
  }
}

/** An event that was fetched later closes no window, and one from the future closes none before its time. */
function countedTime({ placing, flags }: Run['places'][number]): number {
  if ((flags & qualityFlags.BACKFILL) !== 0) return 0
  const { source, receivedMs } = placing.work.member.offer
  return Math.min(placing.identity.eventTimeMs, receivedMs + source.time.skewMsMax)
}

function released({ member, items, outcome }: Work) {
  if (outcome !== undefined) return []
  return items.flatMap(({ index, letGo, answer }) => {
    const release = member.offer.releases?.[index]
    if (release === undefined || letGo?.kind !== 'released') return []
    return [{ ...release, eventId: eventIdIn(answer) }]
  })
}

function eventIdIn(answer: ItemAnswer | undefined): string | null {
  if (answer?.status === 'accepted' || answer?.status === 'revision') return answer.eventId
  return answer?.status === 'duplicate' ? answer.of : null
}

function answeredUnderKey({ member, items, outcome }: Work) {
  const { idempotency } = member.offer
  return idempotency === undefined || outcome !== undefined
    ? []
    : [{ key: idempotency, items: answersOf(items) }]
}

function outcomeOf({ outcome, items }: Work): AppendOutcome {
  return outcome ?? { kind: 'answered', items: answersOf(items), replayed: false }
}

function answersOf(items: readonly ItemWork[]): ItemAnswer[] {
  return items.map(({ answer, index }) => {
    if (answer === undefined) throw new Error(`item ${index} was neither taken nor refused`)
    return answer
  })
}
