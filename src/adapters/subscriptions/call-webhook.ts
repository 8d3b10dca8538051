import { createHmac } from 'node:crypto'
import { fromUtf8 } from '../../core/bytes.ts'
import type { Answer } from '../../serve/subscriptions/after-answer.ts'
import type { AskConsent, PostWebhook } from '../../serve/subscriptions/ports.ts'
import { type Outgoing, type OutgoingAnswer, OutgoingError } from '../outgoing/outgoing.ts'

export type CallWebhookDeps = {
  readonly outgoing: Outgoing
  /** The newest first. */
  secretsOf(subscriptionId: string): Promise<readonly Uint8Array[]>
  readonly answerMsMax: number
  /** Who asks for consent, by a name of DNS. */
  readonly origin: string
  now(): number
}

/** Nothing rests on what a receiver says but its status; a little of it is shown to the owner. */
const ANSWER_BYTES_MAX = 4 * 1024
const SHOWN_CHARS_MAX = 200

/** Standard Webhooks: each live secret signs, so that a receiver may hold any of them while they are changed. */
export function openPostWebhook({ outgoing, secretsOf, answerMsMax, now }: CallWebhookDeps): PostWebhook {
  return async ({ subscriptionId, callbackUrl }, { webhookId, contentType, bytes }, stop) => {
    const secrets = await secretsOf(subscriptionId)
    const timestamp = String(Math.floor(now() / 1000))
    const signatures = secrets.map(
      secret =>
        `v1,${createHmac('sha256', secret).update(`${webhookId}.${timestamp}.`).update(bytes).digest('base64')}`,
    )
    return answerOf(
      outgoing(callbackUrl, {
        method: 'POST',
        headers: {
          'content-type': contentType,
          'user-agent': 'assay',
          'webhook-id': webhookId,
          'webhook-timestamp': timestamp,
          'webhook-signature': signatures.join(' '),
        },
        body: bytes,
        ...{ answerMsMax, answerBytesMax: ANSWER_BYTES_MAX, mayCutAnswer: true, stop },
      }),
      now,
    )
  }
}

/** The handshake of CloudEvents' HTTP 1.1 webhooks: whoever does not allow our origin is sent nothing. */
export function openAskConsent({ outgoing, origin, answerMsMax, now }: CallWebhookDeps): AskConsent {
  return async (callbackUrl, stop) => {
    let allowed: OutgoingAnswer | undefined
    const answer = await answerOf(
      outgoing(callbackUrl, {
        method: 'OPTIONS',
        headers: { 'user-agent': 'assay', 'webhook-request-origin': origin },
        ...{ answerMsMax, answerBytesMax: ANSWER_BYTES_MAX, mayCutAnswer: true, stop },
      }).then(given => {
        allowed = given
        return given
      }),
      now,
    )
    const said = allowed?.headers.get('webhook-allowed-origin')
    if (allowed === undefined || allowed.status < 200 || allowed.status > 299)
      return { ...answer, given: false, why: `asked for its consent, ${answer.why}` }
    if (said !== '*' && said?.toLowerCase() !== origin.toLowerCase())
      return {
        ...answer,
        given: false,
        why: `asked for its consent, it has not answered with WebHook-Allowed-Origin: ${origin}, or *`,
      }
    const rate = allowed.headers.get('webhook-allowed-rate') ?? ''
    return { given: true, ratePerMinute: /^[1-9]\d{0,8}$/.test(rate) ? Number(rate) : null }
  }
}

async function answerOf(calling: Promise<OutgoingAnswer>, now: () => number): Promise<Answer> {
  try {
    const { status, headers, body } = await calling
    const said = (fromUtf8(body) ?? '').replace(/[^ -~]+/g, ' ').trim()
    const shown = said === '' ? '' : `: ${said.slice(0, SHOWN_CHARS_MAX)}`
    return {
      status,
      retryAfterMs: readRetryAfter(headers.get('retry-after'), now()),
      why: `it answered ${status}${shown}`,
    }
  } catch (error) {
    if (!(error instanceof OutgoingError)) throw error
    return { status: error.status, retryAfterMs: undefined, why: error.message }
  }
}

/** In seconds, or a date; undefined where it is neither. */
function readRetryAfter(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
