import type { Pool } from 'pg'
import type { BeefTransaction } from '../../contract/beef.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { type FaultCode, FaultError, type Outcome, orThrow } from '../../core/fault.ts'
import { broadcastSlices } from '../chain/broadcast-slices.ts'
import type { BroadcastAnswer, Chain } from '../chain/chain.ts'
import type { RecentTransactions } from '../chain/recent-transactions.ts'
import type { Steak, Submission } from '../overlay/submission.ts'
import { NETWORK } from '../overlay/targets.ts'
import { bytea } from '../postgres/sql.ts'
import { bury, type Death } from './bury.ts'
import { readHistory } from './read-history.ts'

export type SendDeps = {
  readonly pool: Pool
  readonly chain: Pick<Chain, 'broadcast'>
  /** What was sent lately is what is sent next descends from. */
  readonly recent: RecentTransactions
  readonly overlay:
    | {
        submit(submission: Submission): Promise<Outcome<Steak>>
        /** Of what the network refuses: with all that descends from it. */
        letGo(txid: string): Promise<void>
      }
    | undefined
  onDead(txid: string, reason: string): void
  onSeen?(txid: string): void
}

export type Unsent = {
  readonly txid: string
  readonly topics: readonly string[]
  readonly offChainValues: Uint8Array | undefined
  /** Coins came with it; where its own come from, nobody here knows. */
  readonly fromOutside: boolean
}

/**
 * Sends what is stored, byte by byte as it is stored: to our own overlay, and to the network. Resolves once the
 * network has it, or will not have it; throws where there is no word yet.
 */
export async function send(unsent: Unsent, deps: SendDeps): Promise<void> {
  const { txid } = unsent
  if (unsent.fromOutside) return sendAlone(txid, deps)
  const history = await readHistory(deps.pool, txid, deps.recent)
  if (history === undefined)
    throw new Error(`${txid} cannot be sent: what it descends from has no block proof at the moment`)
  const { beef, unproven, ours, deadAncestor, isEvicted } = history
  if (deadAncestor !== undefined)
    return die(txid, { reason: `it descends from ${deadAncestor}, which is dead`, rivals: [] }, deps)
  const before = isEvicted ? undefined : await submit({ ...unsent, beef }, deps)
  if (before !== undefined) return die(txid, before, deps)

  for (const slice of broadcastSlices(unproven)) {
    const answer = await deps.chain.broadcast(slice)
    if (answer.kind === 'rejected') return judgeRefusal(txid, unproven, ours, deps)
  }
  const after = isEvicted ? await submit({ ...unsent, beef }, deps) : undefined
  if (after !== undefined) return die(txid, after, deps)
  await markSeen(txid, deps)
}

async function sendAlone(txid: string, deps: SendDeps): Promise<void> {
  const { rows } = await deps.pool.query<{ raw: Buffer }>({
    text: 'select raw from fuel_transactions where txid = $1',
    values: [bytea(txid)],
  })
  const transactions = rows.map(({ raw }) => orThrow(readTransaction(raw)))
  await judgeRefusal(txid, transactions, new Set([txid]), deps)
}

/** What our own overlay has against it, for good. */
async function submit(
  { txid, topics, offChainValues, beef }: Unsent & Pick<Submission, 'beef'>,
  { overlay }: SendDeps,
): Promise<Death | undefined> {
  if (topics.length === 0) return undefined
  if (overlay === undefined) throw new Error(`${txid} is for topics, and this process has no overlay`)
  const verdict = await overlay.submit({
    beef,
    topics,
    isBroadcast: true,
    ...(offChainValues && { offChainValues }),
  })
  if (!verdict.ok) {
    const { code, detail } = verdict.fault
    // What a moment ago was a block, or a topic that this process does not host, says nothing about it.
    if (!finalCodes.has(code)) throw new FaultError(verdict.fault)
    return { reason: `our overlay refused it: ${detail}`, rivals: code === 'double-spend' ? 'unknown' : [] }
  }
  const saysNothing = Object.values(verdict.value).every(
    ({ outputsToAdmit, coinsRemoved, coinsToRetain }) =>
      outputsToAdmit.length + coinsRemoved.length + coinsToRetain.length === 0,
  )
  return saysNothing
    ? {
        reason: `none of ${topics.join(', ')} took anything of it; this node's own rules refuse it`,
        rivals: [],
      }
    : undefined
}

const finalCodes: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'script-invalid',
  'double-spend',
  'not-admitted',
  'token-invalid',
])

/** The first of them that the network refuses takes all that descend from it along, ours at the end included. */
async function judgeRefusal(
  txid: string,
  unproven: readonly BeefTransaction[],
  ours: ReadonlySet<string>,
  deps: SendDeps,
): Promise<void> {
  for (const transaction of unproven) {
    const answer = await deps.chain.broadcast([transaction])
    if (answer.kind === 'accepted') continue
    // No verdict: a block may be on its way back into the mempool, or the time has not come.
    if (answer.reason === 'orphan' || answer.reason === 'not-final') throw new Error(answer.detail)
    const reason = `the network refused it: ${answer.detail}`
    // First: what is built in its place spends the same, which the overlay would refuse.
    await deps.overlay?.letGo(txid)
    if (ours.has(transaction.txid)) await die(transaction.txid, { reason, rivals: rivalsIn(answer) }, deps)
    // Nobody competes with what descends from it, so the coins of that are free.
    if (transaction.txid !== txid)
      await die(txid, { reason: `it descends from ${transaction.txid}: ${reason}`, rivals: [] }, deps)
    return
  }
  await markSeen(txid, deps)
}

function rivalsIn({ reason, competing }: Extract<BroadcastAnswer, { kind: 'rejected' }>): Death['rivals'] {
  return reason === 'double-spend' && competing.length === 0 ? 'unknown' : competing
}

async function die(txid: string, death: Death, deps: SendDeps): Promise<void> {
  if (await bury(txid, death, deps)) deps.onDead(txid, death.reason)
}

async function markSeen(txid: string, { pool, onSeen }: SendDeps): Promise<void> {
  await pool.query({
    name: 'fuel-seen',
    // The outbox of the overlay, which was left time for this, needs not tell the network any more.
    text: `with told as (delete from outbox where txid = $1 and target = $2)
      update fuel_transactions set state = 'seen', last_error = null where txid = $1 and state = 'stored'`,
    values: [bytea(txid), NETWORK],
  })
  onSeen?.(txid)
}
