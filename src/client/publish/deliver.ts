import { fromUtf8 } from '../../core/bytes.ts'
import { readBounded } from '../../runtime/read-bounded.ts'
import { pause, pauseAfter } from '../pause.ts'
import { type Refusal, readAs, refusalOf, unreachable } from '../refusal.ts'
import { within } from '../within.ts'
import { type BatchBody, batchBody, type Destination, packed } from './batch-body.ts'
import { type ItemOutcome, ingestAnswer } from './item-outcome.ts'
import { type Signing, signerOf } from './signing.ts'

export type DeliverOptions = {
  readonly url: string
  readonly destination: Destination
  readonly signing: Signing
  readonly compress: boolean
  readonly fetch: typeof fetch
  readonly patienceMs: number
  readonly answerMs: number
  /** Told of each try that has come to nothing, and when the next one is. */
  onRetry(refusal: Refusal, againInMs: number): void
}

export type Delivered =
  | { readonly kind: 'answered'; readonly items: readonly ItemOutcome[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Resolves once a node has answered for all of these events, or nothing more is to be hoped for. */
export type Deliver = (lines: readonly Uint8Array[]) => Promise<Delivered>

const PATH = '/ingest/events'
/** Of an answer about as many events as a request may have. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024
const pauses = { firstMs: 250, longestMs: 30_000 }

/** One batch, with the same bytes and the same key at every try, until it is answered. */
export function openDeliver(options: DeliverOptions): Deliver {
  const { url, destination, signing, compress, patienceMs, onRetry } = options
  const attempt = openAttempt(options)
  // What is not signed for could be changed on the way.
  const queryIsSigned = signing.by !== 'hmac' && !(signing.by === 'legacy' && signing.version === 1)
  return async lines => {
    const plain = batchBody(lines, destination, { queryIsSigned })
    // BRC-104 does not go together with a Content-Encoding.
    const body = compress && signing.by !== 'brc104' ? await packed(plain) : plain
    const target = new URL(`${url.replace(/\/$/, '')}${PATH}${body.query}`)
    const key = randomKey()
    const untilMs = Date.now() + patienceMs
    for (let failures = 1; ; failures++) {
      const delivered = await attempt({ target, body, key, count: lines.length })
      if (delivered.kind === 'answered' || !delivered.refusal.retryable) return delivered
      const againInMs = pauseAfter(failures, Math.random(), pauses, delivered.refusal.retryAfterMs)
      if (Date.now() + againInMs > untilMs) return delivered
      onRetry(delivered.refusal, againInMs)
      await pause(againInMs)
    }
  }
}

type Try = {
  readonly target: URL
  readonly body: BatchBody
  readonly key: string
  readonly count: number
}

function openAttempt({ signing, answerMs, fetch }: DeliverOptions) {
  const sign = signerOf(signing, Date.now)
  const send = async ({ target, body, key }: Try): Promise<Response> => {
    const { bytes, contentType, contentEncoding } = body
    const method = 'POST'
    // A text, since the stock client of BRC-104 sends bytes as JSON of an object.
    if (signing.by === 'brc104')
      return signing.fetch(target.href, {
        method,
        headers: { 'Content-Type': contentType },
        body: fromUtf8(bytes) ?? '',
      })
    const signed = await sign({ method, path: target.pathname + target.search, key, body: bytes })
    const headers = {
      ...signed,
      'Content-Type': contentType,
      ...(contentEncoding && { 'Content-Encoding': contentEncoding }),
    }
    const request = { method, headers, body: new Uint8Array(bytes), redirect: 'error' } as const
    return fetch(target.href, { ...request, signal: AbortSignal.timeout(answerMs) })
  }

  const answerTo = async (given: Try): Promise<Delivered> => {
    const response = await send(given)
    if (!response.ok) return { kind: 'refused', refusal: await refusalOf(response, Date.now()) }
    const text = fromUtf8(await readBounded(response, ANSWER_BYTES_MAX)) ?? ''
    const items = readAs(ingestAnswer, text)?.items
    return items?.length === given.count
      ? { kind: 'answered', items }
      : { kind: 'refused', refusal: notAnAnswer(given.count) }
  }

  return async (given: Try): Promise<Delivered> => {
    try {
      // To its last byte: there are clients that no signal reaches.
      return await within(answerTo(given), answerMs, `the node has not answered in ${answerMs} ms`)
    } catch (error) {
      return { kind: 'refused', refusal: unreachable(error) }
    }
  }
}

function notAnAnswer(count: number): Refusal {
  return {
    code: 'not-an-answer',
    status: 200,
    detail: `the answer does not say of each of ${count} events what has become of it; is this the address of a node?`,
    retryable: false,
  }
}

/** Not `randomUUID`, which pages have only where they came over https. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
