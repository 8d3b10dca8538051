import { type BeefTransaction, writeBeef } from '../../contract/beef.ts'
import { concat, knownHex } from '../../core/bytes.ts'
import { numbersOf } from './numbers.ts'

/** BRC-95 of a transaction, from all that it needs, itself last. */
export function atomicBeefOf(history: readonly BeefTransaction[]): number[] {
  const subject = history.at(-1)
  if (subject === undefined) throw new Error('an Atomic BEEF holds at least its subject')
  return numbersOf(concat(prefix, knownHex(subject.txid).toReversed(), writeBeef(history)))
}

const prefix = Uint8Array.of(1, 1, 1, 1)
