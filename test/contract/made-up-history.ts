import fc from 'fast-check'
import { ancestry, type BeefTransaction } from '../../src/contract/beef.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { output } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'
import { coins, coordinator, p2pkhSpend } from './made-up-round.ts'

export const pay = (outputs: number, satoshis: number) =>
  Array.from({ length: outputs }, () => output(p2pkhLock(coordinator.publicKey), satoshis))
/** Two outputs of half of what goes in, so that a whole history adds up. */
export const spendOf = (...parents: [Transaction, number][]) => {
  const spends = parents.map(([parent, vout]) => p2pkhSpend(parent, vout))
  const total = spends.reduce((sum, { spent }) => sum + spent.satoshis, 0)
  return signTransaction(spends, pay(2, Math.floor(total / 2)))
}

/** A history of random shape: each transaction spends outputs of earlier ones that nobody has spent yet. */
export const history = fc
  .tuple(
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
  )
  .map(([fuelCount, picks]) => {
    const all: BeefTransaction[] = mine(Array.from({ length: fuelCount }, (_, i) => coins(`${i}`, 3)))
    const free = all.flatMap(each => each.outputs.map((_, vout): [Transaction, number] => [each, vout]))
    for (const pick of picks) {
      const parents = pick.flatMap(index => (free.length > 0 ? free.splice(index % free.length, 1) : []))
      if (parents.length === 0) break
      const child = spendOf(...parents)
      all.push(child)
      free.push([child, 0], [child, 1])
    }
    return all
  })

/** What the last one descends from, in the one order of a minimal BEEF. */
export function needed(all: readonly BeefTransaction[]): BeefTransaction[] {
  const subject = all.at(-1)
  if (subject === undefined) throw new Error('empty')
  return ancestry({ subject, byTxid: new Map(all.map(each => [each.txid, each])) })
}
