import { spendHolds } from '../adapters/bsv/judge-spend.ts'
import type { Chain } from '../adapters/chain/chain.ts'
import { claimLocalChain, claimNetwork } from '../adapters/chain/claim-network.ts'
import { followLocalChain } from '../adapters/chain/follow-local-chain.ts'
import { type LocalChain, openLocalChain } from '../adapters/chain/local-chain.ts'
import type { NetworkChain } from '../adapters/chain/network/network-chain.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import type { Log } from '../runtime/log.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { networkHealth } from './network-health.ts'
import { openPublicChain, type PublicChainOptions } from './public-chain.ts'

export type NodeChain = {
  readonly chain: Chain
  /** Where the chain lives in this node's own database. */
  readonly local?: LocalChain
  /** Where the chain is a public one. */
  readonly public?: NetworkChain
  readonly checks: readonly HealthCheck[]
}

/** The chain that the settings name, and no other. */
export async function openNodeChain(
  settings: Settings,
  database: Database,
  log: Log,
  stops: Stops,
  options: PublicChainOptions = {},
): Promise<NodeChain> {
  const { ASSAY_NETWORK: network } = settings
  await claimNetwork(database.pool, network)
  if (network === 'local') return openLocal(settings, database, log, stops)
  const chain = await openPublicChain(settings, network, database, log, options)
  stops.add('chain', () => chain.close())
  return { chain, public: chain, checks: networkHealth(chain, Date.now) }
}

async function openLocal(settings: Settings, { pool }: Database, log: Log, stops: Stops): Promise<NodeChain> {
  // It looks many times a second, and what is wrong once is wrong each time.
  const seldom = openSeldom()
  const onTrouble = (error: unknown) =>
    seldom('', leftOut =>
      log.error({ err: error, leftOut }, 'the local chain had trouble; it goes on by itself'),
    )
  if (settings.LOCAL_CHAIN_URL !== undefined) {
    const chain = await followLocalChain({ url: settings.LOCAL_CHAIN_URL, onTrouble })
    stops.add('chain follower', () => chain.close())
    await claimLocalChain(pool, chain, settings.LOCAL_CHAIN_URL)
    return { chain, checks: [tipCheck(chain)] }
  }
  const local = await openLocalChain({ pool, satisfies: spendHolds, onTrouble })
  stops.add('local chain', () => local.close())
  stops.add('miner', local.startMiner({ intervalMs: settings.LOCAL_BLOCK_MS }))
  return { chain: local, local, checks: [tipCheck(local)] }
}

function tipCheck(chain: Chain): HealthCheck {
  return { name: 'chain', critical: true, run: async () => `height ${(await chain.tip()).height}` }
}
