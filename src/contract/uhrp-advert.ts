import { isPublicKey } from '#curve'
import { concat, concatAll, fromUtf8, knownHex, sameBytes, toHex, utf8 } from '../core/bytes.ts'
import { accepted, type Outcome, orThrow, refused } from '../core/fault.ts'
import { readWhole } from './byte-reader.ts'
import { readContentUrl } from './host-address.ts'
import { anyoneSigningKey, anyoneVerifyingKey, signDetached, verifyBy } from './keys.ts'
import { pushDropScript, readPushDrop } from './push-drop.ts'
import { readOnce } from './read-once.ts'
import type { Issuer } from './tokens.ts'
import { varInt } from './transaction.ts'

/** BRC-26: whoever has this identity keeps the content with this hash at this URL, up to this time. */
export type UhrpAdvert = {
  readonly hostIdentityKey: string
  /** SHA-256 of the content, in hex. */
  readonly hash: string
  readonly url: string
  readonly expirySeconds: number
  readonly size: number
}

export const UHRP_LOCATION_CHARS_MAX = 2048
/** Of a script: its URL, and less than that for everything else. */
const ADVERT_BYTES_MAX = 2 * UHRP_LOCATION_CHARS_MAX
/** The first time whose number begins with a byte that no URL has: so it is certain where the one ends. */
const EXPIRY_SECONDS_MIN = 0x1_0000

/**
 * The locking script of an advert: byte for byte what a stock wallet's PushDrop locks for `anyone`, for itself. Throws
 * over a URL, a time or a size that nobody would admit.
 */
export function uhrpAdvertScript(
  issuer: Issuer,
  advert: Pick<UhrpAdvert, 'hash' | 'url' | 'expirySeconds' | 'size'>,
): Uint8Array {
  const { hash, url, expirySeconds, size } = advert
  orThrow(said({ hostIdentityKey: issuer.identityKey, hash, url, expirySeconds, size }))
  const identity = knownHex(issuer.identityKey)
  const signed = [identity, knownHex(hash), utf8(url), varInt(expirySeconds), varInt(size)]
  const signature = signDetached(issuer.privateKey, PROTOCOL, KEY_ID, concatAll(signed))
  const lock = anyoneVerifyingKey(identity, PROTOCOL, KEY_ID)
  if (lock === undefined) throw new Error('the identity key of this advert’s issuer is no public key')
  return pushDropScript(lock, [...signed, signature])
}

/** The private key that spends an advert, which withdraws it. */
export function uhrpAdvertSpendingKey(privateKey: Uint8Array): Uint8Array {
  return anyoneSigningKey(privateKey, PROTOCOL, KEY_ID)
}

/**
 * The advert in a locking script, with all that can be checked without another output or a clock. Whether a host takes
 * a URL that only it itself can reach is for the host to say (host-address.ts).
 */
export const readUhrpAdvert: (script: Uint8Array) => Outcome<UhrpAdvert> = readOnce(readAnew)

/** Whether an output means to be one, from its first bytes; whether it is one, readUhrpAdvert says. */
export function meansUhrpAdvert(script: Uint8Array): boolean {
  return script[0] === 33 && script[34] === 0xac && script[35] === 33 && script[69] === 32
}

const PROTOCOL = 'uhrp advertisement'
const KEY_ID = '1'
const FIELDS = 6

function readAnew(script: Uint8Array): Outcome<UhrpAdvert> {
  if (script.length > ADVERT_BYTES_MAX) return invalid(`the script has more than ${ADVERT_BYTES_MAX} bytes`)
  const { key, fields = [] } = readPushDrop(script, FIELDS) ?? {}
  const [identity = none, hash = none, urlBytes = none, expiry = none, sizeBytes = none, signature = none] =
    fields
  if (key === undefined) return invalid('the script is not an advert of six pushes')
  if (!isPublicKey(identity)) return invalid('its host is not a compressed public key')
  if (hash.length !== 32) return invalid(`its hash has ${hash.length} bytes, not 32`)
  const [url, expirySeconds, size] = [fromUtf8(urlBytes), numberIn(expiry), numberIn(sizeBytes)]
  if (url === undefined || expirySeconds === undefined || size === undefined)
    return invalid('its URL is not UTF-8, or its time or size not a variable-length integer')
  const sound = said({ hostIdentityKey: toHex(identity), hash: toHex(hash), url, expirySeconds, size })
  if (!sound.ok) return sound
  const owner = anyoneVerifyingKey(identity, PROTOCOL, KEY_ID)
  const signed = concat(identity, hash, urlBytes, expiry, sizeBytes)
  if (owner === undefined || !verifyBy(owner, signed, signature))
    return invalid('its host has not signed it for anyone to see, or not in strict DER with a low S')
  if (!sameBytes(key, owner)) return invalid('it is not locked to its host')
  return sound
}

function said(advert: UhrpAdvert): Outcome<UhrpAdvert> {
  const { url, expirySeconds, size } = advert
  if (url.length > UHRP_LOCATION_CHARS_MAX || !/^[!-~]+$/.test(url))
    return invalid(`its URL is not 1 to ${UHRP_LOCATION_CHARS_MAX} characters of visible ASCII`)
  if (readContentUrl(url) === undefined)
    return invalid('its URL is not one that content is fetched from: https, with a host and no user')
  if (expirySeconds < EXPIRY_SECONDS_MIN)
    return invalid('it expires on the first day of 1970; its time is in seconds since then')
  return size >= 1 ? accepted(advert) : invalid('its content has no bytes')
}

function numberIn(bytes: Uint8Array): number | undefined {
  const read = readWhole(bytes, 'token-invalid', from => from.varInt())
  return read.ok ? read.value : undefined
}

function invalid(why: string): Outcome<never> {
  return refused('token-invalid', why)
}

const none = new Uint8Array(0)
