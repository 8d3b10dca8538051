import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Problem } from '../problem.ts'

/** So far a sender's clock may be from ours. */
export const WEBHOOK_TOLERANCE_MS = 300_000

/** Of one message; a repetition of it carries the same id. */
export type WebhookMessage = { readonly id: string }

/**
 * Standard Webhooks: `webhook-signature` holds one or more signatures `v1,<base64>`, each an HMAC-SHA-256 of
 * `id.timestamp.body`. One that holds under one of the secrets is enough, so that either side can change its secret
 * while the other still uses the old one.
 */
export function verifyWebhook(
  headers: IncomingHttpHeaders,
  body: Uint8Array,
  secrets: readonly Uint8Array[],
  nowMs: number,
): WebhookMessage | Problem {
  const given = (name: string) => String(headers[`webhook-${name}`] ?? '')
  const [id, timestamp, signatures] = [given('id'), given('timestamp'), given('signature')]
  const missing = ['id', 'timestamp', 'signature'].find(name => given(name) === '')
  if (missing !== undefined)
    return {
      code: 'signature-missing',
      detail: `the source signs as Standard Webhooks does, and the header webhook-${missing} is missing`,
    }
  // A full stop in an id could be moved into what it is in front of.
  if (!/^[!-\-/-~]{1,256}$/.test(id))
    return {
      code: 'bad-request',
      detail: 'webhook-id is not 1 to 256 printable characters without spaces and full stops',
    }
  if (!/^\d{1,11}$/.test(timestamp))
    return { code: 'bad-request', detail: 'webhook-timestamp is not a whole number of seconds since 1970' }
  const awayMs = nowMs - 1000 * Number(timestamp)
  if (Math.abs(awayMs) > WEBHOOK_TOLERANCE_MS)
    return {
      code: 'signature-expired',
      detail: `webhook-timestamp is ${Math.round(Math.abs(awayMs) / 1000)} seconds ${awayMs > 0 ? 'behind' : 'ahead of'} this node's clock, and ${WEBHOOK_TOLERANCE_MS / 1000} are allowed`,
    }
  const candidates = signaturesIn(signatures)
  if (candidates.length === 0)
    return {
      code: 'signature-invalid',
      detail: 'webhook-signature holds no signature of version 1: v1, and 32 bytes in base64',
    }
  const wanted = secrets.map(secret =>
    createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest(),
  )
  // All of them each time: how long it takes tells nothing of which one is close.
  const holding = candidates.flatMap(seen => wanted.map(mac => timingSafeEqual(seen, mac))).filter(Boolean)
  return holding.length > 0
    ? { id }
    : {
        code: 'signature-invalid',
        detail:
          'no signature in webhook-signature holds for this id, timestamp and body under a live secret of the source; was the body re-serialised?',
      }
}

const SIGNATURES_MAX = 16

function signaturesIn(header: string): Buffer[] {
  return header
    .split(' ')
    .filter(each => each.startsWith('v1,'))
    .slice(0, SIGNATURES_MAX)
    .map(each => Buffer.from(each.slice(3), 'base64'))
    .filter(bytes => bytes.length === MAC_BYTES)
}

const MAC_BYTES = 32
