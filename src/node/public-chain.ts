import type { Anchor, PublicNetwork } from '../adapters/chain/network/anchor.ts'
import { openArc } from '../adapters/chain/network/arc-client.ts'
import type { HeaderSource } from '../adapters/chain/network/header-source.ts'
import { openHeadersFile } from '../adapters/chain/network/headers-file.ts'
import { openHeadersService } from '../adapters/chain/network/headers-service.ts'
import { type NetworkChain, openNetworkChain } from '../adapters/chain/network/network-chain.ts'
import { findTransactions } from '../adapters/overlay/find-transactions.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'

export type PublicChainOptions = {
  /** For tests, which cannot do a network's work. There is no setting for it. */
  readonly anchor?: Anchor
  readonly headersPollMs?: number
}

/** Testnet or mainnet, by way of the services that the settings name. */
export async function openPublicChain(
  settings: Settings,
  network: PublicNetwork,
  { pool }: Database,
  log: Log,
  { anchor, headersPollMs }: PublicChainOptions,
): Promise<NetworkChain> {
  const { ARC_URL, ARC_API_KEY, ARC_CALLBACK_URL, ARC_CALLBACK_TOKEN } = settings
  const arc = openArc({
    url: ARC_URL ?? missing('ARC_URL'),
    apiKey: ARC_API_KEY,
    callback:
      ARC_CALLBACK_URL === undefined
        ? undefined
        : { url: ARC_CALLBACK_URL, token: ARC_CALLBACK_TOKEN ?? missing('ARC_CALLBACK_TOKEN') },
  })
  return openNetworkChain({
    pool,
    network,
    arc,
    source: headerSource(settings, network),
    find: txids => findTransactions(txids, pool),
    onTrouble: error =>
      log.warn({ err: error }, 'headers could not be brought up to date; it is tried again'),
    ...(anchor !== undefined && { anchor }),
    ...(headersPollMs !== undefined && { pollMs: headersPollMs }),
  })
}

function headerSource(
  { HEADERS_URL: url, HEADERS_TOKEN: token, HEADERS_FILE: file }: Settings,
  network: PublicNetwork,
): HeaderSource {
  if (file !== undefined) return openHeadersFile(file, network)
  return openHeadersService({ url: url ?? missing('HEADERS_URL'), token })
}

/** readSettings has seen to it. */
function missing(name: string): never {
  throw new Error(`${name} is not set, and a public network needs it`)
}
