import { publicKeyOf } from '#curve'
import type { LocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { sha256 } from '../../../src/core/sha256.node.ts'

/** Keys by name, the same in every run. */
export function keyOf(name: string): Uint8Array {
  return sha256(`key of ${name}`)
}

export function lockOf(name: string): Uint8Array {
  return p2pkhLock(publicKeyOf(keyOf(name)))
}

/** Spends outputs that `from` owns, all of them or those named, to `to`, in equal outputs. */
export function pay(
  parent: Transaction | readonly (readonly [Transaction, number])[],
  { from = 'alice', to = 'alice', outputs = 1, burn = 0 } = {},
): Transaction {
  const coins = 'outputs' in parent ? parent.outputs.map((_, vout) => [parent, vout] as const) : parent
  const spends = coins.map(([{ txid, outputs: all }, vout]) => {
    const spent = all[vout]
    if (spent === undefined) throw new Error(`no output ${vout}`)
    return { txid, vout, spent, privateKey: keyOf(from) }
  })
  const sum = spends.reduce((total, { spent }) => total + spent.satoshis, 0) - burn
  const satoshis = Math.floor(sum / outputs)
  return signTransaction(
    spends,
    Array.from({ length: outputs }, () => ({ satoshis, script: lockOf(to) })),
  )
}

/** Money of `to`'s, in the mempool: all of the transaction's first `outputs` outputs. */
export async function fund(chain: LocalChain, { to = 'alice', satoshis = 1_000, outputs = 1 } = {}) {
  const answer = await chain.pay({ lockingScript: lockOf(to), satoshis, outputs })
  if (answer.kind !== 'funded') throw new Error(answer.detail)
  return answer.transaction
}

/** The funded outputs without the faucet's change. */
export function coinsOf(transaction: Transaction, outputs = 1): (readonly [Transaction, number])[] {
  return Array.from({ length: outputs }, (_, vout) => [transaction, vout] as const)
}
