import { isPublicKey } from '#curve'
import { concat, fromUtf8, knownHex, sameBytes, toHex, utf8 } from '../core/bytes.ts'
import { accepted, type Outcome, orThrow, refused } from '../core/fault.ts'
import { HOST_ADDRESS_CHARS_MAX, readHostAddress } from './host-address.ts'
import { anyoneSigningKey, anyoneVerifyingKey, signDetached, verifyBy } from './keys.ts'
import { dottedNameOf } from './names.ts'
import { readOnce } from './read-once.ts'
import { readLock, tokenLock } from './script.ts'
import type { Issuer } from './tokens.ts'

/** BRC-88: whoever has this identity hosts a topic (SHIP) or a lookup service (SLAP) at this address. */
export type HostAdvert = {
  readonly kind: HostAdvertKind
  readonly identityKey: string
  /** As its owner spells it. */
  readonly domain: string
  /** The topic or lookup service. */
  readonly name: string
}
export type HostAdvertKind = (typeof hostAdvertKinds)[number]
export const hostAdvertKinds = ['SHIP', 'SLAP'] as const

/**
 * The locking script of an advert: byte for byte what a stock wallet's PushDrop locks for `anyone`, for itself. Throws
 * over a domain or a name that nobody would admit.
 */
export function hostAdvertScript(
  kind: HostAdvertKind,
  issuer: Issuer,
  domain: string,
  name: string,
): Uint8Array {
  orThrow(said(kind, domain, name))
  const signed = [utf8(kind), knownHex(issuer.identityKey), utf8(domain), utf8(name)]
  const signature = signDetached(issuer.privateKey, protocols[kind], KEY_ID, concat(...signed))
  const lock = lockKey(kind, knownHex(issuer.identityKey))
  if (lock === undefined) throw new Error('the identity key of this advert’s issuer is no public key')
  return tokenLock(lock, [...signed, signature])
}

/** The private key that spends an advert, which withdraws it. */
export function hostAdvertSpendingKey(kind: HostAdvertKind, privateKey: Uint8Array): Uint8Array {
  return anyoneSigningKey(privateKey, protocols[kind], KEY_ID)
}

/**
 * The advert in a locking script, with all that can be checked without another output: its form, its owner's signature
 * in strict DER with a low S, and that its owner alone spends it. Whether a host takes an address that only it itself
 * can reach is for the host to say (host-address.ts).
 */
export const readHostAdvert: (script: Uint8Array) => Outcome<HostAdvert> = readOnce(readAnew)

/** Which advert an output means to be, from its first bytes; whether it is one, readHostAdvert says. */
export function hostAdvertKindOf(script: Uint8Array): HostAdvertKind | undefined {
  if (script[0] !== 33 || script[34] !== 0xac || script[35] !== 4) return undefined
  return kindOf(script.subarray(36, 40))
}

const KEY_ID = '1'
/** Of a script: its domain, and less than that for everything else. */
const ADVERT_BYTES_MAX = 2 * HOST_ADDRESS_CHARS_MAX
const protocols = { SHIP: 'service host interconnect', SLAP: 'service lookup availability' } as const
const prefixes = { SHIP: 'tm_', SLAP: 'ls_' } as const

function readAnew(script: Uint8Array): Outcome<HostAdvert> {
  if (script.length > ADVERT_BYTES_MAX) return invalid(`the script has more than ${ADVERT_BYTES_MAX} bytes`)
  const lock = readLock(script)
  if (lock?.kind !== 'token') return invalid('the script is not an advert of five pushes')
  const [tag = none, identity = none, domainBytes = none, nameBytes = none, signature = none] = lock.fields
  const kind = kindOf(tag)
  if (kind === undefined) return invalid(`it is not one of ${hostAdvertKinds.join(', ')}`)
  if (!isPublicKey(identity)) return invalid('its identity is not a compressed public key')
  const [domain, name] = [fromUtf8(domainBytes), fromUtf8(nameBytes)]
  if (domain === undefined || name === undefined) return invalid('its domain or its name is not UTF-8')
  const sound = said(kind, domain, name)
  if (!sound.ok) return sound
  const owner = lockKey(kind, identity)
  if (owner === undefined || !verifyBy(owner, concat(tag, identity, domainBytes, nameBytes), signature))
    return invalid('its identity has not signed it for anyone to see, or not in strict DER with a low S')
  if (!sameBytes(lock.key, owner)) return invalid('it is not locked to its identity')
  return accepted({ kind, identityKey: toHex(identity), domain, name })
}

function said(kind: HostAdvertKind, domain: string, name: string): Outcome<undefined> {
  if (readHostAddress(domain) === undefined)
    return invalid('its domain is not a base URL that hosts advertise, such as https://node.example')
  if (!name.startsWith(prefixes[kind]))
    return invalid(`its name does not begin with ${prefixes[kind]}, as in every ${kind} advert`)
  const named = dottedNameOf(name)
  return named.ok ? accepted(undefined) : named
}

function kindOf(tag: Uint8Array): HostAdvertKind | undefined {
  const text = fromUtf8(tag)
  return hostAdvertKinds.find(kind => kind === text)
}

/** Signs and spends: one pair serves as both. */
function lockKey(kind: HostAdvertKind, identity: Uint8Array): Uint8Array | undefined {
  return anyoneVerifyingKey(identity, protocols[kind], KEY_ID)
}

function invalid(why: string): Outcome<never> {
  return refused('token-invalid', why)
}

const none = new Uint8Array(0)
