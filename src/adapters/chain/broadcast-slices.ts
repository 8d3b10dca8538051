import type { BeefTransaction } from '../../contract/beef.ts'

/** So many, and so many bytes of them, any network takes at once. */
const SLICE_TRANSACTIONS = 500
const SLICE_BYTES = 1024 * 1024

/** What is broadcast in one piece each, in the order that it came in: parents first. */
export function broadcastSlices(transactions: readonly BeefTransaction[]): BeefTransaction[][] {
  const all: BeefTransaction[][] = []
  let bytes = 0
  for (const transaction of transactions) {
    const last = all.at(-1)
    bytes += transaction.raw.length
    if (last !== undefined && last.length < SLICE_TRANSACTIONS && bytes <= SLICE_BYTES) last.push(transaction)
    else {
      all.push([transaction])
      bytes = transaction.raw.length
    }
  }
  return all
}
