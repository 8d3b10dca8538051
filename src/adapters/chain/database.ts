import type { Pool, PoolClient } from 'pg'

/** Where the chain's tables are. The miner keeps one connection of the pool for itself. */
export type ChainDatabase = { readonly pool: Pool }

/** The plain part of a connection: enough for every statement here. */
export type Queries = Pick<PoolClient, 'query'>

/**
 * Advisory locks, by number. `arrivals` is held shared while a transaction is taken into the mempool, and alone by
 * whoever throws some out: what a newcomer spends cannot vanish under it. `tip` is held by whoever adds blocks.
 * `miner` belongs to a session, so that it is free again the moment its process dies.
 */
export const locks = { arrivals: 0x6173_6301, tip: 0x6173_6302, miner: 0x6173_6303 } as const

/** BEGIN with locks, in one round trip. Shared ones are for `arrivals` only. */
export type LockMode = 'arrivals-shared' | 'tip' | 'arrivals-and-tip'

const begin: Readonly<Record<LockMode, string>> = {
  'arrivals-shared': `BEGIN; SELECT pg_advisory_xact_lock_shared(${locks.arrivals})`,
  tip: `BEGIN; SELECT pg_advisory_xact_lock(${locks.tip})`,
  // Always in this order, or two of them could wait for each other.
  'arrivals-and-tip': `BEGIN; SELECT pg_advisory_xact_lock(${locks.arrivals}); SELECT pg_advisory_xact_lock(${locks.tip})`,
}

/** Commits what `work` did, unless it throws or answers with something that `keep` declines. */
export async function inTransaction<T>(
  { pool }: ChainDatabase,
  lock: LockMode,
  work: (client: Queries) => Promise<T>,
  keep: (answer: T) => boolean = () => true,
): Promise<T> {
  const client = await pool.connect()
  // A server that goes away is told by the query under way; without a listener it would end the process as well.
  client.on('error', ignore)
  try {
    const answer = await inTransactionOf(client, lock, work, keep)
    client.release()
    return answer
  } catch (error) {
    // Whatever state the connection is in: closing it ends the transaction.
    client.release(true)
    throw error
  } finally {
    client.off('error', ignore)
  }
}

/** The same on a connection that the caller keeps; if it throws, the caller gives the connection up. */
export async function inTransactionOf<T>(
  client: Queries,
  lock: LockMode,
  work: (client: Queries) => Promise<T>,
  keep: (answer: T) => boolean = () => true,
): Promise<T> {
  await client.query(begin[lock])
  const answer = await work(client)
  await client.query(keep(answer) ? 'COMMIT' : 'ROLLBACK')
  return answer
}

export function ignore(): void {}

/** bytea for a hash that the code knows as hex. */
export function bytea(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
