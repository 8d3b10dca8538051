import type { Database } from '../postgres/database.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { recountIntervals } from './intervals.ts'
import { countInEra, type ProjectionBounds, placeSegment, projectionBounds, projectSome } from './project.ts'
import { planStretches, type Reach, readSegments } from './read-segments.ts'
import { eventIdBytes, writeEvents } from './write-events.ts'
import { writeTerms } from './write-terms.ts'
import { writeTypes } from './write-types.ts'

export type Rebuilt = { readonly events: number; readonly removed: number }

/**
 * Reads everything that was projected from the log again, and what was not projected yet as well. Nodes may run
 * meanwhile, and readers see each event once at any time: a part of the log is replaced in one step. It can be broken
 * off and begun again.
 */
export async function rebuildProjections(
  { pool, session }: Pick<Database, 'pool' | 'session'>,
  now: () => number,
  bounds: ProjectionBounds = projectionBounds,
): Promise<Rebuilt> {
  const lock = await session()
  try {
    const { rows } = await lock.query<{ mine: boolean }>(
      "select pg_try_advisory_lock(hashtextextended('assay: rebuild projections', 0)) as mine",
    )
    if (rows[0]?.mine !== true)
      throw new Error('another process is rebuilding the projections of this database; wait for it')
    const { era, positions } = await inTransaction(pool, openEra)
    const fields = await readFieldIds(pool)
    let events = 0
    for (const projected of positions) {
      let reach = { partitionId: projected.partitionId, fromAppend: 0, fromSeq: 0 }
      let bytes = 0
      while (reach.fromAppend < projected.nextAppend) {
        const step = await inTransaction(pool, db =>
          replaceSome(db, { ...reach, endAppend: projected.nextAppend }, era, bounds),
        )
        reach = { ...reach, fromAppend: step.toAppend, fromSeq: step.toSeq }
        events += step.events
        bytes += step.bytes
      }
      await pool.query(
        'update projection_positions set bytes = bytes + $2, again_ms = 0 where partition_id = $1',
        [projected.partitionId, bytes - projected.bytes],
      )
    }
    const removed = await removeOlder(pool, era)
    let isMore = true
    while (isMore) {
      const step = await projectSome(pool, bounds, now())
      const [unread] = step.unread
      if (unread !== undefined) throw unread.error
      events += step.events
      isMore = step.isMore
    }
    await settleTerms(pool, fields)
    await recountIntervals(pool, now())
    return { events, removed }
  } finally {
    await lock.end()
  }
}

type Position = { readonly partitionId: number; readonly nextAppend: number; readonly bytes: number }

/**
 * Waits for those who project, and lets nobody begin until this is done: what stands before the positions is in older
 * eras, and what comes behind them will be in this one or later ones.
 */
async function openEra(db: Queryable): Promise<{ era: number; positions: Position[] }> {
  await db.query('lock table projection_positions in exclusive mode')
  const { rows: eras } = await db.query<{ era: number }>(
    'insert into projection_eras (era) select coalesce(max(era), -1) + 1 from projection_eras returning era',
  )
  const [opened] = eras
  if (opened === undefined) throw new Error('no era was opened')
  const { rows: positions } = await db.query<Position>(
    `select partition_id as "partitionId", next_append as "nextAppend", bytes
      from projection_positions order by partition_id`,
  )
  return { era: opened.era, positions }
}

async function replaceSome(
  db: Queryable,
  reach: Reach,
  era: number,
  bounds: ProjectionBounds,
): Promise<{ toAppend: number; toSeq: number; events: number; bytes: number }> {
  const [stretch] = (await planStretches(db, [reach], bounds)).stretches
  if (stretch === undefined)
    throw new Error(
      `partition ${reach.partitionId} was projected up to append ${reach.endAppend}, and its log has none at ${reach.fromAppend}; \`assay doctor\` recounts the log`,
    )
  const segments = await readSegments(db, [stretch])
  const events = segments.flatMap(placeSegment)
  await db.query({
    name: 'remove-projected',
    // The offset has each looked for in the index, where the planner would read all rows for a few thousand of them.
    text: `delete from projected_events where ctid = any(array(
      select event.ctid
        from (select substring($1::bytea from (place * 32 - 31)::integer for 32) as event_id
          from generate_series(1, octet_length($1::bytea) / 32) as place) as again
        cross join lateral (select ctid from projected_events
          where era = any(array(select era from projection_eras where era < $2))
            and substr(event_id, 1, 8) = substr(again.event_id, 1, 8) and event_id = again.event_id
          offset 0) as event))`,
    values: [eventIdBytes(events), era],
  })
  const { rows } = await db.query<{ era: number }>('select max(era) as era from projection_eras')
  const newest = rows[0]?.era ?? era
  await writeEvents(db, newest, events)
  await writeTypes(db, events)
  await writeTerms(db, segments, events)
  await countInEra(db, newest, events.length, bounds.eraEventsMax)
  return { toAppend: stretch.toAppend, toSeq: stretch.toSeq, events: events.length, bytes: stretch.bytes }
}

const ROWS_AT_ONCE = 10_000

/** What is still there of older eras is in no log. */
async function removeOlder(db: Queryable, era: number): Promise<number> {
  let removed = 0
  for (;;) {
    const { rowCount } = await db.query(
      `delete from projected_events where ctid = any(array(
        select ctid from projected_events where era < $1 limit ${ROWS_AT_ONCE}))`,
      [era],
    )
    if (rowCount === null || rowCount === 0) break
    removed += rowCount
  }
  await db.query('delete from projection_eras where era < $1', [era])
  return removed
}

async function readFieldIds(db: Queryable): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>('select id from search_fields')
  return rows.map(({ id }) => id)
}

/** Fields that were there from the beginning of a rebuild on are in everything by its end; of others nothing is kept. */
async function settleTerms(db: Queryable, fields: readonly number[]): Promise<void> {
  await db.query('update search_fields set since_ms = 0 where id = any ($1)', [fields])
  for (;;) {
    const { rowCount } = await db.query(
      `delete from search_terms where ctid = any(array(
        select term.ctid from search_terms as term
          where not exists (select from search_fields where id = term.field_id) limit ${ROWS_AT_ONCE}))`,
    )
    if (rowCount === null || rowCount === 0) return
  }
}
