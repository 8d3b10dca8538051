import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'

/** The ids of the events that were found in the log, kept by the server while the transaction lasts. */
export type SeenEvents = {
  add(eventIds: readonly string[]): Promise<void>
  /** Lines are gone, with ids that nobody can read any more. */
  miss(): void
  /** What they and the tables that tell repetitions say otherwise of each other. */
  discrepancy(): Promise<string | undefined>
}

export async function openSeenEvents(db: Queryable): Promise<SeenEvents> {
  let isWhole = true
  await db.query('create temporary table seen_events (event_id bytea not null) on commit drop')
  return {
    async add(eventIds) {
      await db.query('insert into seen_events select unnest($1::bytea[])', [byteas(eventIds)])
    },
    miss() {
      isWhole = false
    },
    async discrepancy() {
      await db.query('analyze seen_events')
      const found = await twice(db)
      if (found !== undefined || !isWhole) return found
      return (await unseen(db, byEventId)) ?? (await unseen(db, byNativeId))
    },
  }
}

async function twice(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ eventId: Uint8Array; times: number }>(
    `select event_id as "eventId", count(*) as times from seen_events group by event_id having count(*) > 1 limit 1`,
  )
  const [found] = rows
  return found && `event ${hexOf(found.eventId)} is in the log ${found.times} times, and once was wanted`
}

/** A repetition of such an event would be answered as known, and nobody would ever have it. */
async function unseen(db: Queryable, { table, column }: typeof byEventId): Promise<string | undefined> {
  const { rows } = await db.query<{ eventId: Uint8Array }>(
    `select known.${column} as "eventId" from ${table} as known
      where not exists (select from seen_events where event_id = known.${column}) limit 1`,
  )
  const [found] = rows
  return found && `event ${hexOf(found.eventId)} is in ${table} as accepted, and the log does not have it`
}

const byEventId = { table: 'event_ids', column: 'event_id' }
const byNativeId = { table: 'native_ids', column: 'latest_event_id' }
