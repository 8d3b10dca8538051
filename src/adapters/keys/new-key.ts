import { randomBytes } from 'node:crypto'
import { publicKeyOf } from '#curve'
import type { Issuer } from '../../contract/tokens.ts'
import { toHex } from '../../core/bytes.ts'

/** A pair nobody has had before. */
export function newKey(): Issuer {
  return issuerOf(Uint8Array.from(randomBytes(32)))
}

/** Throws where these 32 bytes are no private key, which of random ones one in 2^127 is. */
export function issuerOf(privateKey: Uint8Array): Issuer {
  return { privateKey, identityKey: toHex(publicKeyOf(privateKey)) }
}
