/**
 * What an overlay host mounts under the name of a lookup service. It is the interface of @bsv/overlay without its
 * import, so that a host with another copy of the SDK can mount ours. Every service hears of the outputs of every
 * topic, and of one more than once after a crash: it picks its own, and a second time changes nothing.
 */
export type LookupService = {
  readonly admissionMode: 'locking-script'
  readonly spendNotificationMode: 'txid'
  /** Not of the reference interface: a host may give locking scripts as bytes, where that saves it something. */
  readonly takesBytes: true
  /**
   * Not of the reference interface: where a host bounds the length of its answers, some of what is found is better than
   * a refusal, which anybody could bring about with a few outputs of long history.
   */
  readonly answersInPart?: true
  outputAdmittedByTopic(output: AdmittedOutput): Promise<void>
  outputSpent(spend: OutputSpend): Promise<void>
  /**
   * Not of the reference interface: for hosts that evict transactions, and say so of outputs that stay and that an
   * evicted one had spent.
   */
  outputUnspent(output: UnspentOutput): Promise<void>
  outputNoLongerRetainedInHistory(txid: string, outputIndex: number, topic: string): Promise<void>
  outputEvicted(txid: string, outputIndex: number): Promise<void>
  /** Throws InvalidQuery over a question that makes no sense. */
  lookup(question: LookupQuestion): Promise<LookupFormula>
  /** Markdown. */
  getDocumentation(): Promise<string>
  getMetaData(): Promise<LookupMetaData>
}

export type AdmittedOutput =
  | AdmittedScript
  /** What a service that asks for scripts is never told. */
  | { readonly mode: 'whole-tx' }

export type AdmittedScript = {
  readonly mode: 'locking-script'
  readonly txid: string
  readonly outputIndex: number
  readonly topic: string
  /** Where it gives the bytes that the topic manager judged, and not a copy, they are not verified again. */
  readonly lockingScript: { toBinary(): ArrayLike<number> }
  /** What its transaction was submitted with. */
  readonly offChainValues?: ArrayLike<number>
}

/** The very bytes that the host gives, where it gives bytes: whoever has judged them knows them again. */
export function scriptOf({ lockingScript }: AdmittedScript): Uint8Array {
  const binary = lockingScript.toBinary()
  return binary instanceof Uint8Array ? binary : Uint8Array.from(binary)
}

export type OutputSpend =
  | {
      readonly mode: 'txid'
      readonly txid: string
      readonly outputIndex: number
      readonly topic: string
      readonly spendingTxid: string
    }
  /** What a service that asks for txids is never told. */
  | { readonly mode: 'none' | 'script' | 'whole-tx' }

export type UnspentOutput = {
  readonly txid: string
  readonly outputIndex: number
  readonly topic: string
  readonly spendingTxid: string
}

export type LookupQuestion = { readonly service: string; readonly query: unknown }
export type LookupFormula = { txid: string; outputIndex: number; context?: number[] }[]

export type LookupMetaData = {
  name: string
  shortDescription: string
  version: string
  informationURL?: string
}
