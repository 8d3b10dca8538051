import { type BeefTransaction, writeBeef } from '../../contract/beef.ts'
import { baseTopics } from '../../contract/names.ts'
import { broadcastSlices } from '../chain/broadcast-slices.ts'
import type { Chain } from '../chain/chain.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type Delivery, Unsendable } from './outbox.ts'
import { readAncestry } from './read-ancestry.ts'
import { readHistories } from './read-histories.ts'
import { baseOfAdvertised, NETWORK } from './targets.ts'

/**
 * Hands a BEEF to another overlay host. Resolves once it has taken it, with those of the topics for which its STEAK admits
 * something; throws otherwise, a PeerRefusal where it has answered something else.
 */
export type PeerPost = (
  host: string,
  beef: Uint8Array,
  topics: readonly string[],
  offChainValues: Uint8Array | undefined,
  stop: AbortSignal,
) => Promise<readonly string[]>

/** Hosts that say of themselves which topics they have. */
export type AdvertisedHosts = {
  /** Targets, from memory. */
  targetsOf(topic: string): readonly string[]
  /** What the target advertises now; undefined while that is not known. */
  topicsOf(target: string): ReadonlySet<string> | undefined
  /** For addresses that nobody here has vouched for. */
  readonly post: PeerPost
}

export type BroadcastDeps = {
  readonly chain: Pick<Chain, 'broadcast'>
  evict(txid: string, reason: string): Promise<unknown>
  /** For the day that the network comes back to ours. */
  keepReplaced(ours: string, theirs: string): Promise<void>
}

export type DeliverDeps = BroadcastDeps & {
  readonly db: Queryable
  readonly post: PeerPost
  readonly advertised: Pick<AdvertisedHosts, 'topicsOf' | 'post'>
  isDistributed(topic: string): boolean
  readonly stop: AbortSignal
  now(): number
}

/** Tells one target of one transaction; resolves with whose outputs it spends if it was the network, which has it now. Throws where it has to be told again. */
export async function deliverTo(delivery: Delivery, deps: DeliverDeps): Promise<readonly string[]> {
  const { target, txid } = delivery
  if (target === NETWORK) {
    const history = found(txid, (await readAncestry(deps.db, [txid])).historyOf(txid))
    return broadcastHistory(history, deps)
  }
  const parcel = await packFor(delivery, deps).catch(cause => {
    throw new Unsendable(`${txid} could not be put together for ${target}: ${messageOf(cause)}`, { cause })
  })
  // It has withdrawn the topics since, or they are no longer distributed.
  if (parcel === undefined) return []
  const base = baseOfAdvertised(target)
  const post = base === undefined ? deps.post : deps.advertised.post
  const host = base ?? target
  const admitted = await post(host, parcel.beef, parcel.topics, parcel.values, deps.stop)
  // Who else has a certificate is what readers are told; of all else nobody asks.
  if (admitted.includes(baseTopics.certified)) await noteHost(txid, host, deps)
  return []
}

/** Each address once, however often it is told. */
async function noteHost(txid: string, host: string, { db, now }: DeliverDeps): Promise<void> {
  await db.query({
    name: 'note-certificate-host',
    // Evicted meanwhile: then nobody is told of it any more.
    text: `insert into certificate_hosts (txid, host, heard_ms)
      select txid, $2, $3 from transactions where txid = decode($1, 'hex') on conflict do nothing`,
    values: [txid, host, now()],
  })
}

/** Tells the network of the last of these, which are all that it descends from, parents first: otherwise as deliverTo. */
export async function broadcastHistory(
  history: readonly BeefTransaction[],
  deps: BroadcastDeps,
): Promise<readonly string[]> {
  // None of them where it was mined since: told by a process that died before it could say so, or as another one's ancestor.
  const unproven = history.filter(({ proof }) => proof === undefined)
  for (const slice of broadcastSlices(unproven)) {
    const answer = await deps.chain.broadcast(slice)
    if (answer.kind === 'rejected' && (await evictRefused(slice, deps))) return []
  }
  return history.at(-1)?.inputs.map(({ txid }) => txid) ?? []
}

async function packFor({ txid, target, topics }: Delivery, { db, advertised, isDistributed }: DeliverDeps) {
  const hosted = baseOfAdvertised(target) === undefined ? undefined : advertised.topicsOf(target)
  const told = topics.filter(topic => isDistributed(topic) && (hosted === undefined || hosted.has(topic)))
  if (told.length === 0) return undefined
  const history = found(txid, (await readHistories(db, [txid])).historyOf(txid))
  return { beef: writeBeef(history), topics: told, values: await readValues(txid, told, db) }
}

/** Evicted since, or between two blocks: the one is done with, the other is told again. */
function found(txid: string, history: readonly BeefTransaction[] | undefined): readonly BeefTransaction[] {
  if (history === undefined) throw new Error(`${txid} cannot be sent: it or one of its parents is not here`)
  return history
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The first that the network refuses takes all that descend from it along; false: one by one it takes all of them. */
async function evictRefused(history: readonly BeefTransaction[], deps: BroadcastDeps): Promise<boolean> {
  for (const transaction of history) {
    const answer = await deps.chain.broadcast([transaction])
    if (answer.kind === 'accepted') continue
    // No verdict: a block may be on its way back into the mempool, or the time has not come.
    if (answer.reason === 'orphan' || answer.reason === 'not-final') throw new Error(answer.detail)
    const [rival] = answer.competing
    if (answer.reason === 'double-spend' && rival !== undefined)
      await deps.keepReplaced(transaction.txid, rival)
    await deps.evict(transaction.txid, `the network refused it: ${answer.detail}`)
    return true
  }
  return false
}

async function readValues(
  txid: string,
  topics: readonly string[],
  db: Queryable,
): Promise<Uint8Array | undefined> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    text: `select bytes from off_chain_values where txid = decode($1, 'hex') and topic = any ($2) limit 1`,
    values: [txid, topics],
  })
  return rows[0]?.bytes
}
