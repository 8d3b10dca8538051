import { readBeef } from '../../contract/beef.ts'
import { FaultError, type Outcome, orThrow } from '../../core/fault.ts'
import { pause } from '../../runtime/pause.ts'
import type { Chain, ChainChange } from '../chain/chain.ts'
import { REORGANISATION_DEPTH_MAX, wholeChange } from '../chain/whole-change.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import {
  findMinedDoubleSpends,
  forgetDoubleSpend,
  forgetSettledDoubleSpends,
  type MinedDoubleSpend,
} from './double-spends.ts'
import type { OverlayEvents } from './overlay-events.ts'
import { dropDeadProofs, findProofs } from './proofs.ts'
import type { Submission } from './submission.ts'
import { tellAgain } from './tell-again.ts'

export type FollowDeps = {
  readonly db: Queryable
  readonly chain: Chain
  readonly events: Pick<OverlayEvents, 'onReorganisation' | 'onProven' | 'onFollowFailure'>
  /** Ours goes, and is kept in case the network comes back to it. */
  giveWay(ours: string, mined: string): Promise<void>
  now(): number
  submit(submission: Submission): Promise<Outcome<unknown>>
  onReorganisation(): void
}

/** How long after a failure it is tried again, whether or not another block has come; twice as long each time. */
const AGAIN_MS = 500
const AGAIN_MS_MAX = 30_000

/**
 * Keeps what is stored in step with the chain: proofs that a reorganisation took are taken back, new ones are
 * fetched, and where the network has mined another transaction than ours, ours goes. Resolves after the first
 * try, with what stops it.
 */
export async function followChain(deps: FollowDeps): Promise<() => Promise<void>> {
  const { chain, events } = deps
  const tip = await chain.tip()
  let height = tip.height
  const stopped = new AbortController()
  let haveTried = () => {}
  const tried = new Promise<void>(resolve => {
    haveTried = resolve
  })
  const workIn = async (change: ChainChange) => {
    if (change.forkHeight < height) deps.onReorganisation()
    height = change.tip.height
    // The last block for a long time must not leave its transactions without their proofs.
    for (let againMs = AGAIN_MS; !stopped.signal.aborted; againMs = Math.min(2 * againMs, AGAIN_MS_MAX)) {
      try {
        await catchUp(change, deps)
        return
      } catch (error) {
        events.onFollowFailure(error)
      } finally {
        haveTried()
      }
      await pause(againMs, stopped.signal)
    }
  }
  const stop = chain.follow(workIn)
  const first = workIn(wholeChange(tip))
  await tried
  return async () => {
    stopped.abort()
    await first
    await stop()
  }
}

/** A proof that was checked just before a reorganisation may be written just after it: it is found so soon after. */
const RECHECKED_BLOCKS = 100

async function catchUp({ forkHeight, tip }: ChainChange, deps: FollowDeps): Promise<void> {
  const { events } = deps
  const dropped = await dropDeadProofs(Math.min(forkHeight, tip.height - RECHECKED_BLOCKS), deps)
  if (dropped > 0) events.onReorganisation(forkHeight, dropped)
  await yieldToTheNetwork(deps)
  const found = await findProofs(deps)
  if (found > 0) events.onProven(found)
  // What fell out of a block and is not in the mempool has a rival there, or was forgotten: the network is asked.
  if (dropped > 0) await tellAgain(deps)
  await forgetSettledDoubleSpends(tip.height - REORGANISATION_DEPTH_MAX, deps.db)
}

/**
 * Where the network has mined a double spend that was refused here, it takes the place of ours. One that cannot be
 * taken in is reported, and keeps nothing else from being brought into step.
 */
async function yieldToTheNetwork(deps: FollowDeps): Promise<void> {
  for (const mined of await findMinedDoubleSpends(deps))
    try {
      const verdict = await takeMined(mined, deps)
      await forgetDoubleSpend(mined.txid, deps.db)
      if (!verdict.ok) deps.events.onFollowFailure(new FaultError(verdict.fault))
    } catch (error) {
      deps.events.onFollowFailure(error)
    }
}

async function takeMined(
  { txid, proof, beef: bytes, topics }: MinedDoubleSpend,
  deps: FollowDeps,
): Promise<Outcome<unknown>> {
  const { subject } = orThrow(readBeef(bytes))
  for (const ours of await spendersInstead(txid, subject.inputs, deps.db)) await deps.giveWay(ours, txid)
  const proven = { ...subject, proof }
  const beef = { subject: proven, transactions: [proven], byTxid: new Map([[txid, proven]]) }
  return deps.submit({ beef, topics })
}

async function spendersInstead(
  txid: string,
  inputs: readonly { txid: string; vout: number }[],
  db: Queryable,
): Promise<string[]> {
  const { rows } = await db.query<{ spender: string }>({
    text: `select distinct encode(spender, 'hex') as spender
      from unnest($1::bytea[], $2::bigint[]) as input (txid, vout) join coins using (txid, vout)
      where spender <> decode($3, 'hex')`,
    values: [byteas(inputs.map(input => input.txid)), inputs.map(({ vout }) => vout), txid],
  })
  return rows.map(({ spender }) => spender)
}
