import type { Delivery } from './outbox.ts'
import type { DoubleSpend } from './submit.ts'

/** What happens by itself, for the log and the metrics. */
export type OverlayEvents = {
  /** Something new stands under these topics, and the indexes have it. */
  onAdmitted?(topics: readonly string[]): void
  /** The network has a transaction that spends outputs of these. */
  onNetworkHas?(spent: readonly string[]): void
  onEvicted(txids: readonly string[], reason: string): void
  /** `kept`: there was room to keep it as evidence. */
  onDoubleSpend(doubleSpend: DoubleSpend, kept: boolean): void
  onUndelivered(delivery: Delivery, error: unknown, again: boolean): void
  /** A host is told of nothing new from now on, as too much waits for it; or again. What is left out, it can ask for. */
  onHostFull?(target: string, isFull: boolean): void
  onReorganisation(forkHeight: number, proofsDropped: number): void
  onProven(count: number): void
  /** A change of the chain could not be worked in yet; it is tried again. */
  onFollowFailure(error: unknown): void
}
