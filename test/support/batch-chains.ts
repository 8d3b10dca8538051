import type { Submission } from '../../src/adapters/overlay/submission.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import type { Bump } from '../../src/contract/bump.ts'
import { baseTopics } from '../../src/contract/names.ts'
import type { Spend } from '../../src/contract/spend.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import { batchTransaction, spendsOf } from './event-batches.ts'
import type { OverlayBed } from './overlay-bed.ts'
import type { Party } from './pipeline.ts'

export type Mined = { readonly transaction: Transaction; readonly proof: Bump }

/** Each spends both outputs of the one before it. */
export function batchChain(publisher: Party, coin: Spend, length: number): Transaction[] {
  const chain: Transaction[] = []
  for (let n = 0; n < length; n++) {
    const before = chain.at(-1)
    const spends = before === undefined ? [coin] : spendsOf(publisher, before, textAt(n - 1))
    chain.push(batchTransaction(publisher, spends, { text: textAt(n) }))
  }
  return chain
}

export function textAt(n: number): string {
  return `{"n":${n}}\n`
}

/** Puts them into one block, without telling the overlay. */
export async function mineAll(bed: OverlayBed, chain: readonly Transaction[]): Promise<Mined[]> {
  await bed.chain.broadcast(chain)
  await bed.mine()
  const statuses = await bed.chain.statusOf(chain.map(({ txid }) => txid))
  return chain.map(transaction => {
    const status = statuses.get(transaction.txid)
    if (status?.kind !== 'mined') throw new Error(`${transaction.txid} is in no block`)
    return { transaction, proof: status.proof }
  })
}

/** The transaction at `to` with its history back to the one at `from`, which a block proves. */
export function trimmed(chain: readonly Mined[], from: number, to: number): Submission {
  const history = chain
    .slice(from, to + 1)
    .map(({ transaction, proof }, i) => (i === 0 ? { ...transaction, proof } : transaction))
  return { beef: orThrow(readBeef(writeBeef(history))), topics: [baseTopics.ingest] }
}

export function one<T>(list: readonly T[]): T {
  const [first] = list
  if (first === undefined) throw new Error('an empty list')
  return first
}
