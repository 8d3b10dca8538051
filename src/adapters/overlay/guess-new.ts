import type { Beef } from '../../contract/beef.ts'
import type { Known } from './read-known.ts'

/** About 15 MB. Whatever is forgotten is only looked up once more. */
export const STORED_REMEMBERED_MAX = 100_000

/**
 * Most of what is submitted was never here, and then there is nothing to read before it is judged: the statement that
 * records it can see to it that this was so. What this process has seen stored it does not guess about.
 */
export class NewcomerGuess {
  // A set remembers the order in which its members came: the first is the oldest.
  readonly #stored = new Set<string>()
  readonly #max: number
  /** Of the last look: an admission that was judged on an older one than there is will not be recorded. */
  #epoch: number | undefined

  constructor(max = STORED_REMEMBERED_MAX) {
    this.#max = max
  }

  /** That nothing is known of any of it; undefined where this is not to be expected, or not known of when. */
  nothingKnownOf({ transactions }: Pick<Beef, 'transactions'>): Known | undefined {
    if (this.#epoch === undefined || transactions.some(({ txid }) => this.#stored.has(txid))) return undefined
    return { ...nothing, epoch: this.#epoch, isGuess: true }
  }

  /** After a look at the database; what it holds of these is not guessed about again. */
  sawKnown({ transactions }: Pick<Beef, 'transactions'>, known: Known): void {
    this.#epoch = known.epoch
    this.sawStored(transactions.filter(({ txid }) => known.stored(txid) !== undefined))
  }

  sawStored(transactions: Beef['transactions']): void {
    for (const { txid } of transactions) this.#stored.add(txid)
    for (const oldest of this.#stored) {
      if (this.#stored.size <= this.#max) return
      this.#stored.delete(oldest)
    }
  }
}

const nothing = {
  stored: () => undefined,
  applied: () => undefined,
  holds: () => false,
  coin: () => undefined,
}
