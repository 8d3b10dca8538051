import type { RoundLease } from '../../jobs/ports.ts'
import { serverMs } from '../log/leases.ts'
import { byteas, numbers, type Queryable } from '../postgres/sql.ts'

/** Shorter than what a start may take, as a killed process leaves its leases behind. */
export const ROUND_LEASE_MS = 2_000

/** Rounds to decide that nobody has, ours from now on; what is being certified is for others. */
export async function takeRounds(
  db: Queryable,
  coordinator: string,
  { limit, leaseMs }: { readonly limit: number; readonly leaseMs: number },
): Promise<RoundLease[]> {
  const { rows } = await db.query<RoundLease>({
    name: 'rounds-take',
    text: `with free as (
        select round_id from rounds
          where state <> 'over' and state in ('open', 'closing', 'lost') and lease_until_ms <= ${serverMs}
          order by lease_until_ms, round_id limit $2 for update skip locked)
      update rounds as round set coordinator = $1, lease_token = lease_token + 1, lease_until_ms = ${serverMs} + $3
        from free where round.round_id = free.round_id
        returning encode(round.round_id, 'hex') as "roundId", lease_token as token`,
    values: [coordinator, limit, leaseMs],
  })
  return rows
}

/**
 * Of these, the ones that are ours. A round in whose row a step is being written is ours as long as that takes: waiting for
 * it would cost us all the others.
 */
export async function keepRounds(
  db: Queryable,
  leases: readonly RoundLease[],
  leaseMs: number,
): Promise<RoundLease[]> {
  if (leases.length === 0) return []
  const { rows } = await db.query<RoundLease>({
    name: 'rounds-keep',
    text: `with ours as (
        select round.round_id, round.lease_token from rounds as round
          join unnest($1::bytea[], $2::bigint[]) as given (round_id, token)
            on given.round_id = round.round_id and given.token = round.lease_token
          where round.coordinator is not null
      ), free as (
        select round.round_id from rounds as round
          join ours on ours.round_id = round.round_id and ours.lease_token = round.lease_token
          for update of round skip locked
      ), kept as (
        update rounds as round set lease_until_ms = ${serverMs} + $3 from free where round.round_id = free.round_id
      )
      select encode(round_id, 'hex') as "roundId", lease_token as token from ours`,
    values: [
      byteas(leases.map(({ roundId }) => roundId)),
      numbers(leases.map(({ token }) => token)),
      leaseMs,
    ],
  })
  return rows
}

/** Others may take them at once. */
export async function letRoundsGo(db: Queryable, coordinator: string): Promise<void> {
  await db.query({
    name: 'rounds-let-go',
    text: `with ours as (
        select round_id from rounds where state <> 'over' and coordinator = $1 order by round_id for update)
      update rounds as round set coordinator = null, lease_until_ms = 0 from ours where round.round_id = ours.round_id`,
    values: [coordinator],
  })
}
