import { type Bump, readBump } from '../../contract/bump.ts'
import type { Transaction } from '../../contract/transaction.ts'
import { concatAll, knownHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import { pause } from '../../runtime/pause.ts'
import { BROADCAST_TRANSACTIONS_MAX } from './accept.ts'
import { openAnnouncements } from './announcements.ts'
import { HEADER_BYTES } from './block.ts'
import type { BroadcastAnswer, Chain, Tip, TransactionStatus } from './chain.ts'
import { type ChainClient, openChainClient } from './chain-client.ts'
import { broadcastAnswer, rejectionAnswer, statusAnswer, tipAnswer } from './chain-messages.ts'
import { freshLook } from './fresh-look.ts'
import { type HeaderRun, openHeaderRun } from './header-run.ts'
import { HEADERS_PER_SYNC_MAX, syncHeaders } from './sync-headers.ts'

export type FollowedChain = Chain & { readonly network: 'local'; close(): Promise<void> }

export type FollowOptions = {
  /** Where the owner's routes are mounted, such as http://localhost:8080/chain */
  readonly url: string
  readonly pollMs?: number
  readonly timeoutMs?: number
  /** How long to wait for the owner at the start. Later it may be away for any time. */
  readonly patienceMs?: number
  /** What went wrong behind the scenes and will be tried again. */
  readonly onTrouble?: (error: unknown) => void
}

const STATUSES_PER_QUESTION = 1_000

/**
 * The local chain of another process. Headers are checked as those of a stranger, and proofs against the headers;
 * while the owner is away, what is known stays known.
 */
export async function followLocalChain({
  url,
  pollMs = 250,
  timeoutMs = 5_000,
  patienceMs = 30_000,
  onTrouble = () => {},
}: FollowOptions): Promise<FollowedChain> {
  const client = openChainClient({ url, timeoutMs })
  const run = openHeaderRun()
  const tip = (): Tip => run.tip() ?? neverEmpty(url)
  const announcements = openAnnouncements(tip, onTrouble)
  await firstSync(client, run, patienceMs, pollMs)

  /** One at a time: two would tear the run apart. */
  const sync = freshLook(async () => {
    const fork = await syncAll(client, run)
    if (fork !== undefined) announcements.announce(fork)
  })
  const closed = new AbortController()
  async function poll() {
    while (!closed.signal.aborted) {
      await pause(pollMs, closed.signal)
      if (!closed.signal.aborted) await sync().catch(onTrouble)
    }
  }
  const polling = poll()

  return {
    network: 'local',
    tip: async () => tip(),
    async rootAt(height) {
      // The owner may have mined it since the last look, and somebody else may have named it to whoever asks here.
      if (height > tip().height) await sync()
      return run.rootAt(height)
    },
    broadcast: transactions => broadcast(client, transactions),
    async statusOf(txids) {
      const statuses = await askStatuses(client, txids)
      const fits = ({ height, root }: Bump) => run.rootAt(height) === root
      const odd = () =>
        [...statuses].find(([, status]) => status.kind === 'mined' && !fits(status.proof))?.[0]
      // The owner may know a block more than we do.
      if (odd() !== undefined) await sync()
      const stillOdd = odd()
      if (stillOdd !== undefined)
        throw new Error(`${url} proves ${stillOdd} by a block that is not in its headers; ask again`)
      return statuses
    },
    follow: (onChange, since) => announcements.follow(onChange, since && behind(run, since)),
    async close() {
      closed.abort()
      await polling
    },
  }
}

async function firstSync(client: ChainClient, run: HeaderRun, patienceMs: number, pollMs: number) {
  const patience = AbortSignal.timeout(patienceMs)
  for (;;) {
    try {
      await syncAll(client, run)
      return
    } catch (error) {
      if (patience.aborted) throw error
      await pause(pollMs, patience)
    }
  }
}

/** Page after page, as far as the owner goes. */
async function syncAll(client: ChainClient, run: HeaderRun): Promise<number | undefined> {
  const there = await client.getJson('/tip', tipAnswer)
  let lowest: number | undefined
  while (run.tip()?.hash !== there.hash) {
    const fork = await syncHeaders(run, (from, count) =>
      client.getBytes(`/headers?from=${from}&count=${count}`, HEADERS_PER_SYNC_MAX * HEADER_BYTES),
    )
    if (fork === undefined) break
    lowest = Math.min(lowest ?? fork, fork)
  }
  return lowest
}

async function broadcast(
  client: ChainClient,
  transactions: readonly Transaction[],
): Promise<BroadcastAnswer> {
  if (transactions.length > BROADCAST_TRANSACTIONS_MAX)
    throw new Error(
      `${transactions.length} transactions in one broadcast; send at most ${BROADCAST_TRANSACTIONS_MAX}, parents first`,
    )
  const body = concatAll(transactions.map(({ raw }) => raw))
  const answer = await client.post(
    '/transactions',
    { type: 'application/octet-stream', body: Uint8Array.from(body) },
    { 200: broadcastAnswer, 409: rejectionAnswer, 422: rejectionAnswer },
  )
  if (answer.status === 'success') return { kind: 'accepted' }
  return {
    kind: 'rejected',
    reason: reasons[answer.code],
    detail: answer.message,
    competing: answer.competing,
  }
}

const reasons = {
  ERR_CHAIN_DOUBLE_SPEND: 'double-spend',
  ERR_CHAIN_INVALID_TRANSACTION: 'invalid',
  ERR_CHAIN_ORPHAN: 'orphan',
  ERR_CHAIN_NOT_FINAL: 'not-final',
} as const

async function askStatuses(
  client: ChainClient,
  txids: readonly string[],
): Promise<Map<string, TransactionStatus>> {
  const statuses = new Map<string, TransactionStatus>()
  for (let at = 0; at < txids.length; at += STATUSES_PER_QUESTION) {
    const asked = txids.slice(at, at + STATUSES_PER_QUESTION)
    const body = JSON.stringify({ txids: asked })
    const { transactions } = await client.post(
      '/status',
      { type: 'application/json', body },
      { 200: statusAnswer },
    )
    for (const txid of asked) {
      const answer = transactions[txid]
      if (answer?.status === 'seen') statuses.set(txid, { kind: 'seen' })
      if (answer?.status === 'mined')
        statuses.set(txid, { kind: 'mined', proof: proofFor(txid, answer.proof) })
    }
  }
  return statuses
}

function proofFor(txid: string, hex: string): Bump {
  const proof = orThrow(readBump(knownHex(hex)))
  if (!proof.leaves.has(txid)) throw new Error(`the owner's proof for ${txid} is for other transactions`)
  return proof
}

/** A branch that was left behind is not among our headers, so nothing is known of where it left. */
async function behind(run: HeaderRun, since: Tip): Promise<number | undefined> {
  if (run.tip()?.hash === since.hash) return undefined
  return run.hashAt(since.height) === since.hash ? since.height : -1
}

function neverEmpty(url: string): never {
  throw new Error(`${url} was followed without a first block`)
}
