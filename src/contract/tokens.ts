import { isPublicKey } from '#curve'
import { sha256Hex } from '#sha256'
import { concat, fromUtf8, knownHex, sameBytes, toHex, utf8 } from '../core/bytes.ts'
import { digestHex } from '../core/digest.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import type { BodyCodec } from './body.ts'
import { anyoneSigningKey, anyoneVerifyingKey, signDetached, verifyBy } from './keys.ts'
import { againstOperatorWord, type OperatorWord } from './operator.ts'
import { remembering } from './remember.ts'
import { readLock, tokenLock } from './script.ts'
import {
  advertBody,
  certificateBody,
  eventsBody,
  jobBody,
  resultBody,
  type TokenBodies,
} from './token-bodies.ts'

/**
 * A token is an output with five pushes: tag, issuer's identity key, subject, body, and the issuer's `anyone`
 * signature over the four before it. Only the body varies in length, so no byte can move from one push to the
 * next under the same signature.
 */
export type Token = TokenOf<TokenTag>
export type TokenTag = keyof TokenBodies
export type TokenOf<Tag extends TokenTag> = {
  readonly [T in Tag]: {
    readonly tag: T
    readonly issuer: string
    /** 32 bytes in hex: what the token is about, and the key id of its signature and its lock. */
    readonly subject: string
    readonly body: TokenBodies[T]
  }
}[Tag]

export type Issuer = { readonly identityKey: string; readonly privateKey: Uint8Array }

/** The locking script of a token of our own: signed by its issuer, locked to its receiver. */
export function tokenScript<Tag extends TokenTag>(
  tag: Tag,
  issuer: Issuer,
  subject: string,
  body: TokenBodies[Tag],
): Uint8Array {
  const signed = [utf8(tag), knownHex(issuer.identityKey), knownHex(subject), kinds[tag].codec.encode(body)]
  const signature = signDetached(issuer.privateKey, kinds[tag].protocol, subject, concat(...signed))
  const lock = lockKey(tag, subject, kinds[tag].receiver(body, issuer.identityKey))
  if (lock === undefined) throw new Error(`the receiver of this ${tag} has no public key`)
  return tokenLock(lock, [...signed, signature])
}

/** The private key that spends a token, for the receiver it is locked to. */
export function spendingKey(tag: TokenTag, subject: string, receiverPrivateKey: Uint8Array): Uint8Array {
  return anyoneSigningKey(receiverPrivateKey, kinds[tag].protocol, subject)
}

/** Which token an output means to be, from its first bytes; whether it is one, readToken says. */
export function tagOf(script: Uint8Array): TokenTag | undefined {
  if (script[0] !== 33 || script[34] !== 0xac || script[35] !== 4) return undefined
  const tag = fromUtf8(script.subarray(36, 40))
  return isTag(tag) ? tag : undefined
}

/**
 * The token in a locking script, with everything about it checked that needs no other output: its form, its
 * issuer's signature, its operator's word, what its subject commits to, and that its receiver alone spends it.
 */
export function readToken(script: Uint8Array): Outcome<Token> {
  const lock = readLock(script)
  if (lock?.kind !== 'token') return invalid('the script is not a token of five pushes')
  const [tagBytes = none, issuerKey = none, subjectBytes = none, bodyBytes = none, signature = none] =
    lock.fields
  const tag = fromUtf8(tagBytes)
  if (!isTag(tag)) return invalid(`its tag is not one of ${Object.keys(kinds).join(', ')}`)
  if (!isPublicKey(issuerKey)) return invalid('its issuer is not a compressed public key')
  if (subjectBytes.length !== 32) return invalid(`its subject has ${subjectBytes.length} bytes, not 32`)
  const issuer = toHex(issuerKey)
  const subject = toHex(subjectBytes)

  const read = readBody(tag, issuer, subject, bodyBytes)
  if (!read.ok) return read
  const signed = concat(tagBytes, issuerKey, subjectBytes, bodyBytes)
  const signer = lockKey(tag, subject, issuer)
  if (signer === undefined || !verifyBy(signer, signed, signature))
    return invalid('its issuer has not signed it, or not in strict DER with a low S')
  const { receiver } = read.value
  const expected = receiver === issuer ? signer : lockKey(tag, subject, receiver)
  if (expected === undefined || !sameBytes(lock.key, expected))
    return invalid('it is not locked to its receiver, with a key that anybody can recompute')
  return accepted(read.value.token)
}

