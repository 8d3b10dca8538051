import { openArc } from '../../../../src/adapters/chain/network/arc-client.ts'
import { openHeadersService } from '../../../../src/adapters/chain/network/headers-service.ts'
import {
  type NetworkChain,
  type NetworkChainOptions,
  openNetworkChain,
} from '../../../../src/adapters/chain/network/network-chain.ts'
import { type Database, openDatabase } from '../../../../src/adapters/postgres/database.ts'
import type { Transaction } from '../../../../src/contract/transaction.ts'
import { type ArcServer, arcServer } from '../../../support/arc-server.ts'
import { temporaryDatabase } from '../../../support/database.ts'
import { type HeadersServer, headersServer } from '../../../support/headers-server.ts'
import { MadeNetwork } from '../../../support/made-network.ts'
import { silentLog } from '../../../support/silent-log.ts'

/** A made network with its two services, and a database that follows it. */
export type NetworkBed = {
  readonly network: MadeNetwork
  readonly headers: HeadersServer
  readonly arc: ArcServer
  readonly database: Database
  /** What is stored here, for whoever looks for parents. */
  readonly stored: Map<string, Transaction>
  readonly troubles: string[]
  /** Another process's view of the network, over the same database. */
  open(options?: Partial<NetworkChainOptions>): Promise<NetworkChain>
  end(): Promise<void>
}

export type SharedDatabase = { readonly database: Database; drop(): Promise<void> }

/** For all tests of a file, one after the other. */
export async function sharedDatabase(): Promise<SharedDatabase> {
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  return {
    database,
    async drop() {
      await database.close()
      await temporary.drop()
    },
  }
}

/** Begins anew in a database that tests share. */
export async function networkBed({ database }: Pick<SharedDatabase, 'database'>): Promise<NetworkBed> {
  await database.pool.query('truncate headers')
  const network = new MadeNetwork()
  const headers = await headersServer(network)
  const arc = await arcServer(network)
  const stored = new Map<string, Transaction>()
  const troubles: string[] = []
  const opened: NetworkChain[] = []
  return {
    network,
    headers,
    arc,
    database,
    stored,
    troubles,
    async open(options = {}) {
      const chain = await openNetworkChain({
        pool: database.pool,
        network: 'testnet',
        source: openHeadersService({ url: headers.url, token: headers.token, timeoutMs: 2000 }),
        arc: openArc({ url: `${arc.url}/`, apiKey: arc.apiKey }),
        find: async txids => txids.flatMap(txid => stored.get(txid) ?? []),
        pollMs: 10,
        anchor: network.anchor,
        onTrouble: trouble => troubles.push(String(trouble)),
        ...options,
      })
      opened.push(chain)
      return chain
    },
    async end() {
      for (const chain of opened) await chain.close()
      await headers.stop()
      await arc.stop()
    },
  }
}
