import { indexOfByte, sha256Hex, sha256Into } from '#sha256'
import { fromUtf8, toHex } from '../bytes.ts'
import { canonicalJson } from '../canonical-json.ts'
import { canonicalLines } from '../canonical-lines.ts'
import type { Envelope } from '../event/envelope.ts'
import { readLine } from '../event/line.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { merkleRoot } from '../merkle.ts'
import type { PartitionRecord, SealMark, Segment } from './entries.ts'
import {
  authentications,
  PACKET_BYTES_MAX,
  PACKET_EVENTS_MAX,
  type PacketHeader,
  type PacketSource,
  packetId,
  readPacketHeader,
} from './packet-header.ts'
import { continues } from './succession.ts'

export type SealedPacket = {
  readonly packetId: string
  readonly header: PacketHeader
  readonly bytes: Uint8Array
  /** 32 bytes per line, in order. */
  readonly leaves: Uint8Array
}

/**
 * A packet follows from the log alone: the partition's record, the segments between two seal marks, and the
 * mark that ends it. Done again on a copy, it gives the same packetId; a log that contradicts itself is refused.
 */
export function sealPacket(...from: Parameters<typeof sealPacketInSteps>): Outcome<SealedPacket> {
  return lastOf(sealPacketInSteps(...from))
}

/** The same for a thread that serves others: many lines take a while. */
export function* sealPacketInSteps(
  record: PartitionRecord,
  previous: PacketHeader | null,
  segments: readonly Segment[],
  mark: SealMark,
): Generator<undefined, Outcome<SealedPacket>> {
  const firstSeq = previous === null ? 0 : previous.firstSeq + previous.count
  const misplaced = misplacedEntry(record, firstSeq, segments, mark)
  if (misplaced !== undefined) return refused('log-invalid', `partition ${record.partition}: ${misplaced}`)

  const bytes = joinLines(segments)
  const hashed = yield* hashLinesInSteps(bytes)
  if (!hashed.ok) return hashed
  if (hashed.value.length !== 32 * (mark.upToSeq - firstSeq))
    return refused('log-invalid', 'the segments hold another number of lines than they count')

  const { log, streamId, partition, level, audience, network } = record
  const { watermarkMs, policyDigest, rosterDigest, totals } = mark
  const header = readPacketHeader({
    v: 1,
    ...{ log, streamId, partition, level, audience, network },
    ...{ watermarkMs, policyDigest, rosterDigest, totals },
    packetNo: previous === null ? 0 : previous.packetNo + 1,
    previous: previous === null ? null : packetId(previous),
    firstSeq,
    count: mark.upToSeq - firstSeq,
    ...contentOf(bytes, hashed.value),
    ...timesOf(segments),
    sources: sourcesOf(segments),
    constants: segments[0]?.constants ?? {},
  })
  if (!header.ok) return header
  const placed = continues(previous, header.value)
  if (!placed.ok) return placed
  return accepted({ packetId: packetId(header.value), header: header.value, bytes, leaves: hashed.value })
}

/** The leaves of the lines, if these are the bytes that the header describes. */
export function checkPacketBytes(header: PacketHeader, bytes: Uint8Array): Outcome<Uint8Array> {
  // The cheapest question first: nothing is hashed that has the wrong length.
  if (bytes.length !== header.bytes) return foreign(`${header.bytes} bytes were wanted, not ${bytes.length}`)
  const leaves = hashLines(bytes)
  if (!leaves.ok) return leaves
  if (leaves.value.length !== 32 * header.count) return foreign(`${header.count} lines were wanted`)
  const { root, rawHash } = contentOf(bytes, leaves.value)
  if (root !== header.root) return foreign('its lines have another root')
  if (rawHash !== header.rawHash) return foreign('its bytes have another hash')
  return leaves
}

/** The events of a packet, in order, if header and bytes agree in everything that the lines can show. */
export function openPacket(header: PacketHeader, bytes: Uint8Array): Outcome<readonly Envelope[]> {
  const leaves = checkPacketBytes(header, bytes)
  if (!leaves.ok) return leaves
  const text = fromUtf8(bytes)
  if (text === undefined) return foreign('its lines are not UTF-8')

  const events: Envelope[] = []
  const isNextCanonical = canonicalLines(bytes)
  for (const [i, line] of text.split('\n').slice(0, -1).entries()) {
    const event = readLine(line, header.constants, isNextCanonical())
    if (!event.ok) {
      const { code, detail, pointer } = event.fault
      return refused(code, `line ${i}: ${detail}`, pointer)
    }
    events.push(event.value)
  }
  const lie = lieAbout(header, events)
  return lie === undefined ? accepted(events) : foreign(lie)
}

/** Leaf hashes of newline-ended lines, 32 bytes each, in order. */
export function hashLines(bytes: Uint8Array, bounds?: LineBounds): Outcome<Uint8Array> {
  return lastOf(hashLinesInSteps(bytes, bounds))
}

type LineBounds = { readonly linesMax?: number; readonly bytesMax?: number }

const STEP_LINES = 512

