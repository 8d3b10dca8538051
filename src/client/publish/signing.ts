import { publicKeyOf } from '#curve'
import { readPrivateKey } from '../../contract/private-key.ts'
import { type RequestSignatureVersion, signRequest } from '../../contract/request-signature.ts'
import { concat, toHex, utf8 } from '../../core/bytes.ts'

/** How a source shows that a request is its own: docs/ingest.md. */
export type Signing =
  | { readonly by: 'none' }
  /** Standard Webhooks: a live secret of the source, `whsec_` and base64. */
  | { readonly by: 'hmac'; readonly secret: string }
  /** The source's own key: 64 hex digits, or WIF. Version 2, which covers method and path too, where nothing is said. */
  | { readonly by: 'legacy'; readonly privateKey: string; readonly version?: RequestSignatureVersion }
  /** BRC-103/104, which whoever calls has a client for: `(url, init) => authFetch.fetch(url, init)`, of the stock SDK. */
  | { readonly by: 'brc104'; readonly fetch: SignedFetch }

/** As the stock SDK's `AuthFetch` has it, which signs no other headers than Content-Type. */
export type SignedFetch = (
  url: string,
  request: {
    readonly method: string
    readonly headers: Record<string, string>
    readonly body?: string
  },
) => Promise<Response>

export type Signable = {
  readonly method: string
  /** As on the request line, query included. */
  readonly path: string
  /** The same for every try, so that a repetition is known for one. */
  readonly key: string
  readonly body: Uint8Array
}

/** The headers that sign one try; each try has its own time. */
export type Sign = (request: Signable) => Promise<Record<string, string>>

/** Throws where a secret or a key is none. */
export function signerOf(signing: Signing, now: () => number): Sign {
  switch (signing.by) {
    case 'none':
      return async ({ key }) => ({ 'Idempotency-Key': key })
    case 'hmac':
      return webhookSigner(signing.secret, now)
    case 'legacy':
      return legacySigner(signing.privateKey, signing.version ?? 2, now)
    case 'brc104':
      return async () => ({})
  }
}

function webhookSigner(secret: string, now: () => number): Sign {
  const [, base64 = ''] = /^(?:whsec_)?([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
  if (base64 === '')
    throw new TypeError('the secret is not whsec_ and base64, as it was shown when it was made')
  const bytes = Uint8Array.from(atob(base64), char => char.charCodeAt(0))
  const importing = crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  // Whoever signs first is told what is wrong with it.
  importing.catch(() => undefined)
  return async ({ key, body }) => {
    const timestamp = String(Math.floor(now() / 1000))
    const signed = concat(utf8(`${key}.${timestamp}.`), body)
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', await importing, new Uint8Array(signed)))
    return {
      'webhook-id': key,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${btoa(String.fromCharCode(...mac))}`,
    }
  }
}

function legacySigner(text: string, version: RequestSignatureVersion, now: () => number): Sign {
  const key = readPrivateKey(text)
  if (key === undefined) throw new TypeError('the private key is neither 64 hex digits nor WIF')
  const { privateKey } = key
  const identityKey = toHex(publicKeyOf(privateKey))
  let lastNanos = 0n
  return async ({ method, path, body, key: idempotencyKey }) => {
    // A nonce is good once, and several may fall into one millisecond.
    const nanos = BigInt(now()) * 1_000_000n
    lastNanos = nanos > lastNanos ? nanos : lastNanos + 1n
    const nonce = String(lastNanos).padStart(19, '0')
    return {
      'Idempotency-Key': idempotencyKey,
      'X-Identity-Key': identityKey,
      'X-Nonce': nonce,
      'X-Signature': signRequest({ method, path, nonce, body }, version, privateKey),
      ...(version === 2 && { 'X-Signature-Version': '2' }),
    }
  }
}
