import { spendHolds } from '../../src/adapters/bsv/judge-spend.ts'
import { type LocalChain, openLocalChain } from '../../src/adapters/chain/local-chain.ts'
import { type Overlay, type OverlayDeps, openOverlay } from '../../src/adapters/overlay/overlay.ts'
import type { Submission } from '../../src/adapters/overlay/submission.ts'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { type Beef, type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import type { Spend } from '../../src/contract/spend.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import { hostedTopics } from '../../src/node/hosted-topics.ts'
import { temporaryDatabase } from './database.ts'
import type { Party } from './pipeline.ts'
import { silentLog } from './silent-log.ts'
import { until } from './until.ts'

/** An overlay node without HTTP, on a database and a chain of its own. Blocks come when `mine` is called. */
export type OverlayBed = {
  readonly database: Database
  readonly chain: LocalChain
  readonly overlay: Overlay
  /** Everything that the node reported by itself, in order. */
  readonly reports: readonly Report[]
  /** Another node on the same database. */
  open(deps?: Partial<OverlayDeps>): Overlay
  /** Coins of this party, in one transaction that a block proves. */
  fund(party: Party, outputs: number, satoshis?: number): Promise<Spend[]>
  /** The transaction with what proves it, of what was funded and of these. */
  beefOf(transaction: Transaction, ...ancestors: readonly Transaction[]): Beef
  submissionOf(transaction: Transaction, ...ancestors: readonly Transaction[]): Submission
  mine(): Promise<void>
  close(): Promise<void>
}

export type Report = { readonly what: keyof OverlayDeps['events']; readonly said: readonly unknown[] }

export async function overlayBed(
  deps: Partial<OverlayDeps> = {},
  /** A migrated one, which the caller closes. */
  given?: Database,
): Promise<OverlayBed> {
  const { database, remove } =
    given === undefined ? await ownDatabase() : { database: given, remove: async () => undefined }
  const { pool } = database
  const chain = await openLocalChain({ pool, satisfies: spendHolds })
  const reports: Report[] = []
  const opened: Overlay[] = []
  const open = (more: Partial<OverlayDeps> = {}) => {
    const overlay = openOverlay({
      pool,
      chain,
      hosted: hostedTopics(database),
      now: Date.now,
      peers: [],
      post: async () => [],
      events: reportTo(reports),
      ...deps,
      ...more,
    })
    opened.push(overlay)
    return overlay
  }
  const overlay = open()
  const proven = new Map<string, BeefTransaction>()

  const beefOf = (transaction: Transaction, ...ancestors: readonly Transaction[]) =>
    orThrow(readBeef(writeBeef([...proven.values(), ...ancestors, transaction])))
  const mine = async () => {
    const { height } = await chain.tip()
    const stop = chain.startMiner({ intervalMs: 5 })
    await until(async () => (await chain.tip()).height > height)
    await stop()
  }
  return {
    database,
    chain,
    overlay,
    reports,
    open,
    async fund(party, outputs, satoshis = 1000) {
      const paid = await chain.pay({ lockingScript: p2pkhLock(party.publicKey), satoshis, outputs })
      if (paid.kind !== 'funded') throw new Error(paid.detail)
      await mine()
      const { txid, outputs: coins } = paid.transaction
      const status = (await chain.statusOf([txid])).get(txid)
      if (status?.kind !== 'mined') throw new Error('the faucet’s transaction is in no block')
      proven.set(txid, { ...paid.transaction, proof: status.proof })
      return coins
        .slice(0, outputs)
        .map((spent, vout) => ({ txid, vout, spent, privateKey: party.privateKey }))
    },
    beefOf,
    submissionOf: (transaction, ...ancestors) => ({
      beef: beefOf(transaction, ...ancestors),
      topics: [baseTopics.ingest],
    }),
    mine,
    async close() {
      for (const each of opened) await each.stop()
      await chain.close()
      await remove()
    },
  }
}

async function ownDatabase(): Promise<{ database: Database; remove(): Promise<void> }> {
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  return {
    database,
    async remove() {
      await database.close()
      await temporary.drop()
    },
  }
}

function reportTo(reports: Report[]): OverlayDeps['events'] {
  const note =
    (what: Report['what']) =>
    (...said: unknown[]) =>
      void reports.push({ what, said })
  return {
    onEvicted: note('onEvicted'),
    onDoubleSpend: note('onDoubleSpend'),
    onUndelivered: note('onUndelivered'),
    onReorganisation: note('onReorganisation'),
    onProven: note('onProven'),
    onFollowFailure: note('onFollowFailure'),
  }
}
