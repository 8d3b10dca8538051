import type { Reads } from './shapes.ts'

/** What became of a question to the node. */
export type Answer<T> =
  | { readonly kind: 'there'; readonly value: T; readonly atMs: number }
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly why: string
      readonly next: string | undefined
    }
  | { readonly kind: 'unreachable'; readonly why: string }

export type Asked = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Some answers are told with another status, and are answers all the same. */
  readonly also?: readonly number[]
}

/** The node serves the portal one step below its own routes, also where a proxy puts both somewhere else. */
export function nodeUrl(path: string): string {
  return new URL(`..${path}`, new URL('./', location.href.split('#')[0])).href
}

const ANSWER_MS_MAX = 20_000

/** How something asks this node: as anybody, or as whoever has signed in. */
export type Asks = <T>(path: string, reads: Reads<T>, asked?: Asked) => Promise<Answer<T>>

/** Asks this node. A question that is not answered is a value too, in words for a person. */
export async function ask<T>(path: string, reads: Reads<T>, asked: Asked = {}): Promise<Answer<T>> {
  const { method = 'GET', body, headers = {}, signal, also = [] } = asked
  try {
    const response = await fetch(nodeUrl(path), {
      method,
      headers: {
        Accept: 'application/json',
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      credentials: 'omit',
      signal: signal ?? AbortSignal.timeout(ANSWER_MS_MAX),
    })
    return readAnswer(response.status, await response.text(), reads, also)
  } catch (error) {
    return { kind: 'unreachable', why: reasonOf(error) }
  }
}

/** The same for an answer that somebody else has fetched. */
export function readAnswer<T>(
  status: number,
  said: string,
  reads: Reads<T>,
  also: readonly number[] = [],
): Answer<T> {
  const value = jsonIn(said)
  if ((status < 200 || status > 299) && !also.includes(status)) return refusal(status, value)
  try {
    return { kind: 'there', value: reads(value, ''), atMs: Date.now() }
  } catch (error) {
    return { kind: 'refused', status, why: `This page cannot read it: ${reasonOf(error)}.`, next: undefined }
  }
}

/** Problems (RFC 9457) say `detail` and `hint`, overlay errors `message`. */
function refusal(status: number, said: unknown): Extract<Answer<never>, { kind: 'refused' }> {
  const { detail, message, hint } = (said ?? {}) as Readonly<Record<string, unknown>>
  const why = [detail, message].find(each => typeof each === 'string') ?? `The node answered ${status}.`
  return { kind: 'refused', status, why, next: typeof hint === 'string' ? hint : undefined }
}

function jsonIn(said: string): unknown {
  try {
    return JSON.parse(said)
  } catch {
    // Whoever reads it finds that it is nothing, and says so.
    return undefined
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'it took too long to answer'
  return error instanceof Error ? error.message : String(error)
}
