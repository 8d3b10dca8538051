import type { Pool } from 'pg'
import type { DueSeat } from '../../jobs/ports.ts'
import { bytea } from '../postgres/sql.ts'

/** Agents say within this time whether they take a seat, and that they were asked is noted with what they say. */
const NOTED_AFTER_MS = 500

/**
 * The call has gone out, or is about to: an agent that keeps us waiting until the deadline was asked, also where the job is
 * decided or we are gone before we have its word.
 */
export async function noteIfSlow<T>(
  seat: DueSeat,
  { pool, now }: { readonly pool: Pool; now(): number },
  call: () => Promise<T>,
): Promise<T> {
  const beganMs = now()
  let noting: Promise<void> | undefined
  const timer = setTimeout(() => {
    // It is noted once more with what comes of the call.
    noting = noteAsked(pool, seat, { beganMs }).catch(() => undefined)
  }, NOTED_AFTER_MS)
  try {
    return await call()
  } finally {
    clearTimeout(timer)
    await noting
  }
}

/** With `untilMs`, it stays ours until then. */
export async function noteAsked(
  pool: Pool,
  { jobTx, vout }: Pick<DueSeat, 'jobTx' | 'vout'>,
  { beganMs, untilMs }: { readonly beganMs: number; readonly untilMs?: number },
): Promise<void> {
  await pool.query({
    name: 'agents-asked',
    text: `update round_seats set offered_ms = coalesce(offered_ms, $3::bigint),
        next_run_ms = greatest(next_run_ms, coalesce($4::bigint, next_run_ms))
      where job_tx = $1 and vout = $2`,
    values: [bytea(jobTx), vout, beganMs, untilMs ?? null],
  })
}
