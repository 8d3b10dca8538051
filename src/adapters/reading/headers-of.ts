import type { Pool } from 'pg'
import type { Headers } from '../../serve/lineage/known-version.ts'
import type { Chain } from '../chain/chain.ts'
import { readHeaderAt } from '../chain/read-headers.ts'

/** The best chain as this node has it, with the bytes of headers where it keeps them. */
export function headersOf(pool: Pool, chain: Pick<Chain, 'network' | 'rootAt' | 'tip'>): Headers {
  return {
    tip: () => chain.tip(),
    rootAt: height => chain.rootAt(height),
    async blockAt(height) {
      const root = await chain.rootAt(height)
      return root === undefined ? undefined : { root, header: await readHeaderAt(pool, chain, height) }
    },
  }
}
