import * as z from 'zod'
import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { readBounded } from '../../runtime/read-bounded.ts'

/** Questions to another process over HTTP, bounded in time and size. */
export type ChainClient = {
  getJson<Answer extends z.ZodType>(path: string, answer: Answer): Promise<z.output<Answer>>
  getBytes(path: string, bytesMax: number): Promise<Uint8Array>
  /** `answers`: by status. Any other status is no word, and throws. */
  post<Answer extends z.ZodType>(
    path: string,
    body: Posted,
    answers: Readonly<Record<number, Answer>>,
  ): Promise<z.output<Answer>>
}

type Posted =
  | { readonly type: 'application/json'; readonly body: string }
  | { readonly type: 'application/octet-stream'; readonly body: Uint8Array<ArrayBuffer> }

export type ChainClientOptions = {
  /** Where the routes are mounted, such as http://localhost:8080/chain */
  readonly url: string
  readonly timeoutMs: number
}

/** A thousand statuses with proofs from large blocks are about 1 MB. */
const JSON_BYTES_MAX = 4 * 1024 * 1024

export function openChainClient({ url, timeoutMs }: ChainClientOptions): ChainClient {
  const base = url.replace(/\/+$/, '')

  async function ask(path: string, request: RequestInit, bytesMax: number) {
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const response = await fetch(base + path, { ...request, redirect: 'error', signal: timeout })
      return { status: response.status, body: await readBounded(response, bytesMax, timeout) }
    } catch (error) {
      const why = timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)
      throw new Error(`${base}${path}: ${why}. Is the process that owns the local chain running?`, {
        cause: error,
      })
    }
  }
  function parse<Answer extends z.ZodType>(path: string, body: Uint8Array, answer: Answer): z.output<Answer> {
    const parsed = answer.safeParse(orThrow(parseJson(body, JSON_BYTES_MAX)))
    if (parsed.success) return parsed.data
    throw new Error(`${base}${path} does not answer as a local chain does: ${z.prettifyError(parsed.error)}`)
  }
  const unexpected = (path: string, status: number, body: Uint8Array) =>
    new Error(`${base}${path} answers ${status}: ${new TextDecoder().decode(body.subarray(0, 300))}`)

  return {
    async getJson(path, answer) {
      const { status, body } = await ask(path, {}, JSON_BYTES_MAX)
      if (status !== 200) throw unexpected(path, status, body)
      return parse(path, body, answer)
    },
    async getBytes(path, bytesMax) {
      const { status, body } = await ask(path, { headers: { accept: 'application/octet-stream' } }, bytesMax)
      if (status !== 200) throw unexpected(path, status, body)
      return body
    },
    async post(path, { type, body }, answers) {
      const request = { method: 'POST', headers: { 'content-type': type }, body }
      const answer = await ask(path, request, JSON_BYTES_MAX)
      const shape = answers[answer.status]
      if (shape === undefined) throw unexpected(path, answer.status, answer.body)
      return parse(path, answer.body, shape)
    },
  }
}

/** fetch says only "fetch failed"; what failed is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}
