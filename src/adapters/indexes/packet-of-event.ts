import type { Queryable } from '../postgres/sql.ts'
import { bytea, hexOf } from '../postgres/sql.ts'
import { readableSql, readerValues } from '../reading/readable.ts'

export type EventPacket = { readonly packetId: string; readonly log: string }

/**
 * The packet of our log that the event is in. Undefined where there is none yet, or not for anybody to know: whoever asks
 * a lookup service does not say who they are.
 */
export async function findPacketOf(db: Queryable, eventId: string): Promise<EventPacket | undefined> {
  const { rows } = await db.query<{ packetId: Uint8Array; log: Uint8Array }>({
    name: 'packet-of-event',
    text: `select sealed.packet_id as "packetId", opened.log
      from projected_events as event join partitions as opened on opened.id = event.partition_id
        join streams as stream on stream.stream_id = opened.stream_id
        cross join lateral (
          select packet_id, first_seq + count as end_seq from packets
            where packets.partition_id = event.partition_id and packets.first_seq <= event.seq and packets.count > 0
            order by packets.first_seq desc limit 1) as sealed
      where event.era = any (array(select era from projection_eras))
        and substr(event.event_id, 1, 8) = substr($1::bytea, 1, 8) and event.event_id = $1
        and sealed.end_seq > event.seq and ${readableSql('stream', 2)}
      limit 1`,
    values: [bytea(eventId), ...readerValues()],
  })
  const [row] = rows
  return row && { packetId: hexOf(row.packetId), log: hexOf(row.log) }
}
