import { readLock } from '../../contract/script.ts'
import type { Spend } from '../../contract/spend.ts'
import { OUTPOINT_BYTES, type Output, varInt } from '../../contract/transaction.ts'

/** What this transaction costs once it is signed, or a satoshi more: signatures vary by a byte or two. */
export function feeOf(
  spends: readonly Pick<Spend, 'spent'>[],
  outputs: readonly Pick<Output, 'script'>[],
  satsPerKb: number,
): number {
  const inputBytes = spends.reduce((sum, { spent }) => sum + spendBytes(spent), 0)
  const outputBytes = outputs.reduce((sum, { script }) => sum + 8 + withLength(script.length), 0)
  const bytes =
    4 + varInt(spends.length).length + inputBytes + varInt(outputs.length).length + outputBytes + 4
  return Math.ceil((bytes * satsPerKb) / 1000)
}

/** Less than this is left to the miners: to spend it again would cost half of it or more. */
export function changeMin(satsPerKb: number): number {
  return Math.max(1, Math.ceil((2 * P2PKH_SPEND_BYTES * satsPerKb) / 1000))
}

/** A low S is a byte shorter than the longest DER, and one byte says what is signed; the push has a length. */
const SIGNATURE_PUSH_BYTES = 1 + 71 + 1
const KEY_PUSH_BYTES = 1 + 33
const P2PKH_SPEND_BYTES = OUTPOINT_BYTES + 1 + SIGNATURE_PUSH_BYTES + KEY_PUSH_BYTES + 4

function spendBytes({ script }: Output): number {
  return readLock(script)?.kind === 'token' ? P2PKH_SPEND_BYTES - KEY_PUSH_BYTES : P2PKH_SPEND_BYTES
}

function withLength(bytes: number): number {
  return varInt(bytes).length + bytes
}
