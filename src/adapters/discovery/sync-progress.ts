import type { Pool } from 'pg'
import { backOff } from '../../runtime/back-off.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'

/** What came of one item of a peer's page. */
export type Judgement =
  | { readonly kind: 'new' | 'known' | 'not-admitted' }
  /** It will never do, or no longer. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Something that it needs may still come. */
  | { readonly kind: 'later'; readonly reason: string }

/** What is tried again. `after`: where in the peer's order it follows; undefined: at the beginning. */
export type Retry = { readonly txid: string; readonly after: string | undefined; readonly attempts: number }

export type Unsettled = Retry & { readonly judgement: Extract<Judgement, { reason: string }> }

/** Of one peer and topic. Where so much waits to be tried again, nothing new is asked for. */
export const RETRIES_MAX = 1000
/** About three hours. */
export const RETRY_ATTEMPTS_MAX = 40
/** Of one peer; of more only the latest are remembered. */
const REFUSED_PER_PEER_MAX = 1000

export async function readCursor(db: Queryable, peer: string, topic: string): Promise<string | undefined> {
  const { rows } = await db.query<{ cursor: string }>({
    name: 'sync-cursor',
    text: 'select cursor from sync_cursors where peer = $1 and topic = $2',
    values: [peer, topic],
  })
  return rows[0]?.cursor
}

/**
 * How far this node has got, together with what is left behind there. False where another process has got further
 * meanwhile; then nothing is written.
 */
export async function writeProgress(
  pool: Pool,
  { peer, topic }: { readonly peer: string; readonly topic: string },
  { from, to }: { readonly from: string | undefined; readonly to: string },
  left: readonly Unsettled[],
  nowMs: number,
): Promise<boolean> {
  return inTransaction(
    pool,
    async db => {
      const { rowCount } =
        from === undefined
          ? await db.query({
              text: `insert into sync_cursors (peer, topic, cursor, touched_ms) values ($1, $2, $3, $4)
                on conflict do nothing`,
              values: [peer, topic, to, nowMs],
            })
          : await db.query({
              text: 'update sync_cursors set cursor = $3, touched_ms = $5 where peer = $1 and topic = $2 and cursor = $4',
              values: [peer, topic, to, from, nowMs],
            })
      if (rowCount === 0) return false
      await note(db, peer, topic, left, nowMs)
      return true
    },
    { keep: written => written },
  )
}

/** Of peers that have brought nothing for so long. Should they come back, they are asked from the beginning. */
const PROGRESS_KEPT_MS = 90 * 24 * 60 * 60_000

export async function forgetOldProgress(db: Queryable, nowMs: number): Promise<void> {
  const before = nowMs - PROGRESS_KEPT_MS
  await db.query({ text: 'delete from sync_cursors where touched_ms < $1', values: [before] })
  await db.query({ text: 'delete from sync_unsettled where noted_ms < $1', values: [before] })
}

/** What is due to be tried again. */
export async function readRetries(
  db: Queryable,
  peer: string,
  topic: string,
  nowMs: number,
  limit: number,
): Promise<{ due: Retry[]; waiting: number }> {
  const { rows } = await db.query<Omit<Retry, 'after'> & { after: string | null; waiting: number }>({
    name: 'sync-retries',
    text: `with waiting as (
        select txid, after, attempts, due_ms from sync_unsettled
          where peer = $1 and topic = $2 and due_ms is not null)
      select encode(txid, 'hex') as txid, after, attempts, (select count(*)::int from waiting) as waiting from waiting
        where due_ms <= $3 order by due_ms limit $4`,
    values: [peer, topic, nowMs, limit],
  })
  return {
    due: rows.map(({ txid, after, attempts }) => ({ txid, after: after ?? undefined, attempts })),
    waiting: rows[0]?.waiting ?? 0,
  }
}

export async function countRetries(db: Queryable, peer: string, topic: string): Promise<number> {
  const { rows } = await db.query<{ n: number }>({
    name: 'sync-count-retries',
    text: 'select count(*)::int as n from sync_unsettled where peer = $1 and topic = $2 and due_ms is not null',
    values: [peer, topic],
  })
  return rows[0]?.n ?? 0
}

export async function settle(
  pool: Pool,
  { peer, topic }: { readonly peer: string; readonly topic: string },
  txid: string,
  left: Unsettled | undefined,
  nowMs: number,
): Promise<void> {
  if (left !== undefined) return note(pool, peer, topic, [left], nowMs)
  await pool.query({
    text: 'delete from sync_unsettled where peer = $1 and topic = $2 and txid = $3',
    values: [peer, topic, bytea(txid)],
  })
}

async function note(
  db: Queryable,
  peer: string,
  topic: string,
  left: readonly Unsettled[],
  nowMs: number,
): Promise<void> {
  if (left.length === 0) return
  const again = ({ judgement, attempts }: Unsettled) =>
    judgement.kind === 'later' && attempts < RETRY_ATTEMPTS_MAX
  await db.query({
    text: `insert into sync_unsettled (peer, topic, txid, after, attempts, due_ms, reason, noted_ms)
      select $1, $2, txid, after, attempts, due_ms, reason, $3
        from unnest($4::bytea[], $5::text[], $6::int[], $7::bigint[], $8::text[]) as left_over (txid, after, attempts, due_ms, reason)
      on conflict (peer, topic, txid) do update set after = excluded.after, attempts = excluded.attempts,
        due_ms = excluded.due_ms, reason = excluded.reason, noted_ms = excluded.noted_ms`,
    values: [
      peer,
      topic,
      nowMs,
      byteas(left.map(({ txid }) => txid)),
      left.map(({ after }) => after ?? null),
      left.map(({ attempts }) => attempts),
      left.map(each => (again(each) ? nowMs + backOff(each.attempts) : null)),
      left.map(({ judgement }) => keptText(judgement.reason, 300)),
    ],
  })
  await db.query({
    text: `delete from sync_unsettled where peer = $1 and due_ms is null and noted_ms < (
      select noted_ms from sync_unsettled where peer = $1 and due_ms is null order by noted_ms desc offset $2 limit 1)`,
    values: [peer, REFUSED_PER_PEER_MAX],
  })
}
