import { type Transaction, varInt } from '../../contract/transaction.ts'
import { concat, knownHex } from '../../core/bytes.ts'
import { numbersOf } from './numbers.ts'

/** No chain gets there in forty thousand years, and no BEEF from outside may speak of it. */
export const SENTINEL_HEIGHT = 0x7fff_ffff

/**
 * A transaction alone, in a BEEF that says a block at the sentinel height holds nothing else. Whoever vouches for that
 * block vouches for the transaction: that is how the engine is spared what has been verified already.
 */
export function envelopeOf({ txid, raw }: Transaction): number[] {
  return numbersOf(concat(beefOfOneBlock, knownHex(txid).toReversed(), oneTransaction, raw, provenByFirst))
}

const [oneBump, oneLevel, oneNode, firstOffset, isTxid] = [1, 1, 1, 0, 2]
const beefOfOneBlock = concat(
  Uint8Array.of(0x01, 0x00, 0xbe, 0xef, oneBump),
  varInt(SENTINEL_HEIGHT),
  Uint8Array.of(oneLevel, oneNode, firstOffset, isTxid),
)
const oneTransaction = Uint8Array.of(1)
const provenByFirst = Uint8Array.of(1, 0)
