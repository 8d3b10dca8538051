import type { Beef } from '../../contract/beef.ts'

/** What a client hands to the overlay: a transaction with all that is needed to believe it, for these topics. */
export type Submission = {
  readonly beef: Beef
  readonly topics: readonly string[]
  readonly offChainValues?: Uint8Array
  /** Whoever submits it tells the network of it too, and says so when it has; the outbox does if that takes too long. */
  readonly isBroadcast?: boolean
}

/** What a topic answered: indexes of the transaction's outputs, and of its inputs. */
export type Applied = {
  readonly admitted: readonly number[]
  readonly retained: readonly number[]
  readonly removed: readonly number[]
}

/** By topic, as BRC-22 spells it. */
export type Steak = Record<
  string,
  { outputsToAdmit: readonly number[]; coinsToRetain: readonly number[]; coinsRemoved: readonly number[] }
>

/**
 * An answer that stands. Where nothing was admitted or removed, the transaction may come again with more of its
 * history, and is then judged again.
 */
export function isFinal(applied: Applied | undefined): boolean {
  return applied !== undefined && applied.admitted.length + applied.removed.length > 0
}

/** An answer that says anything at all; what says nothing is not recorded. */
export function saysSomething({ admitted, retained, removed }: Applied): boolean {
  return admitted.length + retained.length + removed.length > 0
}
