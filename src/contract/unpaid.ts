import type { Outpoint } from '../core/rounds/pipeline.ts'
import type { Spend } from './spend.ts'
import type { Output } from './transaction.ts'

/** A transaction as whoever needs it thinks of it, before fuel and change are added and it is signed. */
export type Unpaid = {
  /** Tokens of ours that it spends; fuel is added behind them. */
  readonly spends: readonly Spend[]
  /** Change is added behind them. Where they say what is spent, they are made once that is known: these spends, and the fuel. */
  readonly outputs: readonly Output[] | ((inputs: readonly Outpoint[]) => readonly Output[])
  /** Where the overlay takes it; none: it goes to the network alone. */
  readonly topics: readonly string[]
  readonly offChainValues?: Uint8Array
}

export function outputsOf(
  { outputs }: Pick<Unpaid, 'outputs'>,
  inputs: readonly Outpoint[],
): readonly Output[] {
  return typeof outputs === 'function' ? outputs(inputs) : outputs
}

/** What a transaction is for; no two transactions have the same. */
export type Purpose = {
  /** 32 bytes in hex. */
  readonly subject: string
  readonly stage: string
  /** 0, and one more each time that its chain of transactions had to be built again. */
  readonly rebuild: number
}
