import { decodeFirst, encode } from 'cborg'
import * as z from 'zod'
import { audiences } from '../../core/audience.ts'
import { sameBytes } from '../../core/bytes.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { levels } from '../../core/level.ts'
import { PACKET_BYTES_MAX, PARTITIONS_MAX } from '../../core/log/packet-header.ts'
import { networks } from '../../core/network.ts'
import { ROUND_PACKETS_MAX } from '../../core/rounds/round.ts'

/*
 * What an export is made of. It says what is stored, also where that is wrong: whoever checks it finds out. One record has one
 * spelling, deterministic CBOR; docs/formats.md has the members.
 */

/** The largest is a packet: its lines, what the log has instead of them, and its output. */
export const RECORD_BYTES_MAX = 160 * 1024 * 1024
/** Of which one export tells; a node with more is exported stream by stream. */
export const EXPORT_PARTITIONS_MAX = 10_000
/** In one record. */
export const EXPORT_HEADERS_MAX = 2_000
/** Of the last block of any chain that we can live to see. */
const HEIGHT_MAX = 10_000_000

const hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const key = z.string().regex(/^0[23][0-9a-f]{64}$/)
const whole = z.int().min(0)
const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array, 'not bytes')
const text = z.string().max(PACKET_BYTES_MAX)

/** Signed, for what left quarantine is counted below nothing. */
export const counts = z.strictObject({
  received: z.int(),
  accepted: z.int(),
  duplicate: z.int(),
  rejected: z.int(),
  quarantined: z.int(),
  waived: z.int(),
})
export type Counts = z.output<typeof counts>

const extent = z.strictObject({
  log: key,
  streamId: z.string().max(256),
  partition: whole.max(PARTITIONS_MAX - 1),
  level: z.enum(levels),
  audience: z.enum(audiences),
  network: z.enum(networks),
  /** Packets that have a seal mark, whether they are made yet or not. */
  marks: whole,
  /** Packets that have set out on their way to a certificate. */
  followed: whole,
  /** As the log counts them itself. */
  ledger: counts,
  /** Of the appends after the last mark. */
  tail: counts,
  /** Items that stand in quarantine. */
  held: whole,
  certified: whole,
  split: whole,
})
/** A partition at the moment of the opening: what the export tells of it, and what its log says it holds. */
export type Extent = z.output<typeof extent>

export const opening = z.strictObject({
  kind: z.literal('opening'),
  format: z.literal('assay-export'),
  v: z.literal(1),
  network: z.enum(networks),
  /** Null: of all streams. */
  streamId: z.string().max(256).nullable(),
  /** Heights of the block headers that follow; null where none are kept. */
  headers: z.strictObject({ first: whole, tip: whole.max(HEIGHT_MAX) }).nullable(),
  partitions: z.array(extent).max(EXPORT_PARTITIONS_MAX),
})

const headers = z.strictObject({ kind: z.literal('headers'), firstHeight: whole, headers: bytes })

const policy = z.strictObject({ kind: z.literal('policy'), digest: hex32, policy: text.nullable() })

const certificate = z.strictObject({
  kind: z.literal('certificate'),
  txid: hex32,
  /** In history form; null where it cannot be put together from what is stored. */
  beef: bytes.nullable(),
  /** What is stored under the txid, where `beef` is null. */
  raw: bytes.nullable(),
  block: bytes.nullable(),
  /** The round document; null where it is not the reader's to see. */
  document: text.nullable(),
})

const mark = z.strictObject({
  upToSeq: whole,
  watermarkMs: whole,
  policyDigest: hex32,
  rosterDigest: hex32,
  totals: counts,
})

const membership = z.strictObject({
  txid: hex32,
  versionId: hex32,
  state: z.enum(['written', 'anchored', 'proven', 'revoked']),
  isSuperseded: z.boolean(),
  index: whole.max(ROUND_PACKETS_MAX - 1),
  count: whole.max(ROUND_PACKETS_MAX),
  try: whole,
  path: z.array(hex32).max(ROUND_PACKETS_MAX),
  manifest: text.nullable(),
})

const packet = z.strictObject({
  kind: z.literal('packet'),
  streamId: z.string().max(256),
  partition: whole,
  packetNo: whole,
  mark: mark.nullable(),
  /** What the appends of the packet count. */
  appended: counts,
  packetId: hex32.nullable(),
  header: text.nullable(),
  /** Under the header's rawHash; null where they are not there. */
  lines: bytes.nullable(),
  /** Of the appends: the same bytes, others, or none where they were given up to save room. */
  logged: z.union([z.literal('same'), z.literal('gone'), bytes]),
  standing: z
    .strictObject({
      status: z.string().max(64),
      packetId: hex32,
      events: whole,
      versionId: hex32.nullable(),
    })
    .nullable(),
  certificate: membership.nullable(),
  /** Under the manifest's contentHash; null where it is not there. */
  output: bytes.nullable(),
})

const closing = z.strictObject({ kind: z.literal('closing'), records: whole })

const record = z.discriminatedUnion('kind', [opening, headers, policy, certificate, packet, closing])

export type ExportRecord = z.output<typeof record>
export type OpeningRecord = z.output<typeof opening>
export type HeadersRecord = z.output<typeof headers>
export type PolicyRecord = z.output<typeof policy>
export type CertificateRecord = z.output<typeof certificate>
export type PacketRecord = z.output<typeof packet>
export type SealMarkSaid = z.output<typeof mark>
export type MembershipSaid = z.output<typeof membership>

export function writeRecord(said: ExportRecord): Uint8Array {
  return encode(said)
}

/** A body that is one record, and nothing else. */
export function readRecord(body: Uint8Array): Outcome<ExportRecord> {
  const read = readFirst(body)
  if (!read.ok) return read
  return read.value.rest.length === 0
    ? accepted(read.value.record)
    : unreadable('something stands behind a record')
}

/** One after the other (RFC 8742), as a node answers them. */
export function readRecords(bytes: Uint8Array): Outcome<readonly ExportRecord[]> {
  const records: ExportRecord[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const read = readFirst(rest)
    if (!read.ok) return read
    records.push(read.value.record)
    rest = read.value.rest
  }
  return accepted(records)
}

type First = { readonly record: ExportRecord; readonly rest: Uint8Array }

function readFirst(bytes: Uint8Array): Outcome<First> {
  const said = decoded(bytes)
  if (said === undefined) return unreadable('a record is not CBOR')
  const [value, rest] = said
  const parsed = record.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return unreadable(
      `a record, ${issue?.path.join('.') || 'as a whole'}: ${issue?.message ?? 'of no known kind'}`,
    )
  }
  const body = bytes.subarray(0, bytes.length - rest.length)
  if (body.length > RECORD_BYTES_MAX)
    return unreadable(`a record has ${body.length} bytes, and at most ${RECORD_BYTES_MAX}`)
  return sameBytes(encode(parsed.data), body)
    ? accepted({ record: parsed.data, rest })
    : unreadable('a record is not in its one deterministic form')
}

export function unreadable(detail: string) {
  return refused('export-unreadable', detail)
}

function decoded(body: Uint8Array): [unknown, Uint8Array] | undefined {
  try {
    return decodeFirst(body, {
      strict: true,
      allowIndefinite: false,
      allowBigInt: false,
      allowUndefined: false,
    })
  } catch {
    // Not CBOR, cut short or nested beyond all reason: one answer covers them, as nobody acts on which.
    return undefined
  }
}
