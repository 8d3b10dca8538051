import * as z from 'zod'
import { toHex } from '../../../core/bytes.ts'
import { type ArcAnswer, arcAnswer } from './arc-word.ts'
import { type Answer, ask, parseLoosely, placeOf, under } from './ask.ts'

export type ArcOptions = {
  /** Where ARC is, without the /v1. */
  readonly url: string
  readonly apiKey?: string | undefined
  /** Where it reports what becomes of a transaction, and what it shows there. */
  readonly callback?: { readonly url: string; readonly token: string } | undefined
  readonly timeoutMs?: number
}

export type ArcClient = {
  readonly name: string
  /** In any of the formats that it takes. What it says of each, by txid, and of the request as a whole. */
  submit(transactions: readonly Uint8Array[]): Promise<readonly ArcAnswer[]>
  /** Undefined where it does not know the transaction. */
  statusOf(txid: string): Promise<ArcAnswer | undefined>
}

/** So long ARC waits for the network's word before it answers with less. */
const WAIT_SECONDS = 5
/** Five hundred answers, some of them with paths from large blocks. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024

export function openArc({ url, apiKey, callback, timeoutMs = 20_000 }: ArcOptions): ArcClient {
  const name = `ARC at ${placeOf(new URL(url))}`
  const headers = {
    Accept: 'application/json',
    ...(apiKey !== undefined && { Authorization: `Bearer ${apiKey}` }),
  }
  const submitHeaders = {
    ...headers,
    'Content-Type': 'application/json',
    'X-WaitFor': 'SEEN_ON_NETWORK',
    'X-MaxTimeout': String(WAIT_SECONDS),
    ...(callback !== undefined && {
      'X-CallbackUrl': callback.url,
      'X-CallbackToken': callback.token,
      // Else it tells of the end only, and not that an orphan's parents have come or that there is a rival.
      'X-FullStatusUpdates': 'true',
    }),
  }
  const bounds = { timeoutMs, answerBytesMax: ANSWER_BYTES_MAX }

  function parse<Shape extends z.ZodType>({ text }: Answer, shape: Shape): z.output<Shape> {
    const read = shape.safeParse(parseLoosely(text))
    if (read.success) return read.data
    throw new Error(`${name} does not answer as published: ${z.prettifyError(read.error).slice(0, 500)}`)
  }

  return {
    name,
    async submit(transactions) {
      const body = JSON.stringify(transactions.map(bytes => ({ rawTx: toHex(bytes) })))
      const answer = await ask(under(url, '/v1/txs'), {
        method: 'POST',
        headers: submitHeaders,
        body,
        ...bounds,
      })
      if (answer.status === 200) return parse(answer, z.array(arcAnswer))
      // One error for all of them, numbered as ARC does.
      if (answer.status >= 460 && answer.status < 480)
        return [{ status: answer.status, ...parse(answer, arcAnswer) }]
      throw refusal(name, answer)
    },
    async statusOf(txid) {
      const answer = await ask(under(url, `/v1/tx/${txid}`), { headers, ...bounds })
      if (answer.status === 404) return undefined
      if (answer.status !== 200) throw refusal(name, answer)
      return parse(answer, arcAnswer)
    },
  }
}

function refusal(name: string, { status, text }: Answer): Error {
  const hint = status === 401 || status === 403 ? '; ARC_API_KEY is not one that it takes' : ''
  return new Error(`${name} answers ${status}${hint}: ${text.slice(0, 300)}`)
}
