import { spendHolds } from '../adapters/bsv/judge-spend.ts'
import type { Chain } from '../adapters/chain/chain.ts'
import { followLocalChain } from '../adapters/chain/follow-local-chain.ts'
import { type LocalChain, openLocalChain } from '../adapters/chain/local-chain.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

/** `local`: where the chain lives in this node's own database. */
export async function openNodeChain(
  settings: Settings,
  { pool }: Database,
  log: Log,
  stops: Stops,
): Promise<{ chain: Chain; local?: LocalChain }> {
  const onTrouble = (error: unknown) =>
    log.error({ err: error }, 'the local chain had trouble; it goes on by itself')
  if (settings.LOCAL_CHAIN_URL !== undefined) {
    const chain = await followLocalChain({ url: settings.LOCAL_CHAIN_URL, onTrouble })
    stops.add('chain follower', () => chain.close())
    return { chain }
  }
  const local = await openLocalChain({ pool, satisfies: spendHolds, onTrouble })
  stops.add('local chain', () => local.close())
  stops.add('miner', local.startMiner({ intervalMs: settings.LOCAL_BLOCK_MS }))
  return { chain: local, local }
}
