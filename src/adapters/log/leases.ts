import type { Lease } from '../../packets/ports.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Shorter than what a start may take, as a killed process leaves its leases behind. */
export const SEAL_LEASE_MS = 2_000

/**
 * Takes what nobody else has, and keeps up what is ours. The clock is the server's, so that no node takes another's for
 * the reason that its own clock is ahead.
 */
export async function leasePartitions(
  db: Queryable,
  sealer: string,
  partitionIds: readonly number[],
  { leaseMs = SEAL_LEASE_MS, wait = false } = {},
): Promise<Lease[]> {
  const { rows } = await db.query<Lease>({
    name: wait ? 'lease-partitions-waiting' : 'lease-partitions',
    text: `with free as (
        select partition_id, sealer = $2 and sealer_until_ms > ${serverMs} as ours from partition_heads
        where partition_id = any($1) and (sealer = $2 or sealer is null or sealer_until_ms <= ${serverMs})
        order by partition_id for update ${wait ? '' : 'skip locked'})
      update partition_heads as head set sealer = $2, sealer_until_ms = ${serverMs} + $3,
        sealer_token = sealer_token + case when ours then 0 else 1 end
      from free where head.partition_id = free.partition_id
      returning head.partition_id as "partitionId", sealer_token as token`,
    values: [partitionIds, sealer, leaseMs],
  })
  return rows
}

/** False where somebody else has taken it since. */
export async function keepLease(
  db: Queryable,
  { partitionId, token }: Lease,
  leaseMs = SEAL_LEASE_MS,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'keep-lease',
    text: `update partition_heads set sealer_until_ms = ${serverMs} + $3
      where partition_id = $1 and sealer_token = $2 and sealer is not null`,
    values: [partitionId, token, leaseMs],
  })
  return rowCount === 1
}

/** Others may take them at once. */
export async function letLeasesGo(db: Queryable, sealer: string): Promise<void> {
  await db.query({
    name: 'let-leases-go',
    // In ascending order, as appends lock them.
    text: `with ours as (
        select partition_id from partition_heads where sealer = $1 order by partition_id for update)
      update partition_heads as head set sealer = null, sealer_until_ms = 0
        from ours where head.partition_id = ours.partition_id and head.sealer = $1`,
    values: [sealer],
  })
}

export const serverMs = '(extract(epoch from clock_timestamp()) * 1000)::bigint'
