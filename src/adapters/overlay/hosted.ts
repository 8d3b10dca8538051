import type { LookupService, TopicManager } from '@bsv/overlay'
import type { Beef, Transaction } from '../../contract/index.ts'

/** What a node hosts, by BRC-87 name. */
export type Hosted = {
  readonly managers: Readonly<Record<string, HostedManager>>
  readonly services: Readonly<Record<string, HostedService>>
}

/** Any topic manager; ours take a BEEF that is read already, and tell at a glance what they have no business with. */
export type HostedManager = TopicManager & {
  admit?(
    beef: Beef,
    previousCoins: readonly number[],
    offChainValues?: Uint8Array,
  ): { readonly outputsToAdmit: readonly number[]; readonly coinsToRetain: readonly number[] }
  /** False only where none of its outputs can ever be admitted, whatever history comes with it. */
  concerns?(transaction: Transaction): boolean
}

export type HostedService = LookupService & {
  /** Takes `toBinary` of a locking script as a Uint8Array: the very bytes that the topic manager has judged. */
  readonly takesBytes?: boolean
  /** Some of what it finds is an answer, where all of it is longer than one. */
  readonly answersInPart?: boolean
  /** What spent the output has been evicted. */
  outputUnspent?(output: {
    readonly txid: string
    readonly outputIndex: number
    readonly topic: string
    readonly spendingTxid: string
  }): Promise<void>
  /** Empties its index, which is then filled again from what is admitted. */
  reset?(): Promise<void>
}
