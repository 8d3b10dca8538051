import { publicKeyOf, sign, verify } from '#curve'
import { concat, sameBytes } from '../core/bytes.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import type { Outpoint } from '../core/rounds/pipeline.ts'
import { pushData, readPushes } from '../core/script-push.ts'
import { ancestry, type Beef } from './beef.ts'
import { decodeDer, encodeDer } from './der.ts'
import { keyHash, type Lock, readLock } from './script.ts'
import {
  buildTransaction,
  type Output,
  SIGHASH_ALL_FORKID,
  sighash,
  type Transaction,
} from './transaction.ts'

/** `unknown-template`: a lock that only a full interpreter can judge; this one does not guess. */
export type SpendVerdict = 'satisfied' | 'unsatisfied' | 'unknown-template'

/**
 * Whether input `index` may spend `spent`. Only an unknown lock is left open: what unlocks one of the two locks
 * of script.ts is a signature over everything, and whoever sends anything else has not unlocked it.
 */
export function judgeSpend(transaction: Transaction, index: number, spent: Output): SpendVerdict {
  const lock = readLock(spent.script)
  if (lock === undefined) return 'unknown-template'
  const witness = readWitness(lock, transaction.inputs[index]?.script)
  return witness !== undefined && verify(witness.signature, sighash(transaction, index, spent), witness.key)
    ? 'satisfied'
    : 'unsatisfied'
}

/**
 * Whether every transaction the subject needs may be: each input satisfies its lock, and no more comes out than
 * went in. `unknown-template` where one of them only a full interpreter can judge, and nothing speaks against
 * the others. Says nothing about blocks: whether the roots are in headers is the caller's to ask.
 */
export function checkSpends(beef: Beef): Outcome<Exclude<SpendVerdict, 'unsatisfied'>> {
  let worst: Exclude<SpendVerdict, 'unsatisfied'> = 'satisfied'
  for (const transaction of ancestry(beef)) {
    if (transaction.proof !== undefined) continue
    let left = 0
    for (const [index, { txid, vout }] of transaction.inputs.entries()) {
      const spent = beef.byTxid.get(txid)?.outputs[vout]
      const verdict = spent === undefined ? 'unsatisfied' : judgeSpend(transaction, index, spent)
      if (verdict === 'unsatisfied')
        return refused(
          'transaction-invalid',
          `input ${index} of ${transaction.txid} does not satisfy its lock`,
        )
      if (verdict === 'unknown-template') worst = verdict
      left += spent?.satoshis ?? 0
    }
    for (const { satoshis } of transaction.outputs) left -= satoshis
    if (left < 0) return refused('transaction-invalid', `${transaction.txid} pays out more than it takes in`)
  }
  return accepted(worst)
}

export type Spend = Outpoint & {
  readonly spent: Output
  /** The key that opens the lock, derived already where it is a derived one. */
  readonly privateKey: Uint8Array
}

/** A transaction of our own, every input signed. */
export function signTransaction(spends: readonly Spend[], outputs: readonly Output[]): Transaction {
  const unsigned = buildTransaction(
    spends.map(({ txid, vout }) => ({ txid, vout, script: new Uint8Array(0) })),
    outputs,
  )
  const inputs = spends.map(({ txid, vout, spent, privateKey }, index) => {
    const der = encodeDer(sign(sighash(unsigned, index, spent), privateKey))
    const signature = pushData(concat(der, Uint8Array.of(SIGHASH_ALL_FORKID)))
    const needsKey = readLock(spent.script)?.kind === 'p2pkh'
    return { txid, vout, script: needsKey ? concat(signature, pushData(publicKeyOf(privateKey))) : signature }
  })
  return buildTransaction(inputs, outputs)
}

type Witness = { signature: Uint8Array; key: Uint8Array }

/** The signature, and the key it must be of. */
function readWitness(lock: Lock, script: Uint8Array = new Uint8Array()): Witness | undefined {
  const read = readPushes(script, 0)
  if (read === undefined || read.end !== script.length) return undefined
  const [signed, key, ...more] = read.pushes
  if (signed === undefined || more.length > 0 || signed.at(-1) !== SIGHASH_ALL_FORKID) return undefined
  const signature = decodeDer(signed.subarray(0, -1))
  if (signature === undefined) return undefined
  if (lock.kind === 'token') return key === undefined ? { signature, key: lock.key } : undefined
  return key?.length === 33 && sameBytes(keyHash(key), lock.keyHash) ? { signature, key } : undefined
}
