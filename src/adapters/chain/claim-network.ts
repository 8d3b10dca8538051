import type { Pool } from 'pg'
import type { Network } from '../../core/network.ts'

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
