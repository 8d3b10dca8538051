/** What happens by itself, for the log and the metrics. */
export type FuelEvents = {
  /** The network has it, as far as we know from now on. */
  onSeen?(txid: string): void
  /** The network, or our own overlay, will not have it. */
  onDead(txid: string, reason: string): void
  onUnsent(txid: string, error: unknown): void
  onRefill(transactions: number): void
  onReorganisation(transactions: number): void
  /** Something behind the scenes went wrong, and is tried again. */
  onTrouble(error: unknown): void
}
