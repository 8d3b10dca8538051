/** About 15 MB; a round of the most seats has 13. */
export const VERIFIED_MAX = 100_000

/**
 * Transactions that no block proves yet, and whose scripts, amounts and ancestors all held. A txid commits to what it
 * descends from, so a verdict is good for ever; it is let go of when the chain is reorganised, and when others came later.
 */
export class VerifiedMemory {
  // A set remembers the order in which its members came: the first is the one that was not asked for longest.
  readonly #txids = new Set<string>()
  readonly #max: number

  constructor(max = VERIFIED_MAX) {
    this.#max = max
  }

  has(txid: string): boolean {
    if (!this.#txids.delete(txid)) return false
    this.#txids.add(txid)
    return true
  }

  add(txid: string): void {
    this.#txids.delete(txid)
    this.#txids.add(txid)
    for (const oldest of this.#txids) {
      if (this.#txids.size <= this.#max) return
      this.#txids.delete(oldest)
    }
  }

  clear(): void {
    this.#txids.clear()
  }

  get size(): number {
    return this.#txids.size
  }
}
