import type { Engine } from '@bsv/overlay'
import type { Pool } from 'pg'
import type { Bump } from '../../contract/bump.ts'
import type { Outcome } from '../../core/fault.ts'
import { takeTurns } from '../../runtime/take-turns.ts'
import { VerifiedMemory } from '../bsv/verified-memory.ts'
import { verifyBeef } from '../bsv/verify-beef.ts'
import type { Chain } from '../chain/chain.ts'
import { type AdvertisedHosts, broadcastHistory, deliverTo, type PeerPost } from './deliver.ts'
import { keepDoubleSpend, keepReplaced } from './double-spends.ts'
import { hostEngine } from './engine-host.ts'
import { evict } from './evict.ts'
import { followChain } from './follow-chain.ts'
import { NewcomerGuess } from './guess-new.ts'
import { type Heard, hearOf, type Report } from './hear-of.ts'
import type { Hosted } from './hosted.ts'
import { type Found, lookup } from './lookup.ts'
import { type Delivery, type Outbox, startOutbox } from './outbox.ts'
import type { OverlayEvents } from './overlay-events.ts'
import { takeProof } from './proofs.ts'
import { readAncestry } from './read-ancestry.ts'
import { readKnown } from './read-known.ts'
import { readOffChainValues } from './read-off-chain-values.ts'
import { readRaw, readUnspent, type UnspentOutput } from './read-unspent.ts'
import type { Steak, Submission } from './submission.ts'
import { type SubmitDeps, submit } from './submit.ts'
import { baseOfAdvertised, NETWORK, type Targets } from './targets.ts'

export type OverlayDeps = {
  /** Of openDatabase, which reads big integers as numbers and listens for lost connections. */
  readonly pool: Pool
  readonly chain: Chain
  readonly hosted: Hosted
  now(): number
  /** Other hosts, by base URL, that are told of everything new that is distributed. */
  readonly peers: readonly string[]
  /** Whether other hosts are told of this topic. Every one where nothing is said. */
  isDistributed?(topic: string): boolean
  readonly post: PeerPost
  /** Others still, that are told of what they advertise. */
  readonly advertised?: AdvertisedHosts
  readonly events: OverlayEvents
}

/** An overlay node without its doors: what HTTP and tests call. */
export type Overlay = {
  readonly hosted: Hosted
  readonly engine: Engine
  submit(submission: Submission): Promise<Outcome<Steak>>
  lookup(service: string, query: unknown): Promise<Outcome<Found>>
  takeProof(txid: string, proof: Bump): ReturnType<typeof takeProof>
  /** What a transaction processor has to say of a transaction. */
  hearOf(txid: string, report: Report): Promise<Outcome<Heard>>
  evict(txid: string, reason: string): Promise<readonly string[]>
  /** Asks the network, and evicts what it refuses: this one, if it is here, or what it descends from. */
  letGo(txid: string): Promise<void>
  unspentSince(topic: string, sinceMs: number, limit: number): Promise<readonly UnspentOutput[]>
  raw(txid: string): ReturnType<typeof readRaw>
  /** Transactions in memory whose scripts are not run again. */
  verifiedCount(): number
  /** Follows the chain and tells others, until stopped. */
  start(): Promise<void>
  stop(): Promise<void>
}

export function openOverlay({
  pool,
  chain,
  hosted,
  now,
  peers,
  isDistributed = () => true,
  post,
  advertised = nobody(post),
  events,
}: OverlayDeps): Overlay {
  const { engine, hear } = hostEngine(hosted)
  const verified = new VerifiedMemory()
  const stops: (() => Promise<void>)[] = []
  // Until it is started nobody is told.
  let outbox: Outbox | undefined
  const topics = Object.keys(hosted.managers)
  const targets: Targets = {
    of(topic) {
      if (!isDistributed(topic)) return []
      return [...peers, ...advertised.targetsOf(topic)].filter(target => outbox?.isFull(target) !== true)
    },
  }

  const evictOne = async (txid: string, reason: string) => {
    const gone = await evict(txid, reason, { pool, services: hosted.services, topics, targets, now })
    if (gone.length > 0) events.onEvicted(gone, reason)
    return gone
  }
  const keepOurs = (ours: string, theirs: string) => keepReplaced(ours, theirs, { db: pool, nowMs: now() })
  const giveWay = async (ours: string, mined: string) => {
    await keepOurs(ours, mined)
    await evictOne(ours, `the network has mined ${mined}, which spends the same output`)
  }
  const submitDeps: SubmitDeps = {
    pool,
    guess: new NewcomerGuess(),
    managers: hosted.managers,
    hear,
    now,
    targets,
    wakeOutbox: whom => outbox?.wake(whom),
    takePlace: () => outbox?.takePlace(),
    onAdmitted: admitted => events.onAdmitted?.(admitted),
    takeTurn: takeTurns(),
    verify: (beef, rest) => verifyBeef(beef, { rootAt: height => chain.rootAt(height), verified, rest }),
    async recall(txids) {
      const { byTxid } = await readAncestry(pool, txids)
      const transactions = [...byTxid.values()]
      return {
        transactions,
        known: await readKnown(pool, { beef: { transactions }, topics }),
        offChainValues: await readOffChainValues(pool, txids),
      }
    },
    takeProof: (txid, proof) => takeProof(txid, proof, { db: pool, chain }),
    async keepDoubleSpend(doubleSpend, submission) {
      const kept = await keepDoubleSpend(doubleSpend, submission, { db: pool, nowMs: now() })
      events.onDoubleSpend(doubleSpend, kept)
    },
    giveWay,
  }
  const telling = { chain, evict: evictOne, keepReplaced: keepOurs }
  const deliver = (delivery: Delivery, stop: AbortSignal) =>
    deliverTo(delivery, { ...telling, db: pool, post, advertised, isDistributed, stop, now })
  const submitNow = (submission: Submission) => submit(submission, submitDeps)

  return {
    hosted,
    engine,
    submit: submitNow,
    lookup: (service, query) => lookup(service, query, { services: hosted.services, db: pool }),
    takeProof: (txid, proof) => takeProof(txid, proof, { db: pool, chain }),
    hearOf: (txid, report) =>
      hearOf(txid, report, { db: pool, chain, now, wakeOutbox: () => outbox?.wake() }),
    evict: evictOne,
    async letGo(txid) {
      if ((await readRaw(pool, txid)) === undefined) return
      await deliver({ txid, target: NETWORK, topics: [], attempts: 0 }, new AbortController().signal)
    },
    unspentSince: (topic, sinceMs, limit) => readUnspent(pool, topic, sinceMs, limit),
    raw: txid => readRaw(pool, txid),
    verifiedCount: () => verified.size,
    async start() {
      outbox = startOutbox({
        ...{ db: pool, now, deliver },
        broadcast: history => broadcastHistory(history, telling),
        isWanted: target => baseOfAdvertised(target) === undefined || advertised.topicsOf(target)?.size !== 0,
        onNetworkHas: spent => events.onNetworkHas?.(spent),
        onFailure: events.onUndelivered,
        onFull: (target, full) => events.onHostFull?.(target, full),
      })
      stops.push(outbox.stop)
      const following = await followChain({
        db: pool,
        chain,
        events,
        giveWay,
        now,
        onReorganisation: () => verified.clear(),
        submit: submitNow,
      })
      stops.unshift(following)
    },
    async stop() {
      for (const stop of stops.splice(0)) await stop()
    },
  }
}

function nobody(post: PeerPost): AdvertisedHosts {
  return { targetsOf: () => [], topicsOf: () => undefined, post }
}
