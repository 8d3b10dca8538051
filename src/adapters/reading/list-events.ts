import type { EventState } from '../../core/jobs/lifecycle.ts'
import type { Level } from '../../core/level.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { ListedEvent } from '../../serve/event-question.ts'
import { hexOf, numbers, type Queryable } from '../postgres/sql.ts'
import type { ProjectedEvent } from './look-for-events.ts'
import { readableSql, readerValues } from './readable.ts'

/** What has become of them, in the order in which they are given; without those that may not be read. */
export async function listEvents(
  db: Queryable,
  reader: Reader,
  events: readonly ProjectedEvent[],
): Promise<ListedEvent[]> {
  if (events.length === 0) return []
  const { rows } = await db.query<BecameRow>({
    name: 'list-events',
    text: `select place.nth, opened.stream_id as "streamId", opened.partition, opened.level,
        packet.packet_no as "packetNo", packet.packet_id as "packetId", coalesce(became.state, 'received') as state,
        became.orchestration, became.content_hash as "contentHash", became.version_id as "versionId",
        round(extract(epoch from became.changed_at) * 1000)::bigint as "changedMs"
      from unnest($3::integer[], $4::bigint[]) with ordinality as place (partition_id, seq, nth)
      join partitions as opened on opened.id = place.partition_id
      join streams as stream on stream.stream_id = opened.stream_id
      left join lateral (
        select sealed.packet_no, sealed.packet_id, sealed.first_seq + sealed.count as end_seq from packets as sealed
          where sealed.partition_id = place.partition_id and sealed.first_seq <= place.seq and sealed.count > 0
          order by sealed.first_seq desc limit 1) as packet on packet.end_seq > place.seq
      left join packet_states as became
        on became.partition_id = place.partition_id and became.packet_no = packet.packet_no
      where ${readableSql('stream', 1)} order by place.nth`,
    values: [
      ...readerValues(reader),
      numbers(events.map(({ partitionId }) => partitionId)),
      numbers(events.map(({ seq }) => seq)),
    ],
  })
  return rows.flatMap(({ nth, packetId, contentHash, versionId, changedMs, ...became }) => {
    const event = events[nth - 1]
    if (event === undefined) return []
    const { partitionId: _, ...said } = event
    return {
      ...said,
      ...became,
      packetId: packetId && hexOf(packetId),
      contentHash: contentHash && hexOf(contentHash),
      versionId: versionId && hexOf(versionId),
      changedMs: changedMs ?? event.ingestTimeMs,
    }
  })
}

type BecameRow = {
  readonly nth: number
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly packetNo: number | null
  readonly packetId: Uint8Array | null
  readonly state: EventState
  readonly orchestration: ListedEvent['orchestration']
  readonly contentHash: Uint8Array | null
  readonly versionId: Uint8Array | null
  readonly changedMs: number | null
}
