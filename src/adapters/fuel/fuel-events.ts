/** What happens by itself, for the log and the metrics. */
export type FuelEvents = {
  /** The network, or our own overlay, will not have it. */
  onDead(txid: string, reason: string): void
  onUnsent(txid: string, error: unknown): void
  onRefill(transactions: number): void
  onReorganisation(transactions: number): void
  /** Something behind the scenes went wrong, and is tried again. */
  onTrouble(error: unknown): void
}
