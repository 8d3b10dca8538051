import * as z from 'zod'
import { isPublicKey } from '#curve'
import { fromHex, knownHex, toHex, u64be } from '../core/bytes.ts'
import { digest } from '../core/digest.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { signDetached, verifyDetached } from './keys.ts'
import type { Issuer } from './tokens.ts'

/**
 * One key handing over to the next, signed by both: by the old one, so that nobody else names its heir, and by the new
 * one, so that nobody is named against their will. What the old key has signed stays signed by it.
 */
export type KeySuccession = {
  readonly kind: SuccessionKind
  /** Identity keys. */
  readonly from: string
  readonly to: string
  readonly atMs: number
  /** Hex of strict DER. */
  readonly signatureOfOld: string
  readonly signatureOfNew: string
}

/** Whose keys have heirs. A log's has none: a new key is a new log. */
export const successionKinds = ['node', 'agent', 'operator'] as const
export type SuccessionKind = (typeof successionKinds)[number]

const protocol = 'gitdata key succession'

export function signSuccession(kind: SuccessionKind, from: Issuer, to: Issuer, atMs: number): KeySuccession {
  const said = { kind, from: from.identityKey, to: to.identityKey, atMs }
  const sign = ({ privateKey }: Issuer) => toHex(signDetached(privateKey, protocol, kind, statement(said)))
  return { ...said, signatureOfOld: sign(from), signatureOfNew: sign(to) }
}

const key = z.string().refine(text => {
  const bytes = fromHex(text)
  return bytes !== undefined && isPublicKey(bytes)
}, 'not a compressed public key in lower-case hex')
const signature = z.string().regex(/^([0-9a-f]{2}){8,72}$/, 'not a signature in lower-case hex')

const succession = z.strictObject({
  kind: z.enum(successionKinds),
  from: key,
  to: key,
  atMs: z.int().min(0),
  signatureOfOld: signature,
  signatureOfNew: signature,
})

export function readSuccession(value: unknown): Outcome<KeySuccession> {
  const read = succession.safeParse(value)
  if (!read.success) {
    const [issue] = read.error.issues
    return refused(
      'message-invalid',
      `a key succession: ${issue?.message ?? 'unreadable'}`,
      `/${issue?.path.join('/') ?? ''}`,
    )
  }
  const { kind, from, to, signatureOfOld, signatureOfNew } = read.data
  const holds = (owner: string, hex: string) =>
    verifyDetached(knownHex(owner), protocol, kind, statement(read.data), knownHex(hex))
  if (!holds(from, signatureOfOld))
    return refused('signature-invalid', `${from} has not signed this succession`)
  if (!holds(to, signatureOfNew)) return refused('signature-invalid', `${to} has not signed this succession`)
  return accepted(read.data)
}

/** Whether these, in order, lead from one key to another. */
export function leadsTo(successions: readonly KeySuccession[], from: string, to: string): boolean {
  let at = from
  for (const step of successions) {
    if (step.from !== at || !readSuccession(step).ok) return false
    at = step.to
  }
  return at === to
}

type Said = Pick<KeySuccession, 'kind' | 'from' | 'to' | 'atMs'>

function statement({ kind, from, to, atMs }: Said): Uint8Array {
  return digest('assay:key-succession:1', kind, knownHex(from), knownHex(to), u64be(atMs))
}
