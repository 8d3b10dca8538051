import { sha256Hex } from '#sha256'
import { type Audience, audiences } from '../audience.ts'
import { toHex } from '../bytes.ts'
import { canonicalJson, type Json } from '../canonical-json.ts'
import {
  and,
  type Check,
  closedObject,
  closedReader,
  count,
  hex,
  identityKey,
  integer,
  listOf,
  type Misfit,
  misfit,
  oneOf,
  orNull,
  timeMs,
} from '../closed-object.ts'
import { digestHex } from '../digest.ts'
import { type LineConstants, lineConstantsCheck } from '../event/line.ts'
import { envelopeChecks } from '../event/read-envelope.ts'
import type { Outcome } from '../fault.ts'
import { type Level, levels } from '../level.ts'
import { emptyRoot } from '../merkle.ts'
import { type Network, networks } from '../network.ts'

/** Everything a packet is, in one canonical document; its digest is the packetId. */
export type PacketHeader = {
  readonly v: 1
  /** Identity key (33 bytes, hex) of the log; the stream's full name is `<log>/<streamId>`. */
  readonly log: string
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly audience: Audience
  /** From 0, without gaps. */
  readonly packetNo: number
  /** Sequences begin at 0: as many events as this came before in the partition. */
  readonly firstSeq: number
  readonly count: number
  /** RFC 6962 root over the lines. */
  readonly root: string
  readonly bytes: number
  /** SHA-256 of the packet's bytes: the lines, each ended by a newline. */
  readonly rawHash: string
  /** packetId of the packet before it in this partition; null for the first. */
  readonly previous: string | null
  /** Least and greatest of its events; null where it has none. */
  readonly firstEventTimeMs: number | null
  readonly lastEventTimeMs: number | null
  readonly watermarkMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  readonly totals: Totals
  /** By sourceId, ascending. */
  readonly sources: readonly PacketSource[]
  /** Envelope members that every line of the packet shares and leaves out. */
  readonly constants: LineConstants
  readonly network: Network
}

/** Weakest first. */
export const authentications = ['none', 'hmac', 'identity'] as const
type Authentication = (typeof authentications)[number]

/** A source is as authenticated as the least authenticated of its events in the packet. */
export type PacketSource = { readonly sourceId: string; readonly authenticated: Authentication }

/** Counted since the partition began, as of the seal mark: received is the sum of the others. */
export type Totals = {
  readonly received: number
  /** Events in the log: the sequence that comes next. */
  readonly accepted: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
}

export const PACKET_EVENTS_MAX = 65_536
export const PACKET_BYTES_MAX = 32 * 1024 * 1024
export const PACKET_SOURCES_MAX = 1024
export const PARTITIONS_MAX = 65_536

export function packetId(header: PacketHeader): string {
  return digestHex('assay:packet:1', canonicalJson(header))
}

/** Strict and closed: what a header says of itself must fit together, or it is no header. */
export function readPacketHeader(json: Json): Outcome<PacketHeader> {
  return read(json)
}

export const sourcesCheck = and<readonly PacketSource[]>(
  listOf(
    closedObject<PacketSource>(
      { sourceId: envelopeChecks.sourceId, authenticated: oneOf(authentications) },
      {},
    ),
    PACKET_SOURCES_MAX,
  ),
  sources => {
    const disordered = sources.findIndex(
      (source, i) => i > 0 && source.sourceId <= (sources[i - 1]?.sourceId ?? ''),
    )
    return disordered < 0
      ? undefined
      : misfit('after its neighbour: sources ascend by sourceId, each once', `/${disordered}/sourceId`)
  },
)

export const totalsCheck: Check = and<Totals>(
  closedObject<Totals>(
    {
      received: count,
      accepted: count,
      duplicate: count,
      rejected: count,
      quarantined: count,
      waived: count,
    },
    {},
  ),
  ({ received, ...parts }) => {
    const sum = Object.values(parts).reduce((a, b) => a + b, 0)
    return received === sum ? undefined : misfit('the sum of the other totals', '/received')
  },
)

const shape = closedObject<PacketHeader>(
  {
    v: oneOf([1]),
    log: identityKey,
    streamId: envelopeChecks.streamId,
    partition: integer(0, PARTITIONS_MAX - 1),
    level: oneOf(levels),
    audience: oneOf(audiences),
    packetNo: count,
    firstSeq: count,
    count: integer(0, PACKET_EVENTS_MAX),
    root: hex(32),
    bytes: integer(0, PACKET_BYTES_MAX),
    rawHash: hex(32),
    previous: orNull(hex(32)),
    firstEventTimeMs: orNull(timeMs),
    lastEventTimeMs: orNull(timeMs),
    watermarkMs: timeMs,
    policyDigest: hex(32),
    rosterDigest: hex(32),
    totals: totalsCheck,
    sources: sourcesCheck,
    constants: lineConstantsCheck,
    network: oneOf(networks),
  },
  {},
)

const read = closedReader<PacketHeader>(
  'packet header',
  'header-invalid',
  and<PacketHeader>(shape, contradictionIn),
)

function contradictionIn(header: PacketHeader): Misfit | undefined {
  const { packetNo, firstSeq, count, previous, totals } = header
  if ((packetNo === 0) !== (previous === null)) return misfit('null for packet 0 and no other', '/previous')
  if (packetNo === 0 && firstSeq !== 0) return misfit('0 in packet 0', '/firstSeq')
  if (totals.accepted !== firstSeq + count)
    return misfit('firstSeq + count: every accepted event is in the log', '/totals/accepted')
  return count === 0 ? contradictionInEmpty(header) : contradictionInFull(header)
}

const emptyHash = sha256Hex('')

/** An empty packet moves a watermark on, for which an event must have come before it. */
function contradictionInEmpty(header: PacketHeader): Misfit | undefined {
  if (header.firstSeq === 0) return misfit('above 0 in a packet without events', '/firstSeq')
  if (header.root !== toHex(emptyRoot)) return misfit('the root of the empty tree', '/root')
  if (header.bytes !== 0) return misfit('0 in a packet without events', '/bytes')
  if (header.rawHash !== emptyHash) return misfit('the SHA-256 of nothing', '/rawHash')
  if (header.firstEventTimeMs !== null) return misfit('null in a packet without events', '/firstEventTimeMs')
  if (header.lastEventTimeMs !== null) return misfit('null in a packet without events', '/lastEventTimeMs')
  if (header.sources.length > 0) return misfit('empty in a packet without events', '/sources')
  if (Object.keys(header.constants).length > 0)
    return misfit('empty in a packet without events', '/constants')
  return undefined
}

/** The shortest line has a character and its newline. */
const LINE_BYTES_MIN = 2

function contradictionInFull(header: PacketHeader): Misfit | undefined {
  const { firstEventTimeMs, lastEventTimeMs, sources, constants } = header
  if (header.bytes < LINE_BYTES_MIN * header.count) return misfit('enough for its lines', '/bytes')
  if (firstEventTimeMs === null) return misfit('a time where there are events', '/firstEventTimeMs')
  if (lastEventTimeMs === null || lastEventTimeMs < firstEventTimeMs)
    return misfit('a time not below firstEventTimeMs', '/lastEventTimeMs')
  if (sources.length === 0 || sources.length > header.count)
    return misfit('at least one and no more than there are events', '/sources')
  if (constants.streamId !== undefined && constants.streamId !== header.streamId)
    return misfit("the packet's own streamId", '/constants/streamId')
  return undefined
}
