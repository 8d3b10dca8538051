import type { Outpoint } from '../src/core/rounds/pipeline.ts'

/**
 * What a lookup service lists outputs in. A host that is in the middle of recording an admission may have a write take
 * effect with that admission; then it resolves before.
 */
export type OutputIndex<Entry> = {
  /** Resolves once the output is listed. One that is there already stays as it is, its time included. */
  put(entry: Entry): Promise<void>
  /** Resolves once no answer will name the output any more. */
  remove(outpoint: Outpoint): Promise<void>
}

/** One that goes on listing outputs that are spent. */
export type SpentOutputIndex<Entry> = OutputIndex<Entry> & {
  /** Resolves once the output is listed as spent; nothing happens to one that is not listed. */
  markSpent(outpoint: Outpoint, spendingTxid: string): Promise<void>
  /** Resolves once the output is listed as unspent, if this transaction is what it was spent by. */
  markUnspent(outpoint: Outpoint, spendingTxid: string): Promise<void>
}
