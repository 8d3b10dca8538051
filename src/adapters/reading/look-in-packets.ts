import type { Reader } from '../../core/registry/may-read.ts'
import type { Looked, Position } from '../../serve/event-page.ts'
import { bytea, hexOf, type Queryable } from '../postgres/sql.ts'
import { readConstants } from '../projections/read-segments.ts'
import { scanSegment } from '../projections/scan-segment.ts'
import type { ProjectedEvent } from './look-for-events.ts'
import { readableSql, readerValues } from './readable.ts'

export type ByPacket = { readonly contentHash?: string | undefined; readonly versionId?: string | undefined }

/** Packets with the same certified output that are looked into. */
export const PACKETS_MAX = 64

/**
 * The events of the packets that were certified under this version, or with this output, from the commit of their certificate
 * on: they are read from the log, whether projections have reached them or not. Positions say nothing of their time.
 */
export async function lookInPackets(
  db: Queryable,
  reader: Reader,
  packet: ByPacket,
  { below, wanted }: { readonly below: Position | null; readonly wanted: number },
): Promise<Looked<ProjectedEvent>[]> {
  const looked: Looked<ProjectedEvent>[] = []
  for (const found of await findPackets(db, reader, packet)) {
    const { partitionId, firstSeq, endSeq } = found
    const isBelow = below === null || partitionId < below.partitionId
    if (!isBelow && partitionId > below.partitionId) continue
    const upTo = isBelow ? endSeq : Math.min(endSeq, below.seq)
    const from = Math.max(firstSeq, upTo - (wanted - looked.length))
    for (const event of await readEvents(db, partitionId, from, upTo)) {
      const position = { ingestMs: 0, partitionId, seq: event.seq }
      looked.push({ position, item: event, isStop: false })
    }
    if (looked.length >= wanted) break
  }
  return looked
}

type PacketPlace = { readonly partitionId: number; readonly firstSeq: number; readonly endSeq: number }

async function findPackets(
  db: Queryable,
  reader: Reader,
  { contentHash, versionId }: ByPacket,
): Promise<PacketPlace[]> {
  // The planner shall know which of the two there is: each has an index of its own.
  const { rows } = await db.query<PacketPlace>({
    text: `select packet.partition_id as "partitionId", packet.first_seq as "firstSeq",
        packet.first_seq + packet.count as "endSeq"
      from dlm_versions as version
      join packets as packet on packet.packet_id = version.packet_id
      join partitions as opened on opened.id = packet.partition_id
      join streams as stream on stream.stream_id = opened.stream_id
      where ($3::bytea is null or version.version_id = $3) and ($4::bytea is null or version.content_hash = $4)
        and version.standing = 'certified' and packet.count > 0
        and ${readableSql('stream', 1)}
      order by packet.partition_id desc, packet.first_seq desc limit ${PACKETS_MAX}`,
    values: [
      ...readerValues(reader),
      versionId === undefined ? null : bytea(versionId),
      contentHash === undefined ? null : bytea(contentHash),
    ],
  })
  return rows
}

/** The last first. */
async function readEvents(
  db: Queryable,
  partitionId: number,
  fromSeq: number,
  endSeq: number,
): Promise<ProjectedEvent[]> {
  const { rows } = await db.query<{
    firstSeq: number
    count: number
    constants: string
    lines: string | null
  }>({
    name: 'segments-of-sequences',
    text: `select first_seq as "firstSeq", count, constants, convert_from(lines, 'LATIN1') as lines from segments
      where partition_id = $1 and count > 0 and first_seq < $3 and first_seq >= coalesce((
        select max(first_seq) from segments where partition_id = $1 and count > 0 and first_seq <= $2), 0)
      order by first_seq desc`,
    values: [partitionId, fromSeq, endSeq],
  })
  const events: ProjectedEvent[] = []
  for (const { firstSeq, count, constants, lines } of rows) {
    if (lines === null) {
      const [from, end] = [Math.max(fromSeq, firstSeq), Math.min(endSeq, firstSeq + count)]
      events.push(...(await readProjected(db, partitionId, from, end)))
      continue
    }
    const scanned = scanSegment(lines, readConstants(constants))
    for (let seq = Math.min(endSeq, firstSeq + count) - 1; seq >= Math.max(fromSeq, firstSeq); seq--) {
      const event = scanned[seq - firstSeq]
      if (event === undefined) throw new Error(`partition ${partitionId} has no line for sequence ${seq}`)
      const { eventId, sourceId, type, nativeId = null, eventTimeMs, ingestTimeMs } = event
      events.push({ eventId, partitionId, seq, sourceId, type, nativeId, eventTimeMs, ingestTimeMs })
    }
  }
  return events
}

/** Where the log has given its lines up; by then they are projected. */
async function readProjected(
  db: Queryable,
  partitionId: number,
  fromSeq: number,
  endSeq: number,
): Promise<ProjectedEvent[]> {
  const { rows } = await db.query<Omit<ProjectedEvent, 'eventId'> & { readonly eventId: Uint8Array }>({
    name: 'projected-sequences',
    text: `select event_id as "eventId", partition_id as "partitionId", seq, source_id as "sourceId", event_type as type,
        native_id as "nativeId", event_ms as "eventTimeMs", round(extract(epoch from ingested_at) * 1000)::bigint as "ingestTimeMs"
      from projected_events where partition_id = $1 and seq >= $2 and seq < $3 order by seq desc`,
    values: [partitionId, fromSeq, endSeq],
  })
  return rows.map(({ eventId, ...event }) => ({ eventId: hexOf(eventId), ...event }))
}
