import type { Bump } from '../../contract/bump.ts'
import type { Transaction } from '../../contract/transaction.ts'
import type { Network } from '../../core/network.ts'

/** The network a node is on, as far as the node needs it. One of these per process. */
export type Chain = {
  readonly network: Network
  /** Merkle root of the block at this height of the best chain, as explorers print it; undefined beyond the tip. */
  rootAt(height: number): Promise<string | undefined>
  tip(): Promise<Tip>
  /**
   * Hands over a transaction with the unproven ancestors that the network may lack, parents first. Resolves with
   * the network's word on the last of them; throws where there is no word, and then it may be asked again.
   */
  broadcast(transactions: readonly Transaction[]): Promise<BroadcastAnswer>
  /** What the network knows of these; one it has not heard of is missing from the answer. */
  statusOf(txids: readonly string[]): Promise<ReadonlyMap<string, TransactionStatus>>
  /**
   * Calls back after every change of the best chain, one call at a time, until stopped; a call that fails is made
   * again. `since`: the last tip that the caller dealt with, so that what changed while it was down is told first.
   */
  follow(onChange: (change: ChainChange) => Promise<void>, since?: Tip): StopFollowing
}

export type Tip = { readonly height: number; readonly hash: string }

/**
 * `forkHeight`: the highest block that was on the best chain before and still is. Below the old tip: a
 * reorganisation. -1: none that is known, so everything is to be asked again.
 */
export type ChainChange = { readonly forkHeight: number; readonly tip: Tip }

/** Resolves when no call is under way; a callback that waits for it waits for itself. */
export type StopFollowing = () => Promise<void>

export type BroadcastAnswer =
  | { readonly kind: 'accepted' }
  /** `competing`: who spends its coins instead, where the network says so. */
  | {
      readonly kind: 'rejected'
      /** `orphan`: it spends what the network has not seen yet; with its parents, or later, it may be taken.
       * `not-final`: its lock time has not come. */
      readonly reason: 'double-spend' | 'invalid' | 'orphan' | 'not-final'
      readonly detail: string
      readonly competing: readonly string[]
    }

export type TransactionStatus =
  | { readonly kind: 'seen' }
  | { readonly kind: 'mined'; readonly proof: Bump }
  /** It has turned it down since it took it. Whoever hands it over once more is told why. */
  | { readonly kind: 'refused'; readonly detail: string }
