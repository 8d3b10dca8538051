import type { IncomingHttpHeaders } from 'node:http'
import { sha256Hex } from '#sha256'
import type { RequestNonces } from '../../adapters/auth/request-nonces.ts'
import type { Registry } from '../../adapters/registry/registry.ts'
import { verifyRequest } from '../../contract/request-signature.ts'
import type { Source } from '../../core/registry/source.ts'
import type { Arrived } from '../../ingest/arrived.ts'
import type { Problem } from '../problem.ts'
import { verifyWebhook } from './standard-webhook.ts'

/** What a signature is about, as it came. */
export type SignedAs = {
  readonly target: string
  readonly headers: IncomingHttpHeaders
  /** Undefined where a parser has had them, and only what it made of them is left. */
  readonly bytes: Uint8Array | undefined
  /** Proven under BRC-104, whoever that is. */
  readonly provenKey?: string
}

export type Sender = {
  readonly authenticated: Arrived['authenticated']
  /** Of a signed message that is sent again under the same id. */
  readonly messageId?: string
}

export type SenderDeps = {
  readonly registry: Pick<Registry, 'secrets'>
  readonly nonces: Pick<RequestNonces, 'use'>
  readonly identityRequired: boolean
  readonly signatureTtlSeconds: number
  now(): number
}

/** What keeps a source from writing here whatever it sends: known before a body is read. */
export function againstSource(source: Source, { identityRequired }: Pick<SenderDeps, 'identityRequired'>) {
  const provesIdentity = source.authentication === 'legacy' || source.authentication === 'brc104'
  if (provesIdentity && source.identityKey === undefined)
    return problem('identity-required', `source "${source.sourceId}" has no identity key registered`)
  if (identityRequired && !provesIdentity)
    return problem(
      'identity-required',
      `this node takes events of proven identities alone, and source "${source.sourceId}" proves none`,
    )
  return undefined
}

/** Whether the source itself has sent this; `Problem`: not that anybody could tell. */
export async function proveSender(
  source: Source,
  signed: SignedAs,
  deps: SenderDeps,
): Promise<Sender | Problem> {
  if (source.authentication === 'none') return { authenticated: 'none' }
  if (source.authentication === 'brc104') return provenIdentity(source, signed.provenKey)
  const { bytes } = signed
  if (bytes === undefined)
    return problem(
      'raw-body-missing',
      `source "${source.sourceId}" signs its bytes, and a body parser of this app has read them before this route could`,
    )
  const proven =
    source.authentication === 'hmac'
      ? await provenWebhook(source, signed.headers, bytes, deps)
      : await provenRequest(source, signed, bytes, deps)
  if ('code' in proven && proven.code === 'signature-invalid')
    return { ...proven, more: { bodySha256: sha256Hex(bytes) } }
  return proven
}

function provenIdentity(source: Source, provenKey: string | undefined): Sender | Problem {
  if (provenKey === undefined)
    return problem(
      'signature-missing',
      `source "${source.sourceId}" proves its identity with BRC-103/104, and the request has no x-bsv-auth headers`,
    )
  return provenKey === source.identityKey ? { authenticated: 'identity' } : otherIdentity(source, provenKey)
}

async function provenWebhook(
  { sourceId }: Source,
  headers: IncomingHttpHeaders,
  bytes: Uint8Array,
  { registry, now }: SenderDeps,
): Promise<Sender | Problem> {
  const message = verifyWebhook(headers, bytes, await registry.secrets(sourceId), now())
  return 'code' in message ? message : { authenticated: 'hmac', messageId: message.id }
}

async function provenRequest(
  source: Source,
  { target, headers }: SignedAs,
  body: Uint8Array,
  { nonces, now, signatureTtlSeconds }: SenderDeps,
): Promise<Sender | Problem> {
  const given = (name: string) => String(headers[name] ?? '')
  const missing = ['x-identity-key', 'x-nonce', 'x-signature'].find(name => given(name) === '')
  if (missing !== undefined)
    return problem(
      'signature-missing',
      `source "${source.sourceId}" signs with X-Identity-Key, X-Nonce and X-Signature, and ${missing} is missing`,
    )
  const version = { '': 1, 1: 1, 2: 2 }[given('x-signature-version')]
  if (version !== 1 && version !== 2)
    return problem('bad-request', 'X-Signature-Version is neither 1 nor 2, the versions there are')
  // Version 1 covers the body alone: what stands in a query could be anybody's.
  if (version === 1 && target.includes('?'))
    return problem(
      'bad-request',
      'a signature of version 1 does not cover the query; leave the query out, or sign with X-Signature-Version: 2',
    )
  const identityKey = given('x-identity-key')
  if (identityKey !== source.identityKey) return otherIdentity(source, identityKey.slice(0, 66))
  const nonce = given('x-nonce')
  const signed = { method: 'POST', path: target, nonce, body, version, identityKey } as const
  const window = { nowMs: now(), windowSeconds: signatureTtlSeconds }
  const verified = verifyRequest({ ...signed, signature: given('x-signature') }, window)
  if (!verified.ok)
    return isOutOfTime(nonce, window)
      ? problem('signature-expired', verified.fault.detail)
      : problem('signature-invalid', `${verified.fault.detail}; was the body re-serialised?`)
  // Only now, so that nobody without the key can use nonces up.
  if ((await nonces.use(verified.value)) === 'repeated')
    return problem('signature-replayed', 'X-Nonce was used with this key before')
  return { authenticated: 'identity' }
}

function isOutOfTime(
  nonce: string,
  { nowMs, windowSeconds }: { nowMs: number; windowSeconds: number },
): boolean {
  return /^\d{19}$/.test(nonce) && Math.abs(nowMs - Number(nonce.slice(0, -6))) > 1000 * windowSeconds
}

/** Nobody learns of a tenant's source who does not belong to it. */
function otherIdentity(source: Source, identityKey: string): Problem {
  return source.tenantId === undefined
    ? problem(
        'identity-mismatch',
        `"${identityKey}" is not the identity key that source "${source.sourceId}" is registered with`,
      )
    : noSource(source.sourceId)
}

export function noSource(sourceId: string): Problem {
  return problem(
    'source-not-found-or-disabled',
    `source "${sourceId.slice(0, 256)}" is not registered or not enabled`,
  )
}

function problem(code: Problem['code'], detail: string): Problem {
  return { code, detail }
}