/** The same for a thread that serves others. */
export function* hashLinesInSteps(
  bytes: Uint8Array,
  { linesMax = PACKET_EVENTS_MAX, bytesMax = PACKET_BYTES_MAX }: LineBounds = {},
): Generator<undefined, Outcome<Uint8Array>> {
  if (bytes.length > bytesMax) return notLines(`there are more than ${bytesMax} bytes`)
  if (bytes.length > 0 && bytes[bytes.length - 1] !== NEWLINE)
    return notLines('the last one has no newline at its end')
  const lines = countLines(bytes, linesMax)
  if (lines > linesMax) return notLines(`there are more than ${linesMax}`)

  // A leaf is hashed with a zero byte before it. One copy of the packet, its newlines made zeros, has that byte
  // in front of every line, and spares a copy per line.
  const prefixed = new Uint8Array(bytes.length + 1)
  prefixed.set(bytes, 1)
  const leaves = new Uint8Array(32 * lines)
  let start = 0
  for (let at = 0; at < leaves.length; at += 32) {
    const end = indexOfByte(prefixed, NEWLINE, start + 1)
    if (end === start + 1) return notLines(`line ${at / 32} is empty`)
    prefixed[end] = 0
    sha256Into(prefixed.subarray(start, end), leaves, at)
    start = end
    if ((at / 32) % STEP_LINES === STEP_LINES - 1) yield
  }
  return accepted(leaves)
}

function lastOf<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

const NEWLINE = 0x0a

/** Counts no further than one beyond `linesMax`. */
function countLines(bytes: Uint8Array, linesMax: number): number {
  let lines = 0
  let at = indexOfByte(bytes, NEWLINE, 0)
  for (; at >= 0 && lines <= linesMax; at = indexOfByte(bytes, NEWLINE, at + 1)) lines++
  return lines
}

function contentOf(bytes: Uint8Array, leaves: Uint8Array) {
  return { root: toHex(merkleRoot(leaves)), bytes: bytes.length, rawHash: sha256Hex(bytes) }
}

function misplacedEntry(
  record: PartitionRecord,
  firstSeq: number,
  segments: readonly Segment[],
  mark: SealMark,
): string | undefined {
  if (mark.partition !== record.partition) return `the seal mark belongs to partition ${mark.partition}`
  const constants = canonicalJson(segments[0]?.constants ?? {})
  let nextSeq = firstSeq
  for (const segment of segments) {
    if (segment.partition !== record.partition) return `a segment belongs to partition ${segment.partition}`
    if (segment.firstSeq !== nextSeq)
      return `sequence ${nextSeq} was wanted, and a segment begins at ${segment.firstSeq}`
    if (segment.count < 1) return `the segment at sequence ${nextSeq} is empty`
    if (segment.policyDigest !== mark.policyDigest) return 'a policy changed between two seal marks'
    if (canonicalJson(segment.constants) !== constants) return 'the constants changed between two seal marks'
    nextSeq += segment.count
  }
  return nextSeq === mark.upToSeq
    ? undefined
    : `the segments end at sequence ${nextSeq}, the seal mark says ${mark.upToSeq}`
}

function joinLines(segments: readonly Segment[]): Uint8Array {
  const [only] = segments
  if (only !== undefined && segments.length === 1) return only.lines
  const bytes = new Uint8Array(segments.reduce((length, segment) => length + segment.lines.length, 0))
  let at = 0
  for (const { lines } of segments) {
    bytes.set(lines, at)
    at += lines.length
  }
  return bytes
}

function timesOf(segments: readonly Segment[]) {
  if (segments.length === 0) return { firstEventTimeMs: null, lastEventTimeMs: null }
  return {
    firstEventTimeMs: segments.reduce(
      (least, segment) => Math.min(least, segment.firstEventTimeMs),
      Infinity,
    ),
    lastEventTimeMs: segments.reduce((greatest, segment) => Math.max(greatest, segment.lastEventTimeMs), 0),
  }
}

function sourcesOf(segments: readonly Segment[]): PacketSource[] {
  const weakest = new Map<string, number>()
  for (const { sources } of segments) {
    for (const { sourceId, authenticated } of sources) {
      const strength = authentications.indexOf(authenticated)
      weakest.set(sourceId, Math.min(strength, weakest.get(sourceId) ?? strength))
    }
  }
  return [...weakest.keys()]
    .sort()
    .map(sourceId => ({ sourceId, authenticated: authentications[weakest.get(sourceId) ?? 0] ?? 'none' }))
}

/** What a header claims of its events and the events deny. How a source was authenticated no line shows. */
function lieAbout(header: PacketHeader, events: readonly Envelope[]): string | undefined {
  if (events.length === 0) return undefined
  let [first, last] = [Infinity, 0]
  const sourceIds = new Set<string>()
  for (const event of events) {
    const contradiction = againstHeader(header, event)
    if (contradiction !== undefined) return contradiction
    first = Math.min(first, event.eventTimeMs)
    last = Math.max(last, event.eventTimeMs)
    sourceIds.add(event.sourceId)
  }
  if (first !== header.firstEventTimeMs || last !== header.lastEventTimeMs)
    return 'no event has the first or the last time that the header states'
  return sourceIds.size === header.sources.length
    ? undefined
    : 'the header lists a source that none of its events has'
}

/** What one event of a packet says otherwise than the packet's header. */
export function againstHeader(header: PacketHeader, event: Envelope): string | undefined {
  const { streamId, audience, firstEventTimeMs, lastEventTimeMs, sources } = header
  if (event.streamId !== streamId) return 'an event belongs to another stream'
  if ((event.blind !== undefined) !== (audience === 'restricted'))
    return 'an event must be blinded where the packet is restricted, and nowhere else'
  if (!sources.some(({ sourceId }) => sourceId === event.sourceId))
    return 'an event has a source that the header does not list'
  const within =
    firstEventTimeMs !== null &&
    lastEventTimeMs !== null &&
    event.eventTimeMs >= firstEventTimeMs &&
    event.eventTimeMs <= lastEventTimeMs
  return within ? undefined : 'an event has a time outside those that the header states'
}

function foreign(why: string): Outcome<never> {
  return refused('packet-invalid', `the packet's bytes are not those of its header: ${why}`)
}

function notLines(why: string): Outcome<never> {
  return refused('packet-invalid', `the bytes are not the lines of a packet: ${why}`)
}
