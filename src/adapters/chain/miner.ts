import type { Pool, PoolClient } from 'pg'
import { pause } from '../../runtime/pause.ts'
import { inTransactionOf, type Queryable } from '../postgres/sql.ts'
import { appendBlock, type BlockTip, readTip, type Surroundings } from './append-block.ts'
import { beginWith, locks } from './locks.ts'

export type MinerOptions = {
  readonly intervalMs: number
  /** Called after each block of this process, before the next. */
  readonly onBlock: () => Promise<void>
  readonly onTrouble: (error: unknown) => void
}

/** Resolves when the block under way is finished and another process may mine. */
export type StopMining = () => Promise<void>

/** A block's list of txids is then 160 kB, and a path in it 13 levels high. */
export const BLOCK_TRANSACTIONS_MAX = 5_000

/**
 * Mines every `intervalMs` if there is something to mine and no other process mines. It mines over the connection
 * that holds the lock: once that is lost, so is any block that was under way on it.
 */
export function startMining(
  pool: Pool,
  surroundings: Surroundings,
  { intervalMs, onBlock, onTrouble }: MinerOptions,
): StopMining {
  const stop = new AbortController()
  let held: PoolClient | undefined

  async function mineOnce() {
    held ??= await takeLock(pool)
    if (held === undefined) return
    const tip = await inTransactionOf(held, client => mineBlock(client, surroundings), {
      begin: beginWith.tip,
    })
    if (tip !== undefined) await onBlock()
  }
  async function mineUntilStopped() {
    while (!stop.signal.aborted) {
      try {
        await mineOnce()
      } catch (error) {
        // The lock went with the connection, if the connection went; if it did not, it goes now.
        held?.release(true)
        held = undefined
        onTrouble(error)
      }
      await pause(intervalMs, stop.signal)
    }
    // Closing the session is what frees the lock, whatever state the connection is in.
    held?.release(true)
  }
  const mining = mineUntilStopped()
  return async () => {
    stop.abort()
    await mining
  }
}

async function takeLock(pool: Pool): Promise<PoolClient | undefined> {
  const client = await pool.connect()
  try {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      locks.miner,
    ])
    if (rows[0]?.taken === true) return client
  } catch (error) {
    client.release(true)
    throw error
  }
  client.release()
  return undefined
}

/** One block of what is pooled, oldest first, so that parents come before their children; undefined where nothing is. */
export async function mineBlock(
  client: Queryable,
  surroundings: Surroundings,
): Promise<BlockTip | undefined> {
  const txids = await pooledTxids(client, BLOCK_TRANSACTIONS_MAX)
  if (txids.length === 0) return undefined
  const tip = await readTip(client)
  if (tip === undefined) throw new Error('there is no first block; open the chain before mining on it')
  return appendBlock(client, tip, txids, surroundings)
}

export async function pooledTxids(client: Queryable, countMax: number): Promise<Buffer[]> {
  const { rows } = await client.query<{ txid: Buffer }>(
    `SELECT txid FROM chain_transactions WHERE state = 'pooled' ORDER BY arrival LIMIT $1`,
    [countMax],
  )
  return rows.map(({ txid }) => txid)
}
