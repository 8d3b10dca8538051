import type { Pool } from 'pg'
import type { Level } from '../../core/level.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { ListedEvent } from '../../serve/event-question.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'
import type { FindEvent } from '../projections/find-event.ts'
import { listEvents } from './list-events.ts'
import type { ProjectedEvent } from './look-for-events.ts'
import { readableSql, readerValues } from './readable.ts'
import { knownSource } from './sources-of.ts'

/** One event by its id, from the moment on that it was answered for; `behind` as `FindEvent` has it. */
export async function findById(
  pool: Pool,
  findEvent: FindEvent,
  reader: Reader,
  eventId: string,
): Promise<readonly ListedEvent[] | 'behind'> {
  const listed = await listEvents(pool, reader, await findProjected(pool, reader, [eventId]))
  if (listed.length > 0) return listed
  const found = await findEvent(eventId, reader)
  if (found === 'behind') return 'behind'
  if (found === undefined) return []
  const { stream, partition, envelope } = found
  const level = await levelOf(pool, stream.streamId, partition)
  const { seq, sourceId, type, eventTimeMs, ingestTimeMs, packetNo, packetId } = found
  const { state, orchestration, contentHash, versionId, changedMs } = found
  return [
    {
      ...{ eventId, streamId: stream.streamId, partition, level, seq, sourceId, type },
      nativeId: envelope?.nativeId ?? null,
      ...{ eventTimeMs, ingestTimeMs, packetNo, packetId },
      ...{ state, orchestration, contentHash, versionId, changedMs },
    },
  ]
}

/** Of an id of a source's own: its latest event and the earlier ones, for as long as repetitions are told by it. */
export async function findByNativeId(
  db: Queryable,
  reader: Reader,
  nativeId: string,
  sourceId: string | undefined,
): Promise<readonly ListedEvent[]> {
  const { rows } = await db.query<{ eventId: string }>({
    name: 'find-native-id',
    text: `select said.event_id as "eventId" from overlay_event_sources as source
      -- The offset has each source looked up in the index, where the planner would read all ids for a few sources.
      cross join lateral (select * from native_ids
        where source_id = source.source_id and native_id = convert_to($3, 'UTF8') offset 0) as known
      cross join lateral (
        select encode(known.latest_event_id, 'hex') as event_id, known.latest_ms as ms
        union select past.event ->> 1, (past.event ->> 2)::bigint
          from jsonb_array_elements(coalesce(known.earlier, '[]'::jsonb)) as past (event)) as said
      where ($4::text is null or source.source_id = $4) and ${knownSource('source')}
      order by said.ms desc limit ${NATIVE_EVENTS_MAX}`,
    values: [...readerValues(reader), nativeId, sourceId ?? null],
  })
  const ids = rows.map(({ eventId }) => eventId)
  return listEvents(db, reader, await findProjected(db, reader, ids))
}

/** Revisions that are shown of one id, the latest first. */
export const NATIVE_EVENTS_MAX = 100

async function findProjected(
  db: Queryable,
  reader: Reader,
  eventIds: readonly string[],
): Promise<ProjectedEvent[]> {
  if (eventIds.length === 0) return []
  const { rows } = await db.query<Row>({
    name: 'find-projected-ids',
    text: `select event.event_id as "eventId", event.partition_id as "partitionId", event.seq,
        event.source_id as "sourceId", event.event_type as type, event.native_id as "nativeId",
        event.event_ms as "eventTimeMs", round(extract(epoch from event.ingested_at) * 1000)::bigint as "ingestTimeMs"
      from unnest($3::bytea[]) with ordinality as wanted (event_id, nth)
      cross join lateral (select * from projected_events
        where era = any(array(select era from projection_eras))
          and substr(event_id, 1, 8) = substr(wanted.event_id, 1, 8) and event_id = wanted.event_id offset 0) as event
      join partitions as opened on opened.id = event.partition_id
      join streams as stream on stream.stream_id = opened.stream_id
      where ${readableSql('stream', 1)} order by wanted.nth`,
    values: [...readerValues(reader), byteas(eventIds)],
  })
  return rows.map(({ eventId, ...event }) => ({ eventId: hexOf(eventId), ...event }))
}

type Row = Omit<ProjectedEvent, 'eventId'> & { readonly eventId: Uint8Array }

async function levelOf(db: Queryable, streamId: string, partition: number): Promise<Level> {
  const { rows } = await db.query<{ level: Level }>({
    name: 'level-of-partition',
    text: 'select level from partitions where stream_id = $1 and partition = $2',
    values: [streamId, partition],
  })
  const [row] = rows
  if (row === undefined)
    throw new Error(`stream ${streamId} has an event in partition ${partition}, and none such`)
  return row.level
}
