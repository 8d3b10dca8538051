import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { judgeSpend } from '../../contract/spend.ts'
import { pause } from '../../runtime/pause.ts'
import { inTransaction } from '../postgres/sql.ts'
import { accept, type Rules, type Satisfies } from './accept.ts'
import { openAnnouncements } from './announcements.ts'
import type { Surroundings } from './append-block.ts'
import type { Chain, Tip, TransactionStatus } from './chain.ts'
import { type FaucetAnswer, type FaucetRequest, payFromFaucet } from './faucet.ts'
import { freshLook } from './fresh-look.ts'
import { ensureGenesis } from './genesis.ts'
import { openHeaderRun } from './header-run.ts'
import { beginWith } from './locks.ts'
import { mineBlock, type StopMining, startMining } from './miner.ts'
import { openProofs } from './proofs.ts'
import { catchUp, forkBelow, readStoredHeaders, readStoredRoot } from './read-headers.ts'
import { openRecentTransactions } from './recent-transactions.ts'
import { type Reorganised, type ReorganiseOptions, reorganise } from './reorganise.ts'
import { assembleBeef, findStored, readRaw, type Stored } from './stored.ts'

/** The private chain, as the processes see it that share its database. */
export type LocalChain = Chain & {
  readonly network: 'local'
  /** Up to `count` headers of the best chain from this height on, 80 bytes each. */
  headers(from: number, count: number): Promise<Uint8Array>
  /** The bytes of a transaction that is in the mempool or mined. */
  rawOf(txid: string): Promise<Uint8Array | undefined>
  /** The same with what is needed to believe it. */
  beefOf(txid: string): Promise<Uint8Array | undefined>
  /** In the mempool when it resolves. */
  pay(request: FaucetRequest): Promise<FaucetAnswer>
  reorganise(options: ReorganiseOptions): Promise<Reorganised>
  /** One block at once, if there is something to mine; answers with the tip. */
  mine(): Promise<Tip>
  /** Mines while there is something to mine and no other process does. */
  startMiner(options?: { readonly intervalMs?: number }): StopMining
  /** Lets go of everything but the pool, which is the caller's. */
  close(): Promise<void>
}

export type LocalChainOptions = {
  /** Of openDatabase, which listens for lost connections. The miner keeps one of them for itself. */
  readonly pool: Pool
  /** Milliseconds since the epoch; also the time in headers. */
  readonly now?: () => number
  readonly randomBytes?: (length: number) => Uint8Array
  /** By default only the locks that the pipeline knows can be opened. */
  readonly satisfies?: Satisfies
  /** How soon a block of another process is noticed. */
  readonly pollMs?: number
  /** Headers in memory, 80 bytes each; older ones are read from the database. */
  readonly headersKept?: number
  readonly mempoolTransactionsMax?: number
  /** What went wrong behind the scenes and will be tried again. */
  readonly onTrouble?: (error: unknown) => void
}

export const HEADERS_KEPT = 100_000
export const MEMPOOL_TRANSACTIONS_MAX = 100_000
const STATUSES_PER_QUERY = 1_000
/** Reorganisations in a row, each just between two queries, before statusOf gives up. */
const STATUS_TRIES_MAX = 5

