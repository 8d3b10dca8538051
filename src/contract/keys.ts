import { publicKeyOf, sign, tweakPrivate, tweakPublic, verify } from '#curve'
import { hmacSha256, sha256 } from '#sha256'
import { utf8 } from '../core/bytes.ts'
import { decodeDer, encodeDer } from './der.ts'

/**
 * BRC-42/43 keys with counterparty `anyone`, whose private key is 1: the secret shared with it is the owner's
 * own identity key, so anybody derives the public half and only the owner the private one.
 *
 * One pair serves as signature key and as lock. A lock is always derived from the identity key of the one who
 * shall spend; derived the other way round, from `anyone`, the whole world could spend it.
 */
export function anyoneSigningKey(privateKey: Uint8Array, protocol: string, keyId: string): Uint8Array {
  return tweakPrivate(privateKey, offset(publicKeyOf(privateKey), protocol, keyId))
}

/** Undefined where `identityKey` is no public key. */
export function anyoneVerifyingKey(
  identityKey: Uint8Array,
  protocol: string,
  keyId: string,
): Uint8Array | undefined {
  return tweakPublic(identityKey, offset(identityKey, protocol, keyId))
}

/** A signature over SHA-256(data) that anybody can verify who knows the identity key: strict DER, low-S. */
export function signDetached(
  privateKey: Uint8Array,
  protocol: string,
  keyId: string,
  data: Uint8Array,
): Uint8Array {
  return encodeDer(sign(sha256(data), anyoneSigningKey(privateKey, protocol, keyId)))
}

export function verifyDetached(
  identityKey: Uint8Array,
  protocol: string,
  keyId: string,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = anyoneVerifyingKey(identityKey, protocol, keyId)
  return key !== undefined && verifyBy(key, data, signature)
}

/** The same with the key derived already. */
export function verifyBy(verifyingKey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const compact = decodeDer(signature)
  return compact !== undefined && verify(compact, sha256(data), verifyingKey)
}

const PROTOCOL_CHARS_MAX = 400
const KEY_ID_CHARS_MAX = 800

/** BRC-43, in the one spelling that wallets reduce a name to before they use it. */
export function isProtocolName(name: string): boolean {
  return (
    name.length >= 5 &&
    name.length <= PROTOCOL_CHARS_MAX &&
    /^[a-z0-9]+(?: [a-z0-9]+)*$/.test(name) &&
    !name.endsWith(' protocol')
  )
}

function offset(identityKey: Uint8Array, protocol: string, keyId: string): Uint8Array {
  return hmacSha256(identityKey, utf8(invoiceNumber(protocol, keyId)))
}

/** Protocol names and key ids are ours, never a stranger's: a bad one is a bug, and throws. */
function invoiceNumber(protocol: string, keyId: string): string {
  if (!isProtocolName(protocol)) throw new Error(`"${protocol.slice(0, 80)}" is not a BRC-43 protocol name`)
  if (keyId.length === 0 || keyId.length > KEY_ID_CHARS_MAX)
    throw new Error(`a key id has 1 to ${KEY_ID_CHARS_MAX} characters, this one ${keyId.length}`)
  return `2-${protocol}-${keyId}`
}