type Kind<Tag extends TokenTag> = {
  readonly protocol: string
  readonly codec: BodyCodec<TokenBodies[Tag]>
  /** Identity key whose owner alone spends it. */
  receiver(body: TokenBodies[Tag], issuer: string): string
  /** What its body says against its envelope, or against itself. */
  against?(body: TokenBodies[Tag], issuer: string, subject: string): string | undefined
}

const kinds: { readonly [Tag in TokenTag]: Kind<Tag> } = {
  GDE1: {
    protocol: 'gitdata event batch',
    codec: eventsBody,
    receiver: (_, issuer) => issuer,
    against: ({ bytes }, _, subject) =>
      bytes !== undefined && sha256Hex(bytes) !== subject
        ? 'its subject is not the hash of the events in it'
        : undefined,
  },
  GDJ1: {
    protocol: 'gitdata event job',
    codec: jobBody,
    receiver: body => body.agentKey,
    against(body, issuer) {
      const word = operatorWord(body)
      if (word !== undefined) return againstOperatorWord(word, body.agentKey, body.deadlineMs)
      return body.agentKey === issuer ? undefined : 'it is a thread whose agent is not its issuer'
    },
  },
  GDR1: {
    protocol: 'gitdata event result',
    codec: resultBody,
    receiver: body => body.coordinator,
  },
  GDC1: {
    protocol: 'gitdata event certificate',
    codec: certificateBody,
    receiver: (_, issuer) => issuer,
  },
  GDA1: {
    protocol: 'gitdata agent advert',
    codec: advertBody,
    receiver: (_, issuer) => issuer,
    against: (body, issuer, subject) =>
      subject === agentSubject(issuer)
        ? againstOperatorWord(body, issuer, body.expiresMs)
        : 'its subject is not that of its agent',
  },
}

/** BRC-43: issuers sign tokens under it with counterparty `anyone`, the subject as key id. */
export function protocolOf(tag: TokenTag): string {
  return kinds[tag].protocol
}

/** Subject of an agent's advert: one agent, one subject, whatever the advert says. */
export function agentSubject(agentKey: string): string {
  return digestHex('assay:agent:1', knownHex(agentKey))
}

/** Undefined for a thread. */
export function operatorWord(body: TokenBodies['GDJ1']): OperatorWord | undefined {
  const { operator, operatorSig, operatorFromMs, operatorToMs } = body
  if (operator === undefined || operatorSig === undefined) return undefined
  if (operatorFromMs === undefined || operatorToMs === undefined) return undefined
  return { operator, operatorSig, operatorFromMs, operatorToMs }
}

function readBody<Tag extends TokenTag>(
  tag: Tag,
  issuer: string,
  subject: string,
  bytes: Uint8Array,
): Outcome<{ token: Token; receiver: string }> {
  const kind: Kind<Tag> = kinds[tag]
  const decoded = kind.codec.decode(bytes)
  if (!decoded.ok) return decoded
  const body = decoded.value
  const why = kind.against?.(body, issuer, subject)
  if (why !== undefined) return invalid(why)
  // The compiler cannot follow that tag and body came from one row of `kinds`.
  const token = { tag, issuer, subject, body } as unknown as Token
  return accepted({ token, receiver: kind.receiver(body, issuer) })
}

/** Signs for its owner, and locks to its owner: one pair serves as both. */
const lockKey = remembering(
  (tag: TokenTag, subject: string, owner: string) =>
    anyoneVerifyingKey(knownHex(owner), kinds[tag].protocol, subject),
  (tag, subject, owner) => `${tag} ${subject} ${owner}`,
)

function isTag(text: string | undefined): text is TokenTag {
  return text !== undefined && Object.hasOwn(kinds, text)
}

function invalid(why: string): Outcome<never> {
  return refused('token-invalid', why)
}

const none = new Uint8Array(0)
