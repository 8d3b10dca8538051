import type { Pool } from 'pg'
import type { DueCertificate, RoundLease } from '../../certify/ports.ts'
import { keptText } from '../postgres/kept-text.ts'
import { isRefusedValue } from '../postgres/refused-value.ts'
import { bytea } from '../postgres/sql.ts'
import { type ReadPart, readDue, Unreadable } from './read-due.ts'
import { leaseDecided } from './round-leases.ts'

export type TakeDeps = {
  readonly pool: Pool
  readonly coordinator: string
  readonly leaseMs: number
  readonly readPart: ReadPart
  onUnreadable(error: unknown, roundId: string): void
}

export async function takeDue(limit: number, deps: TakeDeps): Promise<DueCertificate[]> {
  const { pool, coordinator, leaseMs, readPart } = deps
  const due: DueCertificate[] = []
  for (const lease of await leaseDecided(pool, coordinator, limit, leaseMs))
    try {
      due.push(await readDue(lease, { db: pool, readPart }))
    } catch (error) {
      deps.onUnreadable(error, lease.roundId)
      // Anything else may be over in a moment, and the lease runs out by itself.
      if (error instanceof Unreadable || isRefusedValue(error)) await giveUpBeside(lease, error, deps)
    }
  return due
}

/** The rounds that were leased with it go on, whatever becomes of this one. */
async function giveUpBeside(lease: RoundLease, why: Error, { pool, onUnreadable }: TakeDeps): Promise<void> {
  try {
    await giveUp(lease, why.message, pool)
  } catch (error) {
    onUnreadable(error, lease.roundId)
  }
}

export async function giveUp({ roundId, token }: RoundLease, why: string, pool: Pool): Promise<void> {
  await pool.query({
    name: 'certify-give-up',
    text: `with lost as (
        update rounds set state = 'lost', coordinator = null, lease_until_ms = 0, last_error = $3
          where round_id = $1 and lease_token = $2 and state = 'certifying' and not in_flight returning job_tx
      )
      -- Or the same answers would be decided on again, and again make none.
      update round_results as result set work = 'void', void_why = $3 from lost
        where result.job_tx = lost.job_tx and result.work = 'held'`,
    values: [bytea(roundId), token, keptText(why)],
  })
}
