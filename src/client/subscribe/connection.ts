import { createParser } from 'eventsource-parser'
import { cancel } from '../../runtime/read-bounded.ts'
import { type Refusal, refusalOf, unreachable } from '../refusal.ts'
import { within } from '../within.ts'

export type ConnectionOptions = {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** A connection that says nothing for so long is dead. */
  readonly silenceMs: number
  readonly fetch: typeof fetch
  readonly signal: AbortSignal
  /** The server's word on how long to wait before connecting again. */
  onRetry(milliseconds: number): void
}

/** One event of SSE, and where its reader stands once it has it. */
export type Told = { readonly json: string; readonly token: string | undefined }

/** Of one message; what has more is not one of a node's. */
const MESSAGE_CHARS_MAX = 32 * 1024 * 1024

/** Why a connection is over, or was none. */
export class ConnectionLost extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(`${refusal.detail} (${refusal.code})`)
    this.name = 'ConnectionLost'
    this.refusal = refusal
  }
}

/**
 * What comes over one connection, as it comes. Nothing is read ahead of what is asked for, so a slow reader is slow on the
 * wire too. Ends only by `ConnectionLost`, or without a word when told to stop.
 */
export async function* connect(options: ConnectionOptions): AsyncGenerator<readonly Told[]> {
  const hangUp = new AbortController()
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const stop = () => {
    hangUp.abort()
    // Of what fetch was told to stop by, Node 20 forgets once memory is cleared up.
    void cancel(reader)
  }
  options.signal.addEventListener('abort', stop)
  if (options.signal.aborted) stop()
  const { silenceMs } = options
  const heard = <T>(awaited: Promise<T>) =>
    within(awaited, silenceMs, `nothing came for ${silenceMs} ms, not even a heartbeat`)
  try {
    const response = await heard(open(options, hangUp.signal))
    if (!response.ok || response.body === null)
      throw new ConnectionLost(await refusalOf(response, Date.now(), silenceMs))
    reader = response.body.getReader()
    const decoder = new TextDecoder()
    let told: Told[] = []
    const parser = createParser({
      maxBufferSize: MESSAGE_CHARS_MAX,
      onEvent: ({ data, id }) => void told.push({ json: data, token: id }),
      onRetry: options.onRetry,
    })
    for (;;) {
      const { done, value } = await heard(reader.read())
      if (done) throw new ConnectionLost(unreachable('the node has ended the connection'))
      parser.feed(decoder.decode(value, { stream: true }))
      if (told.length > 0) yield told
      told = []
    }
  } catch (error) {
    if (options.signal.aborted) return
    if (error instanceof ConnectionLost) throw error
    throw new ConnectionLost(unreachable(error))
  } finally {
    options.signal.removeEventListener('abort', stop)
    stop()
  }
}

function open({ url, headers, fetch }: ConnectionOptions, signal: AbortSignal): Promise<Response> {
  return fetch(url.href, {
    headers: { Accept: 'text/event-stream', ...headers },
    redirect: 'error',
    signal,
  })
}
