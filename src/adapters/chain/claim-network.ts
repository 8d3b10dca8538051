import type { Pool } from 'pg'
import type { Network } from '../../core/network.ts'
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

/** Every local chain begins with a block of its own. Throws where this database has another chain than is followed. */
export async function claimLocalChain(
  pool: Pool,
  followed: Pick<Chain, 'rootAt'>,
  url: string,
): Promise<void> {
  const [own, theirs] = [await readStoredRoot(pool, 0), await followed.rootAt(0)]
  if (own !== undefined && own !== theirs)
    throw new Error(
      `this database has a local chain of its own, and ${url} has another one. Nothing in it holds good there: use another database to follow that chain, or leave LOCAL_CHAIN_URL out.`,
    )
}
