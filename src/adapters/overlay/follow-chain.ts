import { readBeef } from '../../contract/beef.ts'
import { orThrow } from '../../core/fault.ts'
import type { Chain, ChainChange } from '../chain/chain.ts'
import { findMinedDoubleSpends, forgetDoubleSpend } from './double-spends.ts'
import type { OverlayEvents } from './overlay-events.ts'
import { dropDeadProofs, findProofs } from './proofs.ts'
import { byteas, type Queryable } from './sql.ts'
import type { Submission } from './submission.ts'

export type FollowDeps = {
  readonly db: Queryable
  readonly chain: Chain
  readonly events: Pick<OverlayEvents, 'onReorganisation' | 'onProven' | 'onFollowFailure'>
  evict(txid: string, reason: string): Promise<unknown>
  submit(submission: Submission): Promise<unknown>
  onReorganisation(): void
}

/** No reorganisation is expected to go deeper. What was missed while no node ran is looked for so far back. */
const REORGANISATION_DEPTH_MAX = 1000

/**
 * Keeps what is stored in step with the chain: proofs that a reorganisation took are taken back, new ones are
 * fetched, and where the network has mined another transaction than ours, ours goes. Resolves, when first in step,
 * with what stops it.
 */
export async function followChain(deps: FollowDeps): Promise<() => Promise<void>> {
  const { chain, events } = deps
  const tip = await chain.tip()
  // The lowest block that may have changed since everything was in step; stays until all of it has been worked in.
  let inStepTo = Math.max(-1, tip.height - REORGANISATION_DEPTH_MAX)
  let height = tip.height
  const workIn = async (change: ChainChange) => {
    if (change.forkHeight < height) deps.onReorganisation()
    inStepTo = Math.min(inStepTo, change.forkHeight)
    height = change.tip.height
    try {
      await catchUp(inStepTo, deps)
      inStepTo = height
    } catch (error) {
      events.onFollowFailure(error)
    }
  }
  const stop = chain.follow(workIn)
  await workIn({ forkHeight: inStepTo, tip })
  return stop
}

async function catchUp(inStepTo: number, deps: FollowDeps): Promise<void> {
  const { events } = deps
  const dropped = await dropDeadProofs(inStepTo, deps)
  if (dropped > 0) events.onReorganisation(inStepTo, dropped)
  await yieldToTheNetwork(deps)
  const found = await findProofs(deps)
  if (found > 0) events.onProven(found)
}

/** Where the network has mined a double spend that was refused here, it takes the place of ours. */
async function yieldToTheNetwork(deps: FollowDeps): Promise<void> {
  const { db } = deps
  for (const { txid, proof, beef: bytes, topics } of await findMinedDoubleSpends(deps)) {
    const beef = orThrow(readBeef(bytes))
    for (const ours of await spendersInstead(txid, beef.subject.inputs, db))
      await deps.evict(ours, `the network has mined ${txid}, which spends the same output`)
    const proven = { ...beef.subject, proof }
    await deps.submit({
      beef: { subject: proven, transactions: [proven], byTxid: new Map([[txid, proven]]) },
      topics,
    })
    await forgetDoubleSpend(txid, db)
  }
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
