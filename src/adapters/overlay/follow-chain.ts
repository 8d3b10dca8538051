import { readBeef } from '../../contract/beef.ts'
import { orThrow } from '../../core/fault.ts'
import { pause } from '../../runtime/pause.ts'
import type { Chain, ChainChange } from '../chain/chain.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import { findMinedDoubleSpends, forgetDoubleSpend } from './double-spends.ts'
import type { OverlayEvents } from './overlay-events.ts'
import { dropDeadProofs, findProofs } from './proofs.ts'
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

/** How long after a failure it is tried again, whether or not another block has come. */
const AGAIN_MS = 500

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
    while (!stopped.signal.aborted) {
      try {
        await catchUp(change.forkHeight, deps)
        return
      } catch (error) {
        events.onFollowFailure(error)
      } finally {
        haveTried()
      }
      await pause(AGAIN_MS, stopped.signal)
    }
  }
  const stop = chain.follow(workIn)
  const first = workIn({ forkHeight: Math.max(-1, tip.height - REORGANISATION_DEPTH_MAX), tip })
  await tried
  return async () => {
    stopped.abort()
    await first
    await stop()
  }
}

async function catchUp(forkHeight: number, deps: FollowDeps): Promise<void> {
  const { events } = deps
  const dropped = await dropDeadProofs(forkHeight, deps)
  if (dropped > 0) events.onReorganisation(forkHeight, dropped)
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
