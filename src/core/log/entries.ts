import { type Audience, audiences } from '../audience.ts'
import type { Json } from '../canonical-json.ts'
import {
  and,
  closedObject,
  closedReader,
  count,
  hex,
  identityKey,
  integer,
  type Misfit,
  misfit,
  oneOf,
  timeMs,
} from '../closed-object.ts'
import type { LineConstants } from '../event/line.ts'
import { envelopeChecks } from '../event/read-envelope.ts'
import type { Outcome } from '../fault.ts'
import { type Level, levels } from '../level.ts'
import { type Network, networks } from '../network.ts'
import { PARTITIONS_MAX, type PacketSource, type Totals, totalsCheck } from './packet-header.ts'

/** The first entry of a partition: what never changes in it. Another shard count opens other partitions. */
export type PartitionRecord = {
  readonly v: 1
  readonly log: string
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly audience: Audience
  readonly network: Network
  readonly shards: ShardSet
}

/** This partition's place among those that share the stream's events of one level. */
type ShardSet = {
  /** By key where rules or fusion carry state from event to event, else by eventId. */
  readonly by: 'key' | 'event-id'
  readonly index: number
  readonly count: number
}

/**
 * One durable append: lines, and what is known of them without reading them again. Seal marks stand between
 * segments, so that a packet holds whole ones.
 */
export type Segment = {
  readonly partition: number
  readonly firstSeq: number
  readonly count: number
  /** The policy set that the lines were built with, and what it let them leave out. */
  readonly policyDigest: string
  readonly constants: LineConstants
  /** Least and greatest of its events. */
  readonly firstEventTimeMs: number
  readonly lastEventTimeMs: number
  readonly sources: readonly PacketSource[]
  /** Each line ended by a newline. */
  readonly lines: Uint8Array
}

/** The recorded decision where a packet ends. What it says holds for the packet that it closes. */
export type SealMark = {
  readonly partition: number
  /** The first sequence that is not in the packet: as many events as this are in the partition so far. */
  readonly upToSeq: number
  readonly watermarkMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  readonly totals: Totals
}

export function readPartitionRecord(json: Json): Outcome<PartitionRecord> {
  return readRecord(json)
}

export function readSealMark(json: Json): Outcome<SealMark> {
  return readMark(json)
}

const readRecord = closedReader<PartitionRecord>(
  'partition record',
  'log-invalid',
  closedObject<PartitionRecord>(
    {
      v: oneOf([1]),
      log: identityKey,
      streamId: envelopeChecks.streamId,
      partition: integer(0, PARTITIONS_MAX - 1),
      level: oneOf(levels),
      audience: oneOf(audiences),
      network: oneOf(networks),
      shards: and<ShardSet>(
        closedObject<ShardSet>(
          { by: oneOf(['key', 'event-id']), index: count, count: integer(1, PARTITIONS_MAX) },
          {},
        ),
        shardContradiction,
      ),
    },
    {},
  ),
)

function shardContradiction({ index, count }: ShardSet): Misfit | undefined {
  return index < count ? undefined : misfit('below the count of shards', '/index')
}

const readMark = closedReader<SealMark>(
  'seal mark',
  'log-invalid',
  and<SealMark>(
    closedObject<SealMark>(
      {
        partition: integer(0, PARTITIONS_MAX - 1),
        upToSeq: count,
        watermarkMs: timeMs,
        policyDigest: hex(32),
        rosterDigest: hex(32),
        totals: totalsCheck,
      },
      {},
    ),
    markContradiction,
  ),
)

function markContradiction({ upToSeq, totals }: SealMark): Misfit | undefined {
  return upToSeq === totals.accepted
    ? undefined
    : misfit('totals.accepted: every accepted event is in the log', '/upToSeq')
}
