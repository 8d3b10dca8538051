import { fromUtf8 } from '../../../core/bytes.ts'
import { readBounded } from '../../../runtime/read-bounded.ts'
import { withAnyOf } from '../../../runtime/with-any-of.ts'

export type Question = {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly answerBytesMax: number
  readonly signal?: AbortSignal
}

export type Answer = { readonly status: number; readonly text: string }

/** Asks a service that a setting names: bounded in time and size, never redirected. Throws where no answer comes. */
export async function ask(url: URL, question: Question): Promise<Answer> {
  const { method = 'GET', headers = {}, body, timeoutMs, answerBytesMax, signal } = question
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    return await withAnyOf([timeout, signal], async stop => {
      const response = await fetch(url, {
        method,
        headers,
        redirect: 'error',
        signal: stop,
        ...(body !== undefined && { body }),
      })
      const text = fromUtf8(await readBounded(response, answerBytesMax, stop))
      if (text === undefined) throw new Error('the answer is not UTF-8')
      return { status: response.status, text }
    })
  } catch (error) {
    const why = timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)
    throw new Error(`${placeOf(url)}: ${why}`, { cause: error })
  }
}

/** The address as it may be shown: what stands before the @ or behind the ? may be a secret. */
export function placeOf({ origin, pathname }: URL): string {
  return origin + pathname
}

/** A service's address with a path of its API behind it, whether or not it ends with a slash. */
export function under(base: string, path: string): URL {
  return new URL(base.replace(/\/+$/, '') + path)
}

/**
 * Numbers may lose digits: these services write some that are larger than a double holds, in members that nobody
 * here reads. Our own strict reader would refuse the answer for them.
 */
export function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`the answer is not JSON: ${text.slice(0, 200)}`, { cause: error })
  }
}

/** fetch says only "fetch failed"; what failed is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}
