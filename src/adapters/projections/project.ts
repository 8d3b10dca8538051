import type { Pool } from 'pg'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import {
  planStretches,
  type ReadSegment,
  readSegments,
  type Stretch,
  type StretchBounds,
} from './read-segments.ts'
import { scanSegment } from './scan-segment.ts'
import { type PlacedEvent, writeEvents } from './write-events.ts'
import { writeTerms } from './write-terms.ts'
import { writeTypes } from './write-types.ts'

export type ProjectionBounds = StretchBounds & {
  readonly partitionsMax: number
  /** Of the part of the index that is written to: so many of its entries fit into memory. */
  readonly eraEventsMax: number
  /** After a partition could not be read. */
  readonly againMs: number
}

export const projectionBounds: ProjectionBounds = {
  eventsMax: 4_000,
  bytesMax: 8 * 1024 * 1024,
  segmentsMax: 256,
  partitionsMax: 128,
  eraEventsMax: 2_000_000,
  againMs: 60_000,
}

export type Projected = {
  readonly events: number
  /** There was more than the bounds allow at once. */
  readonly isMore: boolean
  /** What could not be read, with the reason; the others went on. */
  readonly unread: readonly { readonly partitionId: number; readonly error: unknown }[]
}

/**
 * Takes in what the log holds behind the positions of some partitions, those first whose turn was longest ago. Rows
 * and positions commit together. Nodes share the work: one skips the partitions that another has locked.
 */
export function projectSome(pool: Pool, bounds: ProjectionBounds, nowMs: number): Promise<Projected> {
  // What a crash of the server takes away again is read again: rows and positions go together.
  const begin = 'begin; set local synchronous_commit = off'
  return inTransaction(pool, db => project(db, bounds, nowMs), { begin })
}

async function project(db: Queryable, bounds: ProjectionBounds, nowMs: number): Promise<Projected> {
  await openPositions(db)
  const due = await lockDue(db, bounds.partitionsMax, nowMs)
  if (due.length === 0) return { events: 0, isMore: false, unread: [] }
  const { stretches, isCut } = await planStretches(db, due, bounds)
  const segments = await readSegments(db, stretches)
  const { events, unread } = placeEvents(segments)

  // Read under the locks of the positions: a rebuild that has opened an era knows what is written to older ones.
  const { rows } = await db.query<{ era: number }>('select max(era) as era from projection_eras')
  const era = rows[0]?.era ?? 0
  await writeEvents(db, era, events)
  await writeTypes(db, events)
  await writeTerms(db, segments, events)
  const isUnread = (partitionId: number) => unread.some(each => each.partitionId === partitionId)
  const read = stretches.filter(({ partitionId }) => !isUnread(partitionId))
  await advance(db, read, nowMs)
  await putOff(
    db,
    unread.map(({ partitionId }) => partitionId),
    nowMs + bounds.againMs,
  )
  await countInEra(db, era, events.length, bounds.eraEventsMax)
  return { events: events.length, isMore: isCut || due.length === bounds.partitionsMax, unread }
}

type Due = {
  readonly partitionId: number
  readonly fromAppend: number
  readonly fromSeq: number
  readonly endAppend: number
}

async function lockDue(db: Queryable, partitionsMax: number, nowMs: number): Promise<Due[]> {
  const { rows } = await db.query<Due>({
    name: 'lock-due-positions',
    text: `select position.partition_id as "partitionId", position.next_append as "fromAppend",
        position.next_seq as "fromSeq", head.next_append as "endAppend"
      from projection_positions as position
      join partition_heads as head on head.partition_id = position.partition_id
      where head.next_append > position.next_append and position.again_ms <= $2
      order by position.turn_ms, position.partition_id limit $1 for update of position skip locked`,
    values: [partitionsMax, nowMs],
  })
  return rows
}

/** For partitions that have none yet. */
async function openPositions(db: Queryable): Promise<void> {
  await db.query({
    name: 'open-positions',
    text: `insert into projection_positions (partition_id)
      select partition_id from partition_heads as head
        where not exists (select from projection_positions where partition_id = head.partition_id)
      on conflict do nothing`,
  })
}

/** A partition whose log contradicts itself does not stop the others. */
export function placeEvents(segments: readonly ReadSegment[]): {
  events: PlacedEvent[]
  unread: { partitionId: number; error: unknown }[]
} {
  const events: PlacedEvent[] = []
  const unread = new Map<number, unknown>()
  for (const segment of segments) {
    const { partitionId } = segment
    if (unread.has(partitionId)) continue
    try {
      events.push(...placeSegment(segment))
    } catch (error) {
      unread.set(partitionId, error)
    }
  }
  return {
    events: unread.size === 0 ? events : events.filter(({ partitionId }) => !unread.has(partitionId)),
    unread: [...unread].map(([partitionId, error]) => ({ partitionId, error })),
  }
}

export function placeSegment(segment: ReadSegment): PlacedEvent[] {
  const { partitionId, appendNo, firstSeq, count, constants, lines } = segment
  if (lines === null) return []
  const scanned = scanSegment(lines, constants)
  if (scanned.length !== count)
    throw new Error(
      `append ${appendNo} of partition ${partitionId} counts ${count} events and holds ${scanned.length} lines; \`assay doctor\` recounts the log`,
    )
  return scanned.map((event, i) => Object.assign(event, { partitionId, seq: firstSeq + i }))
}

async function advance(db: Queryable, stretches: readonly Stretch[], nowMs: number): Promise<void> {
  if (stretches.length === 0) return
  await db.query({
    name: 'advance-positions',
    text: `update projection_positions as position set next_append = read.next_append, next_seq = read.next_seq,
        bytes = position.bytes + read.bytes, turn_ms = $5
      from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[])
        as read (partition_id, next_append, next_seq, bytes)
      where position.partition_id = read.partition_id`,
    values: [
      stretches.map(({ partitionId }) => partitionId),
      stretches.map(({ toAppend }) => toAppend),
      stretches.map(({ toSeq }) => toSeq),
      stretches.map(({ bytes }) => bytes),
      nowMs,
    ],
  })
}

async function putOff(db: Queryable, partitionIds: readonly number[], untilMs: number): Promise<void> {
  if (partitionIds.length === 0) return
  await db.query('update projection_positions set again_ms = $2 where partition_id = any($1)', [
    partitionIds,
    untilMs,
  ])
}

/** Last, because nodes wait for one another here until they commit. */
export async function countInEra(
  db: Queryable,
  era: number,
  events: number,
  eraEventsMax: number,
): Promise<void> {
  if (events === 0) return
  await db.query({
    name: 'count-in-era',
    text: `with counted as (
        update projection_eras set events = events + $2 where era = $1 returning events)
      insert into projection_eras (era) select $1 + 1 from counted where events >= $3 on conflict do nothing`,
    values: [era, events, eraEventsMax],
  })
}
