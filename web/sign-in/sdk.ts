import { AuthFetch } from '@bsv/sdk/auth'
import { PrivateKey } from '@bsv/sdk/primitives'
import { ProtoWallet, WalletClient, type WalletInterface } from '@bsv/sdk/wallet'
import type { Signer } from './identity.ts'

/* The only file that the SDK is in: fetched when somebody signs in, and not before. */

export async function signWithKey(privateKey: string): Promise<Signer> {
  const key = PrivateKey.fromHex(privateKey)
  // Whoever authenticates needs no more of a wallet than this.
  return signerOf(new ProtoWallet(key) as unknown as WalletInterface, key.toPublicKey().toString())
}

/** A wallet of the reader's own, on the same machine (BRC-100); it asks its owner what this page may do. */
export async function signWithWallet(): Promise<Signer> {
  const wallet = new WalletClient('auto', location.hostname)
  const { publicKey } = await wallet.getPublicKey({ identityKey: true })
  return signerOf(wallet as unknown as WalletInterface, publicKey)
}

function signerOf(wallet: WalletInterface, identityKey: string): Signer {
  const client = new AuthFetch(wallet)
  return {
    identityKey,
    async fetch(url, { method, body }) {
      const response = await client.fetch(url, {
        method,
        // What else a request may say, this client does not sign, and so does not send.
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        ...(body !== undefined && { body }),
      })
      return { status: response.status, text: await response.text() }
    },
  }
}
