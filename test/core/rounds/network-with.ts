import type { NetworkView } from '../../../src/core/rounds/coordinating/thread.ts'
import type { PipelineTransaction } from '../../../src/core/rounds/pipeline.ts'

/** A network in which these are alive. */
export function networkWith(...live: PipelineTransaction[]): NetworkView {
  return {
    isLive: txid => live.some(transaction => transaction.txid === txid),
    spenderOf: ({ txid, vout }) =>
      live.find(({ inputs }) => inputs.some(input => input.txid === txid && input.vout === vout)),
  }
}
