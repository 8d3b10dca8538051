/** The chain a log is anchored on. `local` is a private chain with no economic finality, and is always named so. */
export const networks = ['local', 'testnet', 'mainnet'] as const
export type Network = (typeof networks)[number]
