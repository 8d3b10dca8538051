import type { Spend } from './spend.ts'
import type { Output } from './transaction.ts'

/** A transaction as whoever needs it thinks of it, before fuel and change are added and it is signed. */
export type Unpaid = {
  /** Tokens of ours that it spends; fuel is added behind them. */
  readonly spends: readonly Spend[]
  /** Change is added behind them. */
  readonly outputs: readonly Output[]
  /** Where the overlay takes it; none: it goes to the network alone. */
  readonly topics: readonly string[]
  readonly offChainValues?: Uint8Array
}

/** What a transaction is for; no two transactions have the same. */
export type Purpose = {
  /** 32 bytes in hex. */
  readonly subject: string
  readonly stage: string
  /** 0, and one more each time that its chain of transactions had to be built again. */
  readonly rebuild: number
}
