import { timingSafeEqual } from 'node:crypto'
import {
  type CreateHmacArgs,
  type ListCertificatesResult,
  PrivateKey,
  ProtoWallet,
  type ProveCertificateResult,
  type VerifyHmacArgs,
  type VerifySignatureArgs,
  type WalletInterface,
} from '@bsv/sdk'
import { hmacSha256 } from '#sha256'
import type { Issuer } from '../../contract/tokens.ts'
import { toHex, utf8 } from '../../core/bytes.ts'

/**
 * What the SDK's authentication needs of a wallet. It calls wallets in promises that nobody waits for, and there an
 * error would end the process; so this one says no where others throw. It has no certificates to show.
 */
export function quietWallet(identity: Issuer): WalletInterface {
  // The SDK's peers call nothing but what stands here.
  return new QuietWallet(identity) as unknown as WalletInterface
}

class QuietWallet extends ProtoWallet {
  readonly #identityKey: string
  readonly #nonceKey: Uint8Array

  constructor({ identityKey, privateKey }: Issuer) {
    super(PrivateKey.fromHex(toHex(privateKey)))
    this.#identityKey = identityKey
    this.#nonceKey = hmacSha256(privateKey, utf8('nonces of sessions'))
  }

  override async getPublicKey(args: Parameters<ProtoWallet['getPublicKey']>[0]) {
    return args.identityKey === true ? { publicKey: this.#identityKey } : await super.getPublicKey(args)
  }

  /** Asked for nonces alone, which nobody else can read anything into: no key has to be derived for each of them. */
  override async createHmac({ data }: CreateHmacArgs) {
    return { hmac: [...this.#hmac(data)] }
  }

  override async verifyHmac({ data, hmac }: VerifyHmacArgs) {
    const given = Uint8Array.from(hmac)
    const own = this.#hmac(data)
    // Typed as always true by those who throw where it is not.
    return { valid: (given.length === own.length && timingSafeEqual(given, own)) as true }
  }

  override async verifySignature(args: VerifySignatureArgs) {
    try {
      return await super.verifySignature(args)
    } catch {
      // Not a signature, or not of this key: the caller asks no more than whether it holds.
      return { valid: false as true }
    }
  }

  async listCertificates(): Promise<ListCertificatesResult> {
    return { totalCertificates: 0, certificates: [] }
  }

  async proveCertificate(): Promise<ProveCertificateResult> {
    return { keyringForVerifier: {} }
  }

  #hmac(data: readonly number[]): Uint8Array {
    return hmacSha256(this.#nonceKey, Uint8Array.from(data))
  }
}
