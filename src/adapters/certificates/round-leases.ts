import type { RoundLease } from '../../certify/ports.ts'
import { serverMs } from '../log/leases.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/** Rounds that are decided and have no certificate on its way, and that nobody works on; ours for so long. */
export async function leaseDecided(
  db: Queryable,
  coordinator: string,
  limit: number,
  leaseMs: number,
): Promise<RoundLease[]> {
  const { rows } = await db.query<RoundLease>({
    name: 'certify-lease',
    text: `with free as (
        select round_id from rounds
          where state = 'certifying' and not in_flight and lease_until_ms <= ${serverMs}
          order by decided_ms limit $2 for update skip locked)
      update rounds set coordinator = $1, lease_token = lease_token + 1, lease_until_ms = ${serverMs} + $3
        from free where rounds.round_id = free.round_id
      returning encode(rounds.round_id, 'hex') as "roundId", lease_token as token`,
    values: [coordinator, limit, leaseMs],
  })
  return rows
}

export async function postponeRound(
  db: Queryable,
  { roundId, token }: RoundLease,
  error: unknown,
  afterMs: number,
): Promise<void> {
  await db.query({
    text: `update rounds set coordinator = null, lease_until_ms = ${serverMs} + $3, last_error = $4
      where round_id = $1 and lease_token = $2 and state = 'certifying'`,
    values: [bytea(roundId), token, afterMs, keptText(String(error))],
  })
}

/** Others may take them at once. */
export async function letRoundsGo(db: Queryable, coordinator: string): Promise<void> {
  await db.query({
    text: `update rounds set coordinator = null, lease_until_ms = 0
      where coordinator = $1 and state = 'certifying'`,
    values: [coordinator],
  })
}
