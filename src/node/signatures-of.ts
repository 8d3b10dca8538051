import type { Pool } from 'pg'
import type { SignaturesOf } from '../adapters/reading/live/read-packets.ts'
import { openReadTransactions } from '../adapters/reading/read-transactions.ts'
import { tokenSignature } from '../serve/token-signature.ts'

/** What agents have signed their results with, read out of the transactions, all of them at once. */
export function openSignaturesOf(pool: Pool): SignaturesOf {
  const readTransactions = openReadTransactions(pool)
  return async txids => {
    const signatures = new Map<string, string>()
    for (const [txid, raw] of await readTransactions(txids)) {
      const signed = tokenSignature(raw, 0)
      if (signed !== null) signatures.set(txid, signed.signature)
    }
    return signatures
  }
}
