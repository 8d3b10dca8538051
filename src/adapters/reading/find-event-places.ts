import type { Reader } from '../../core/registry/may-read.ts'
import type { EventPlace } from '../../serve/make-proof.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from './readable.ts'

/** Where these events stand, of those that are projected and that the reader may read. */
export async function findEventPlaces(
  db: Queryable,
  reader: Reader,
  eventIds: readonly string[],
): Promise<ReadonlyMap<string, EventPlace>> {
  const { rows } = await db.query<Row>({
    name: 'find-event-places',
    text: `select event.event_id as "eventId", event.seq, event.packet_id as "packetId"
      from unnest($3::bytea[]) as wanted (event_id)
      cross join lateral (select * from placed_events
        where era = any(array(select era from projection_eras))
          and substr(event_id, 1, 8) = substr(wanted.event_id, 1, 8) and event_id = wanted.event_id offset 0) as event
      join streams as stream on stream.stream_id = event.stream_id
      where ${readableSql('stream', 1)}`,
    values: [...readerValues(reader), byteas(eventIds)],
  })
  return new Map(
    rows.map(({ eventId, seq, packetId }) => [
      hexOf(eventId),
      { seq, packetId: packetId && hexOf(packetId) },
    ]),
  )
}

type Row = { readonly eventId: Uint8Array; readonly seq: number; readonly packetId: Uint8Array | null }
