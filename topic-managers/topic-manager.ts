import type { Beef } from '../src/contract/beef.ts'
import type { Transaction } from '../src/contract/transaction.ts'

/**
 * What an overlay host mounts under the name of a topic. It is the interface of @bsv/overlay without its import,
 * so that a host with another copy of the SDK can mount ours, and `admit` beside it.
 */
export type TopicManager = {
  /** A function of its arguments and of how the manager was configured. Whatever somebody sent, it never throws. */
  admit(beef: Beef, previousCoins: readonly number[], offChainValues?: Uint8Array): AdmittanceInstructions
  /** False only where none of its outputs can ever be admitted, whatever history or values come with it. */
  concerns(transaction: Transaction): boolean
  /** The same for hosts that hold bytes as lists of numbers; from what is no BEEF nothing is admitted. */
  identifyAdmissibleOutputs(
    beef: number[],
    previousCoins: number[],
    offChainValues?: number[],
  ): Promise<AdmittanceInstructions>
  /** Markdown. */
  getDocumentation(): Promise<string>
  getMetaData(): Promise<TopicMetaData>
}

/**
 * As a STEAK says it. Where nothing is admitted, more of the transaction may be when it comes again with more: its
 * off-chain values, or its history. A host must not remember such a verdict as its last, or anybody who submits
 * somebody's transaction without them first has shut it out.
 */
export type AdmittanceInstructions = { outputsToAdmit: number[]; coinsToRetain: number[] }

export type TopicMetaData = {
  name: string
  shortDescription: string
  version: string
  informationURL?: string
}
