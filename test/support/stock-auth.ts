import { AuthFetch, PrivateKey, ProtoWallet, type WalletInterface } from '@bsv/sdk'
import { toHex } from '../../src/core/bytes.ts'
import type { Party } from './pipeline.ts'

/** The stock client, with the wallet that the SDK brings along. */
export function authFetchOf(party: Party): AuthFetch {
  return new AuthFetch(stockWallet(party))
}

export function stockWallet({ privateKey }: Party): WalletInterface {
  // Whoever authenticates needs no more of a wallet than this.
  return new ProtoWallet(PrivateKey.fromHex(toHex(privateKey))) as unknown as WalletInterface
}
