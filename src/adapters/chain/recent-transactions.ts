import type { Transaction } from '../../contract/transaction.ts'

/**
 * Transactions that were read lately and are likely to be spent from soon. A txid stands for the same bytes for
 * ever, so none of them ever goes stale; whether the chain still knows it is for the database to say.
 */
export type RecentTransactions = {
  get(txid: string): Transaction | undefined
  keep(transaction: Transaction): void
}

export const RECENT_BYTES_MAX = 4 * 1024 * 1024
/** Longer ones are read again rather than let push out all others. */
const LONGEST_KEPT = RECENT_BYTES_MAX / 16

export function openRecentTransactions(): RecentTransactions {
  const kept = new Map<string, Transaction>()
  let bytes = 0
  return {
    get: txid => kept.get(txid),
    keep(transaction) {
      if (kept.has(transaction.txid) || transaction.raw.length > LONGEST_KEPT) return
      kept.set(transaction.txid, transaction)
      bytes += transaction.raw.length
      for (const [oldest, { raw }] of kept) {
        if (bytes <= RECENT_BYTES_MAX) break
        kept.delete(oldest)
        bytes -= raw.length
      }
    },
  }
}
