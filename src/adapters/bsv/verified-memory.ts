/** A txid takes some 200 bytes in it. */
export const VERIFIED_TXIDS_MAX = 100_000

/**
 * Unproven transactions whose scripts and sums this process has found to hold. A txid commits to all that the
 * verdict rests on except the proofs at the far end, which are asked about every time. The least recently met
 * ones are forgotten first, and all of them when the chain reorganises.
 */
export class VerifiedMemory {
  readonly #txids = new Set<string>()
  readonly #txidsMax: number

  constructor({ txidsMax = VERIFIED_TXIDS_MAX }: { txidsMax?: number } = {}) {
    this.#txidsMax = txidsMax
  }

  /** For verifyBeef, once all of a BEEF has passed. */
  add(txids: Iterable<string>): void {
    for (const txid of txids) {
      this.#txids.delete(txid)
      this.#txids.add(txid)
    }
    for (const oldest of this.#txids) {
      if (this.#txids.size <= this.#txidsMax) break
      this.#txids.delete(oldest)
    }
  }

  has(txid: string): boolean {
    return this.#txids.has(txid)
  }

  clear(): void {
    this.#txids.clear()
  }

  get size(): number {
    return this.#txids.size
  }
}
