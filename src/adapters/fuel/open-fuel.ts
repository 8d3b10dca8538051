import type { Pool } from 'pg'
import { publicKeyOf } from '#curve'
import { p2pkhLock } from '../../contract/script.ts'
import type { Issuer } from '../../contract/tokens.ts'
import type { Transaction } from '../../contract/transaction.ts'
import type { Outcome } from '../../core/fault.ts'
import { repeat } from '../../runtime/repeat.ts'
import type { Chain, ChainChange } from '../chain/chain.ts'
import { openRecentTransactions } from '../chain/recent-transactions.ts'
import { wholeChange } from '../chain/whole-change.ts'
import { afterCommit } from '../postgres/sql.ts'
import type { Fuel } from './fuel.ts'
import type { FuelEvents } from './fuel-events.ts'
import type { FuelSettings } from './fuel-settings.ts'
import { type Funded, fundFromBeef, takeIn } from './fund.ts'
import { type Holdings, readHoldings, readLevel } from './level.ts'
import { askForUnproven, catchUpWith } from './proofs.ts'
import { readHistory } from './read-history.ts'
import { type Refilled, refill } from './refill.ts'
import { type SendDeps, send } from './send.ts'
import { type SenderDeps, sendDue, startSender } from './sender.ts'
import { writeTransaction, writeWithin } from './write.ts'
import { findWritten, readDead } from './written.ts'

export type FuelDeps = {
  /** Of openDatabase. */
  readonly pool: Pool
  readonly chain: Chain
  /** Owns every coin. */
  readonly key: Issuer
  /** Undefined: what is for topics is left to other processes. */
  readonly overlay: SendDeps['overlay']
  /** Play money to the fuel key, where the network has any: so many satoshis in one output. */
  readonly faucet?: (satoshis: number, lock: Uint8Array) => Promise<Transaction>
  readonly settings: FuelSettings
  now(): number
  readonly events: FuelEvents
  /** Between two looks at the level. */
  readonly tickMs?: number
}

export type OpenFuel = Fuel & {
  /** Sends, follows the chain, and refills, until stopped. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Something was committed that is to be sent; without it, it is noticed within half a second. */
  wake(): void
  fund(beef: Uint8Array): Promise<Outcome<Funded>>
  /** Makes this many parents' worth of coins, whatever the level. Undefined: another process is refilling. */
  split(parents: number): Promise<Refilled | undefined>
  /** Sends what is due, once, and asks about what no block holds: for a program that does not stay. */
  catchUp(): Promise<void>
  holdings(): Promise<Holdings>
  /** Locks what pays for fuel. */
  readonly lock: Uint8Array
}

/** Coins that were kept for a subject so long ago are for everybody again. */
const CLAIM_MS = 60 * 60_000
const TICK_MS = 1000

export function openFuel(deps: FuelDeps): OpenFuel {
  const { pool, chain, key, overlay, faucet, settings, now, events, tickMs = TICK_MS } = deps
  const lock = p2pkhLock(publicKeyOf(key.privateKey))
  const owner = key.identityKey
  const writing = { pool, key, lock, settings, now }
  const proving = { db: pool, chain, now }
  const recent = openRecentTransactions()
  const sending: SenderDeps = {
    db: pool,
    now,
    hasOverlay: overlay !== undefined,
    send: unsent => send(unsent, { pool, chain, overlay, recent, ...events }),
    onUnsent: events.onUnsent,
  }
  const stops: (() => Promise<void>)[] = []
  let wake = (_soon?: 'soon') => {}
  let lookAgain = () => {}
  // A block may have held what came in before it was written down, and be the last for a long time.
  let isUnasked = false

  async function workIn(change: ChainChange): Promise<void> {
    const dropped = await catchUpWith(change, proving)
    if (dropped > 0) events.onReorganisation(dropped)
    wake()
    lookAgain()
  }
  async function refillAll(parents = 0): Promise<Refilled | undefined> {
    const done = await refill(writing, parents)
    if (done === undefined) return undefined
    if (done.transactions > 0) {
      events.onRefill(done.transactions)
      wake()
    }
    if (done.missingSatoshis > 0 && faucet !== undefined) {
      const { mined } = await takeIn(await faucet(done.missingSatoshis, lock), { pool, owner, lock, now })
      isUnasked ||= !mined
    }
    return done
  }
  async function tick(): Promise<void> {
    await pool.query({ name: 'fuel-release', text: releaseClaims, values: [now() - CLAIM_MS] })
    if (isUnasked) {
      isUnasked = false
      await askForUnproven(proving).catch(error => {
        isUnasked = true
        throw error
      })
    }
    if (settings.horizonSeconds === 0) return
    // A large refill is stored in several pieces.
    for (let done = await refillAll(); (done?.transactions ?? 0) > 0; ) done = await refillAll()
  }

  return {
    lock,
    async write(purpose, plan, db) {
      if (db === undefined) {
        const written = await writeTransaction(purpose, plan, writing)
        wake()
        return written
      }
      const written = await writeWithin(db, purpose, plan, writing)
      if (written.ok && !afterCommit(db, wake)) wake('soon')
      return written
    },
    find: (txid, db = pool) => findWritten(db, txid),
    history: txid => readHistory(pool, txid, recent),
    dead: (txids, db = pool) => readDead(db, txids),
    level: () => readLevel(pool, { owner, settings, now }),
    holdings: () => readHoldings(pool, owner),
    wake: () => wake(),
    async fund(beef) {
      const funded = await fundFromBeef(beef, { pool, chain, owner, lock, now })
      isUnasked ||= funded.ok && !funded.value.mined
      lookAgain()
      return funded
    },
    split: parents => refillAll(parents),
    async catchUp() {
      while ((await sendDue(sending)) > 0);
      await workIn(wholeChange(await chain.tip()))
    },
    async start() {
      const sender = startSender(sending)
      wake = sender.wake
      const stopFollowing = chain.follow(workIn)
      // The chain is followed from now on; what happened before is worked in here, and by the next change otherwise.
      await workIn(wholeChange(await chain.tip())).catch(events.onTrouble)
      const keeping = repeat(tick, { everyMs: tickMs, onFailure: events.onTrouble })
      lookAgain = keeping.wake
      stops.push(async () => {
        await Promise.all([stopFollowing(), keeping.stop()])
        await sender.stop()
      })
    },
    async stop() {
      for (const stop of stops.splice(0)) await stop()
    },
  }
}

const releaseClaims = `update fuel_coins set claimed_for = null, claimed_ms = null
  where spent_by is null and claimed_for is not null and claimed_ms < $1`
