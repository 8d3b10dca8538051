import type { Pool } from 'pg'
import type { Network } from '../../core/network.ts'
import { readTip } from './append-block.ts'
import type { Chain } from './chain.ts'
import { readStoredRoot } from './read-headers.ts'

/** A database belongs to the network that it was first used with. Throws where that was another one. */
export async function claimNetwork(pool: Pool, network: Network): Promise<void> {
  await pool.query('insert into network (name) values ($1) on conflict do nothing', [network])
  const { rows } = await pool.query<{ name: string }>('select name from network')
  const owner = rows[0]?.name
  if (owner !== network)
    throw new Error(
      `this database belongs to network ${owner}, and ASSAY_NETWORK is ${network}. Nothing in it holds good on another chain: use a database of its own for ${network}, or set ASSAY_NETWORK=${owner}.`,
    )
}

/** So far a chain in this database, which its owner goes on with, may be behind the owner's word of it. */
const BEHIND_BLOCKS_MAX = 10

/**
 * Throws where this database has another local chain than is followed, or a copy of it that nobody goes on with: proofs
 * would be held against that.
 */
export async function claimLocalChain(
  pool: Pool,
  followed: Pick<Chain, 'rootAt' | 'tip'>,
  url: string,
): Promise<void> {
  const own = await readTip(pool)
  if (own === undefined) return
  const { height } = await followed.tip()
  // Below what may be reorganised between the two looks.
  const shared = Math.max(0, Math.min(own.height, height) - BEHIND_BLOCKS_MAX)
  const isTheirs = (await readStoredRoot(pool, shared)) === (await followed.rootAt(shared))
  if (!isTheirs || own.height < height - BEHIND_BLOCKS_MAX)
    throw new Error(
      `this database has a local chain of its own, and ${url} has another one. Nothing in it holds good there: use another database to follow that chain, or leave LOCAL_CHAIN_URL out.`,
    )
}
