import * as z from 'zod'
import { accepted, FaultError, type Outcome } from '../../core/fault.ts'
import {
  EXPORT_HEADERS_MAX,
  type ExportRecord,
  type OpeningRecord,
  opening,
  type PacketRecord,
  unreadable,
} from './records.ts'

/** Where an export comes from: a database, or a node that is asked. */
export type ExportSource = {
  /** Of one stream, or of all. */
  opening(streamId: string | null): Promise<OpeningRecord>
  /** So many as there are, from this height on. */
  headers(from: number, count: number): Promise<Uint8Array>
  /**
   * Packets from one on, at least one where any of the range is there, each behind the policies and certificates that it needs and
   * that were not given in the same answer to a packet of its page. It may end before `to`; then it is asked again.
   */
  packets(range: PacketRange): AsyncIterable<ExportRecord>
}

export type PacketRange = {
  readonly streamId: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

const cursor = z.strictObject({
  opening: opening.nullable(),
  records: z.int().min(0),
  /** The height that comes next; null once all are there. */
  height: z.int().min(0).nullable(),
  /** Of the partition in `opening`, and of the packet that comes next. */
  at: z.int().min(0),
  packetNo: z.int().min(0),
  /** Digests and txids that the packets of this page need and have. */
  given: z.array(z.string()).readonly(),
  isWhole: z.boolean(),
})
/** How far an export is; a function of the records so far, so that it can go on from them. */
export type Cursor = z.output<typeof cursor>

export function readCursor(json: unknown): Outcome<Cursor> {
  const read = cursor.safeParse(json)
  return read.success ? accepted(read.data) : unreadable('this is no place in an export')
}

export const atBeginning: Cursor = {
  opening: null,
  records: 0,
  height: null,
  at: 0,
  packetNo: 0,
  given: [],
  isWhole: false,
}

/** Certificates and policies are given again after so many packets: so whoever checks has to remember few. */
const PAGE_PACKETS = 64

export function advance(before: Cursor, record: ExportRecord): Cursor {
  const next = { ...before, records: before.records + 1 }
  switch (record.kind) {
    case 'opening':
      return { ...next, opening: record, height: record.headers?.first ?? null }
    case 'headers':
      return { ...next, height: heightAfter(before, record.firstHeight + record.headers.length / 80) }
    case 'policy':
      return { ...next, given: [...before.given, record.digest] }
    case 'certificate':
      return { ...next, given: [...before.given, record.txid] }
    case 'packet':
      return behindPacket(next, record)
    case 'closing':
      return { ...next, isWhole: true }
  }
}

/** What is left of an export, from a cursor on: the same records for the same contents, wherever it was cut off. */
export async function* exportRecords(
  source: ExportSource,
  streamId: string | null,
  from: Cursor = atBeginning,
): AsyncGenerator<ExportRecord> {
  let place = from
  const told = (record: ExportRecord) => {
    place = advance(place, record)
    return record
  }
  if (place.opening === null) yield told(await source.opening(streamId))
  const { opening } = place
  if (opening === null || place.isWhole) return
  while (place.height !== null && opening.headers !== null) {
    const count = Math.min(EXPORT_HEADERS_MAX, opening.headers.tip + 1 - place.height)
    const headers = await source.headers(place.height, count)
    // The chain has become shorter meanwhile: what there is, is told.
    if (headers.length === 0) break
    if (headers.length % 80 !== 0 || headers.length > 80 * count)
      throw new FaultError(
        unreadable(`${count} block headers were asked for, and ${headers.length} bytes answered`).fault,
      )
    yield told({ kind: 'headers', firstHeight: place.height, headers })
  }
  for (;;) {
    const extent = opening.partitions[place.at]
    if (extent === undefined) break
    const { at, packetNo: before } = place
    const { streamId, partition, marks } = extent
    if (before < marks)
      for await (const record of source.packets({ streamId, partition, from: before, to: marks })) {
        if (place.at !== at || !isWanted(record, { streamId, partition, from: place.packetNo, to: marks }))
          throw new FaultError(
            unreadable(
              `packets of stream "${streamId}", partition ${partition}, were asked for from ${before} on, and something else was answered`,
            ).fault,
          )
        if (!isGiven(place, record)) yield told(record)
      }
    // Nothing more is there, though it should be: whoever checks sees what is missing.
    if (place.at === at && place.packetNo === before) place = inPartition(place, at + 1)
  }
  yield told({ kind: 'closing', records: place.records })
}

/** One of the packets that are asked for, or what one needs. */
function isWanted(record: ExportRecord, { streamId, partition, from, to }: PacketRange): boolean {
  if (record.kind !== 'packet') return record.kind === 'policy' || record.kind === 'certificate'
  const isThere = record.streamId === streamId && record.partition === partition
  return isThere && record.packetNo >= from && record.packetNo < to
}

function behindPacket(before: Cursor, { streamId, partition, packetNo }: PacketRecord): Cursor {
  const extents = before.opening?.partitions ?? []
  const found = extents.findIndex(
    (extent, i) => i >= before.at && extent.streamId === streamId && extent.partition === partition,
  )
  const at = found < 0 ? before.at : found
  const next = packetNo + 1
  // No block headers come behind packets, also where there were fewer than announced.
  const behind = { ...before, height: null }
  if (next >= (extents[at]?.marks ?? 0)) return inPartition(behind, at + 1)
  const isSamePage = at === before.at && pageOf(next) === pageOf(before.packetNo)
  return { ...behind, at, packetNo: next, given: isSamePage ? before.given : [] }
}

function inPartition(before: Cursor, at: number): Cursor {
  return { ...before, at, packetNo: 0, given: [] }
}

function isGiven({ given }: Cursor, record: ExportRecord): boolean {
  if (record.kind === 'policy') return given.includes(record.digest)
  return record.kind === 'certificate' && given.includes(record.txid)
}

function heightAfter({ opening }: Cursor, next: number): number | null {
  return opening?.headers == null || next > opening.headers.tip ? null : next
}

/** What packets need is given once in each. */
export function pageOf(packetNo: number): number {
  return Math.floor(packetNo / PAGE_PACKETS)
}
