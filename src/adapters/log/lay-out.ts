import { canonicalJson } from '../../core/canonical-json.ts'
import type { IdentifiedEvent } from '../../core/event/identity.ts'
import { qualityFlags } from '../../core/event/quality-flags.ts'
import { orThrow } from '../../core/fault.ts'
import { authentications, PACKET_SOURCES_MAX, type PacketSource } from '../../core/log/packet-header.ts'
import { acceptedOperators, rosterDigest } from '../../core/log/roster.ts'
import type { Stream } from '../../core/registry/stream.ts'
import type { OfferedEvent } from '../../ingest/append.ts'
import type { OfferedLines } from '../../ingest/offered-lines.ts'
import type { Queryable } from '../postgres/sql.ts'
import { changedLine } from './changed-line.ts'
import { countsNowhere, type ItemWork, isOpen, partitionFor, type Work } from './group-work.ts'
import { type Head, markEnd, watermarkOf } from './heads.ts'
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
  at: PlacedAt,
): Promise<Head[]> {
  const additions = new Map<number, Addition>()
  for (const work of works.filter(isOpen)) for (const item of work.items) addTo(additions, item)

  const rows: SegmentRow[] = []
  const written: (Head & { lastEventId: string | null })[] = []
  for (const [partitionId, addition] of [...additions].sort(([a], [b]) => a - b)) {
    const head = heads.get(partitionId)
    if (head === undefined) throw new Error(`partition ${partitionId} has no head`)
    const laid = await layOut(db, head, addition, at)
    rows.push(...laid.rows)
    written.push(laid.head)
  }
  if (rows.length > 0) await writeSegments(db, rows, written, at.nowMs)
  return written
}

export type PlacedAt = {
  readonly nowMs: number
  /** Of the node, for streams that name none. */
  readonly operators: readonly string[]
}

/** What one transaction adds to one partition. */
type Addition = { counts: Counts; readonly events: Placing[] }

type Placing = ItemWork & { readonly event: OfferedEvent; readonly identity: IdentifiedEvent }

function addTo(additions: Map<number, Addition>, item: ItemWork): void {
  if (countsNowhere(item)) return
  const { id } = partitionFor(item)
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
  else if (isPlacing(item)) events.push(item)
}

function isPlacing(item: ItemWork): item is Placing {
  return item.event !== undefined && item.identity !== undefined
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
  at: PlacedAt,
): Promise<{ rows: SegmentRow[]; head: Head & { lastEventId: string | null } }> {
  const rows: SegmentRow[] = []
  let head = before
  // Of an append that is several rows, the first one counts what did not become events.
  let { received: _received, ...others } = counts
  for (const planned of runsOf(events, before.watermarkMs)) {
    let run = planned
    let sources = head.unsealedSources + run.sources.size
    // Too many, it may be: of what is in the log already they can be counted.
    if (sources > PACKET_SOURCES_MAX && rows.length === 0)
      sources = await countSources(db, head, [...run.sources.keys()])
    if (!fits(run, head, sources)) {
      head = await endBefore(db, head, run, at)
      sources = run.sources.size
    }
    // The packets that have ended since the runs were made say which events are late.
    if (head.watermarkMs !== before.watermarkMs) run = writtenAt(head.watermarkMs, run)
    const apart = others.duplicate + others.rejected + others.quarantined + others.waived
    const row = { received: run.events.length + apart, ...others }
    rows.push({
      partitionId: head.partitionId,
      appendNo: head.nextAppend,
      firstSeq: head.nextSeq,
      ...row,
      lines: linesOf(run),
    })
    answerPlaces(run, head)
    head = { ...after(head, row, run, at.nowMs), unsealedSources: sources }
    others = { duplicate: 0, rejected: 0, quarantined: 0, waived: 0 }
  }
  if (rows.length === 0) {
    const apart = others.duplicate + others.rejected + others.quarantined + others.waived
    const row = { received: apart, ...others }
    rows.push({ partitionId: head.partitionId, appendNo: head.nextAppend, firstSeq: head.nextSeq, ...row })
    head = after(head, row, undefined, at.nowMs)
  }
  return { rows, head: { ...head, lastEventId: events.at(-1)?.identity.eventId ?? null } }
}

/** Events that one segment can hold. */
type Run = {
  readonly stream: Stream
  readonly constants: string
  readonly events: Placing[]
  readonly flags: number[]
  readonly lines: Stretch[]
  /** The weakest way in which each of them was authenticated. */
  readonly sources: Map<string, PacketSource['authenticated']>
  bytes: number
}

/** Lines that stand one after the other where they come from. */
type Stretch = { readonly of: OfferedLines | undefined; readonly from: number; bytes: Buffer }

function emptyRun(stream: Stream, constants: string): Run {
  return { stream, constants, events: [], flags: [], lines: [], sources: new Map(), bytes: 0 }
}

function runsOf(events: readonly Placing[], watermarkMs: number): Run[] {
  const runs: Run[] = []
  let run: Run | undefined
  for (const item of events) {
    const { stream, style, source } = item.member.offer
    const line = lineOf(item, watermarkMs)
    if (
      run === undefined ||
      isFull(run, line.bytes, source.sourceId) ||
      run.constants !== style.constantsText ||
      run.stream.policyDigest !== stream.policyDigest
    ) {
      run = emptyRun(stream, style.constantsText)
      runs.push(run)
    }
    add(run, item, line)
  }
  return runs
}