export async function openLocalChain({
  pool,
  now = Date.now,
  randomBytes: chance = randomBytes,
  satisfies = (transaction, index, spent) => judgeSpend(transaction, index, spent) === 'satisfied',
  pollMs = 500,
  headersKept = HEADERS_KEPT,
  mempoolTransactionsMax = MEMPOOL_TRANSACTIONS_MAX,
  onTrouble = () => {},
}: LocalChainOptions): Promise<LocalChain> {
  const surroundings: Surroundings = { now, randomBytes: chance }
  await ensureGenesis(pool, surroundings)

  const run = openHeaderRun(headersKept)
  await catchUp(pool, run, headersKept)
  const proofs = openProofs(pool)
  const tip = (): Tip => run.tip() ?? neverEmpty()
  const announcements = openAnnouncements(tip, onTrouble)
  const rules: Rules = {
    satisfies,
    recent: openRecentTransactions(),
    nextBlock: () => ({ height: tip().height + 1, timeSeconds: Math.floor(now() / 1000) }),
  }

  const refuseIfFull = mempoolGuard(pool, mempoolTransactionsMax)
  const refresh = freshLook(async () => {
    const fork = await catchUp(pool, run, headersKept)
    if (fork !== undefined) announcements.announce(fork)
  })
  const closed = new AbortController()
  async function poll() {
    while (!closed.signal.aborted) {
      await pause(pollMs, closed.signal)
      if (!closed.signal.aborted) await refresh().catch(onTrouble)
    }
  }
  const polling = poll()
  const miners = new Set<StopMining>()

  async function statusesOf(txids: readonly string[]): Promise<[string, TransactionStatus][]> {
    const stored = await storedOnThisChain(txids)
    const mined = stored.flatMap(({ txid, block }) => (block ? [{ txid, blockHash: block.hash }] : []))
    const paths = await proofs.proofsOf(mined)
    return [
      ...stored.flatMap(({ txid, block }): [string, TransactionStatus][] =>
        block ? [] : [[txid, { kind: 'seen' }]],
      ),
      ...paths.map((proof, i): [string, TransactionStatus] => [
        mined[i]?.txid ?? '',
        { kind: 'mined', proof },
      ]),
    ]
  }

  /** Whatever block is named here, rootAt knows it. */
  async function storedOnThisChain(txids: readonly string[]): Promise<Stored[]> {
    for (let tries = 1; tries <= STATUS_TRIES_MAX; tries++) {
      const stored = await findStored(pool, txids)
      if (stored.every(fits)) return stored
      await refresh()
      if (stored.every(fits)) return stored
    }
    throw new Error('the best chain changed under every one of several looks at it; ask again')
  }
  const fits = ({ block }: Stored) =>
    block === undefined || block.height < run.firstHeight() || run.hashAt(block.height) === block.hash

  const chain: LocalChain = {
    network: 'local',
    tip: async () => tip(),
    async rootAt(height) {
      if (!Number.isInteger(height) || height < 0) return undefined
      // Whoever shares this database may have mined it since the last look, and named it to whoever asks here.
      if (height > tip().height) await refresh()
      return height < run.firstHeight() ? readStoredRoot(pool, height) : run.rootAt(height)
    },
    async broadcast(transactions) {
      await refuseIfFull()
      return accept(pool, rules, transactions)
    },
    async statusOf(txids) {
      const statuses = new Map<string, TransactionStatus>()
      for (let at = 0; at < txids.length; at += STATUSES_PER_QUERY)
        for (const [txid, status] of await statusesOf(txids.slice(at, at + STATUSES_PER_QUERY)))
          statuses.set(txid, status)
      return statuses
    },
    follow(onChange, since) {
      return announcements.follow(onChange, since && behind(since))
    },
    async headers(from, count) {
      return from < run.firstHeight() ? readStoredHeaders(pool, from, count) : run.slice(from, count)
    },
    rawOf: txid => readRaw(pool, txid),
    beefOf: txid => assembleBeef(pool, proofs, txid),
    async pay(request) {
      await refuseIfFull()
      return payFromFaucet(pool, request)
    },
    async reorganise(options) {
      const outcome = await reorganise(pool, surroundings, rules, options)
      await refresh()
      return outcome
    },
    async mine() {
      await inTransaction(pool, client => mineBlock(client, surroundings), { begin: beginWith.tip })
      await refresh()
      return tip()
    },
    startMiner({ intervalMs = 1_000 } = {}) {
      const stop = startMining(pool, surroundings, { intervalMs, onBlock: refresh, onTrouble })
      miners.add(stop)
      return async () => {
        miners.delete(stop)
        await stop()
      }
    },
    async close() {
      closed.abort()
      await Promise.all([...miners].map(stop => stop()))
      await polling
    },
  }

  async function behind(since: Tip): Promise<number | undefined> {
    if (tip().hash === since.hash) return undefined
    return run.hashAt(since.height) === since.hash ? since.height : forkBelow(pool, since)
  }
  return chain
}

/** There is no word on it then, and it may be asked again when blocks have made room. */
export class MempoolFullError extends Error {
  constructor(transactionsMax: number) {
    super(`the mempool holds ${transactionsMax} transactions already; send it again after the next blocks`)
    this.name = 'MempoolFullError'
  }
}

/** Counts anew only after so many calls that an eighth of the room may be gone. */
function mempoolGuard(pool: Pool, transactionsMax: number): () => Promise<void> {
  let callsLeft = 0
  return async () => {
    if (callsLeft-- > 0) return
    const { rows } = await pool.query<{ pooled: number }>(
      `SELECT count(*)::int AS pooled FROM
         (SELECT 1 FROM chain_transactions WHERE state = 'pooled' LIMIT $1) AS counted`,
      [transactionsMax],
    )
    const room = transactionsMax - (rows[0]?.pooled ?? 0)
    callsLeft = Math.floor(room / 8)
    if (room === 0) throw new MempoolFullError(transactionsMax)
  }
}

function neverEmpty(): never {
  throw new Error('the chain has no first block, though opening it made one')
}
