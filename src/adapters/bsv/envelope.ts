import { writeBeef } from '../../contract/beef.ts'
import type { Transaction } from '../../contract/transaction.ts'
import { knownHex } from '../../core/bytes.ts'

/** A height that no chain reaches for a long time; verifyBeef refuses it to everybody outside. */
export const SENTINEL_HEIGHT = 0x7fff_ffff

/**
 * The transaction alone, as if a block at SENTINEL_HEIGHT held nothing else: for handing to the engine what
 * verifyBeef has accepted, so that it does not verify it again. The engine's chain tracker must say yes to that
 * height only for the txids that are being submitted right now. Never stored and never sent.
 */
export function envelopeOf(transaction: Transaction): number[] {
  const leaf = { offset: 0, hash: knownHex(transaction.txid).toReversed(), txid: true }
  const proof = {
    height: SENTINEL_HEIGHT,
    levels: [[leaf]],
    root: transaction.txid,
    leaves: new Set([transaction.txid]),
  }
  const bytes = writeBeef([{ ...transaction, proof }])
  // By hand: Array.from takes twenty times as long, and the engine wants a list.
  const list = new Array<number>(bytes.length)
  for (let i = 0; i < bytes.length; i++) list[i] = bytes[i] ?? 0
  return list
}