function writtenAt(watermarkMs: number, { stream, constants, events }: Run): Run {
  const again = emptyRun(stream, constants)
  for (const item of events) add(again, item, lineOf(item, watermarkMs))
  return again
}

/** `changed`: where it is not the line that was offered. */
type Line = { readonly flags: number; readonly bytes: number; readonly changed: Buffer | undefined }

function lineOf({ event, identity, member }: Placing, watermarkMs: number): Line {
  const isLate = identity.eventTimeMs < watermarkMs
  const flags = identity.flags | event.flags | (isLate ? qualityFlags.LATE : 0)
  const asOffered = identity === event.identity && !isLate
  const changed = asOffered ? undefined : changedLine(event, identity, flags, member.offer)
  return { flags, bytes: changed?.length ?? event.lineBytes, changed }
}

function isFull({ events, bytes, sources }: Run, lineBytes: number, sourceId: string): boolean {
  if (events.length === SEGMENT_EVENTS_MAX || bytes + lineBytes > SEGMENT_BYTES_MAX) return true
  return sources.size === PACKET_SOURCES_MAX && !sources.has(sourceId)
}

function add(run: Run, item: Placing, { flags, bytes, changed }: Line): void {
  const { lines, source, authenticated } = item.member.offer
  const { lineAt, lineBytes } = item.event
  run.events.push(item)
  run.flags.push(flags)
  run.bytes += bytes
  const last = run.lines.at(-1)
  if (changed !== undefined) run.lines.push({ of: undefined, from: 0, bytes: changed })
  else if (last?.of === lines && last.from + last.bytes.length === lineAt)
    last.bytes = lines.slice(last.from, lineAt + lineBytes)
  else run.lines.push({ of: lines, from: lineAt, bytes: lines.slice(lineAt, lineAt + lineBytes) })
  const known = run.sources.get(source.sourceId)
  if (known === authenticated) return
  if (known === undefined || authentications.indexOf(authenticated) < authentications.indexOf(known))
    run.sources.set(source.sourceId, authenticated)
}

/** Of a packet that would hold what is unsealed and the run. */
async function countSources(db: Queryable, head: Head, more: readonly string[]): Promise<number> {
  const { rows } = await db.query<{ sources: number }>({
    name: 'count-unsealed-sources',
    text: `select count(*)::int as sources from (
      select source ->> 'sourceId' from segments, json_array_elements(sources::json) as source
        where partition_id = $1 and first_seq >= $2 and count > 0
      union select unnest($3::text[])) as named`,
    values: [head.partitionId, head.sealedSeq, more],
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
    unsealed + run.events.length <= UNSEALED_EVENTS_MAX &&
    head.unsealedBytes + run.bytes <= UNSEALED_BYTES_MAX
  )
}

function endBefore(db: Queryable, head: Head, run: Run, { nowMs, operators }: PlacedAt): Promise<Head> {
  const { stream } = run
  const isPolicy = head.policyDigest !== stream.policyDigest || head.constants !== run.constants
  return markEnd(db, head, {
    watermarkMs: watermarkOf(head, stream.latenessMs),
    policyDigest: head.policyDigest ?? stream.policyDigest,
    rosterDigest: orThrow(rosterDigest(acceptedOperators(stream.operators, operators))),
    because: isPolicy ? 'policy' : 'size',
    nowMs,
  })
}

function linesOf({ stream, constants, events, lines, sources }: Run): SegmentLines {
  const named = [...sources]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([sourceId, authenticated]) => ({ sourceId, authenticated }))
  let firstEventMs = Number.MAX_SAFE_INTEGER
  let lastEventMs = 0
  for (const { identity } of events) {
    firstEventMs = Math.min(firstEventMs, identity.eventTimeMs)
    lastEventMs = Math.max(lastEventMs, identity.eventTimeMs)
  }
  const [only] = lines
  return {
    count: events.length,
    policyDigest: stream.policyDigest,
    constants,
    sources: canonicalJson(named),
    firstEventMs,
    lastEventMs,
    bytes:
      only !== undefined && lines.length === 1 ? only.bytes : Buffer.concat(lines.map(each => each.bytes)),
  }
}

function answerPlaces({ events, flags }: Run, { partition, nextSeq }: Head): void {
  for (const [i, item] of events.entries()) {
    const { identity, member, event } = item
    const { eventId, revises } = identity
    const { nativeId } = event
    const isKeyed = identity.dedup === 'none' && member.offer.idempotency !== undefined
    const placed = {
      eventId,
      partition,
      seq: nextSeq + i,
      flags: flags[i] ?? 0,
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
    nextSeq: head.nextSeq + run.events.length,
    eventMsMax: countedTime(run, head.eventMsMax ?? 0),
    unsealedBytes: head.unsealedBytes + run.bytes,
    unsealedSinceMs: head.unsealedSinceMs ?? nowMs,
    policyDigest: run.stream.policyDigest,
    policyNo: run.stream.policyNo,
    constants: run.constants,
  }
}

/** An event that was fetched later closes no window, and one from the future closes none before its time. */
function countedTime({ events, flags }: Run, leastMs: number): number {
  let countedMs = leastMs
  for (const [i, { identity, member }] of events.entries()) {
    if (((flags[i] ?? 0) & qualityFlags.BACKFILL) !== 0) continue
    const { source, receivedMs } = member.offer
    countedMs = Math.max(countedMs, Math.min(identity.eventTimeMs, receivedMs + source.time.skewMsMax))
  }
  return countedMs
}
