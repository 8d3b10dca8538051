import { canonicalJson } from '../../core/canonical-json.ts'
import type { IdentifiedEvent } from '../../core/event/identity.ts'
import { qualityFlags } from '../../core/event/quality-flags.ts'
import { orThrow } from '../../core/fault.ts'
import { authentications, PACKET_SOURCES_MAX, type PacketSource } from '../../core/log/packet-header.ts'
import { rosterDigest } from '../../core/log/roster.ts'
import type { Stream } from '../../core/registry/stream.ts'
import type { Queryable } from '../postgres/sql.ts'
import { countsNowhere, type ItemWork, isOpen, partitionFor, type Work } from './group-work.ts'
import { type Head, markEnd, watermarkOf } from './heads.ts'
import { flagsOf, isLate, lineFor, type PreparedEvent } from './prepared.ts'
import { type Counts, noCounts, type SegmentLines, type SegmentRow, writeSegments } from './write-segments.ts'

/** Events of one append, so that a packet can hold whole ones. */
const SEGMENT_EVENTS_MAX = 16_384

const SEGMENT_BYTES_MAX = 8 * 1024 * 1024

/** With the next append, a packet must still be one. */
const UNSEALED_EVENTS_MAX = 60_000

const UNSEALED_BYTES_MAX = 24 * 1024 * 1024

export async function place(
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

/** What one transaction adds to one partition. */
type Addition = { counts: Counts; readonly events: Placing[] }

type Placing = {
  readonly work: Work
  readonly item: ItemWork
  readonly event: PreparedEvent
  readonly identity: IdentifiedEvent
}

function addTo(additions: Map<number, Addition>, work: Work, item: ItemWork): void {
  if (countsNowhere(item)) return
  const { id } = partitionFor(work.member, item)
  const { counts, events } = additionFor(additions, id)
  if (item.letGo?.kind !== 'released') counts.received++
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
  for (const planned of runsOf(events, before.watermarkMs)) {
    let run = planned
    let sources = head.unsealedSources + run.sources.size
    // Too many, it may be: of what is in the log already they can be counted.
    if (sources > PACKET_SOURCES_MAX && rows.length === 0) sources = await countSources(db, head, run.sources)
    if (!fits(run, head, sources)) {
      head = await endBefore(db, head, run, nowMs)
      sources = run.sources.size
    }
    // The packets that have ended since the runs were made say which events are late.
    if (head.watermarkMs !== before.watermarkMs) run = writtenAt(head.watermarkMs, run)
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
    head = { ...after(head, row, run, nowMs), unsealedSources: sources }
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
  readonly stream: Stream
  readonly constants: string
  readonly places: { readonly placing: Placing; readonly flags: number }[]
  readonly lines: string[]
  readonly sources: Set<string>
  bytes: number
}

function runsOf(events: readonly Placing[], watermarkMs: number): Run[] {
  const runs: Run[] = []
  for (const placing of events) {
    const { offer, constants } = placing.work.member
    const written = write(placing, watermarkMs)
    let run = runs.at(-1)
    if (
      run === undefined ||
      isFull(run, written, offer.source.sourceId) ||
      run.constants !== constants ||
      run.stream.policyDigest !== offer.stream.policyDigest
    ) {
      run = { stream: offer.stream, constants, places: [], lines: [], sources: new Set(), bytes: 0 }
      runs.push(run)
    }
    add(run, placing, written)
  }
  return runs
}

function writtenAt(watermarkMs: number, { places, ...run }: Run): Run {
  const again: Run = { ...run, places: [], lines: [], bytes: 0 }
  for (const { placing } of places) add(again, placing, write(placing, watermarkMs))
  return again
}

type Written = { readonly line: string; readonly bytes: number; readonly flags: number }

function write({ event, identity, work }: Placing, watermarkMs: number): Written {
  const late = isLate(identity, watermarkMs)
  const asPrepared = identity === event.identity && late === event.late
  const placed = { event: event.event, identity, late }
  const line = asPrepared ? event.line : orThrow(lineFor(placed, work.member.writeLine))
  return { line, bytes: Buffer.byteLength(line) + 1, flags: flagsOf(placed) }
}

function isFull({ lines, bytes, sources }: Run, written: Written, sourceId: string): boolean {
  if (lines.length === SEGMENT_EVENTS_MAX || bytes + written.bytes > SEGMENT_BYTES_MAX) return true
  return sources.size === PACKET_SOURCES_MAX && !sources.has(sourceId)
}

function add(run: Run, placing: Placing, { line, bytes, flags }: Written): void {
  run.places.push({ placing, flags })
  run.lines.push(line)
  run.sources.add(placing.work.member.offer.source.sourceId)
  run.bytes += bytes
}

/** Of a packet that would hold what is unsealed and the run. */
async function countSources(db: Queryable, head: Head, more: ReadonlySet<string>): Promise<number> {
  const { rows } = await db.query<{ sources: number }>({
    name: 'count-unsealed-sources',
    text: `select count(*)::int as sources from (
      select source ->> 'sourceId' from segments, json_array_elements(sources::json) as source
        where partition_id = $1 and first_seq >= $2 and count > 0
      union select unnest($3::text[])) as named`,
    values: [head.partitionId, head.sealedSeq, [...more]],
  })
  return rows[0]?.sources ?? 0
}

function fits(run: Run, head: Head, sources: number): boolean {
  const unsealed = head.nextSeq - head.sealedSeq
  if (unsealed === 0) return true
  return (
    head.policyDigest === run.stream.policyDigest &&
    head.constants === run.constants &&
    sources <= PACKET_SOURCES_MAX &&
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
