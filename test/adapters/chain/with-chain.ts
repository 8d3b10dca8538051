import type { Pool } from 'pg'
import { expect } from 'vitest'
import {
  type LocalChain,
  type LocalChainOptions,
  openLocalChain,
} from '../../../src/adapters/chain/local-chain.ts'
import { auditChain } from './audit.ts'
import type { ChainDatabases } from './chain-databases.ts'

/** A chain in a database of its own, audited at the end. */
export async function withChain(
  databases: ChainDatabases,
  use: (chain: LocalChain, pool: Pool, url: string) => Promise<void>,
  options: Partial<LocalChainOptions> = {},
): Promise<void> {
  const { pool, url } = await databases.database()
  const chain = await openLocalChain({ pool, pollMs: 10, ...options })
  try {
    await use(chain, pool, url)
    expect((await auditChain(pool)).faults).toEqual([])
  } finally {
    await chain.close()
  }
}
