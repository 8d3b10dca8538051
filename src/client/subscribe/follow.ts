import { pause, pauseAfter } from '../pause.ts'
import { type Refusal, unreachable } from '../refusal.ts'
import { ConnectionLost, connect } from './connection.ts'
import type { ConnectionMessage } from './messages.ts'
import { type Keeper, openKeeper, type PositionStore } from './position-store.ts'
import type { Found, RefusalCode } from './verify-as-you-read.ts'

export type FollowOptions = {
  /** Of a node: `http://localhost:8080`. */
  readonly url: string
  readonly positions?: PositionStore
  /** For each connection. */
  headers?(): Promise<Record<string, string>>
  /** A ticket for each connection to streams that are not for everybody: docs/streaming.md. */
  ticket?(): Promise<string>
  /** A connection that says nothing for so long is dead; 45 s, which is three heartbeats. */
  readonly silenceMs?: number
  /** Between two connections the pause grows up to this; 60 s. */
  readonly pauseMsMax?: number
  readonly fetch?: typeof fetch
  onState?(state: SubscriptionState): void
}

export type SubscriptionState =
  | { readonly kind: 'connected' }
  | { readonly kind: 'lost'; readonly refusal: Refusal; readonly againInMs: number }

/** What one stream tells, and what is made of it. */
export type Followed<Message> = {
  readonly path: string
  readonly query: URLSearchParams
  /** A token of the node's; or `earliest`, or `latest`. */
  readonly from: string
  /** Undefined for what this version does not know; throws where it is not what the type promises. */
  read(json: string): ConnectionMessage | { readonly type: 'told'; readonly message: Message } | undefined
  check(message: Message): Promise<Found>
  /** The position to hand out where the node's own word for it is `token`. */
  positionAt(token: string): string
  /** Throws where the reader shall not go on. */
  refuse(refused: Refused<Message>): void | Promise<void>
}

export type Refused<Message> = {
  readonly message: Message
  readonly position: string
  readonly code: RefusalCode
  readonly detail: string
}

export type Item<Message> = Omit<Extract<Found, { kind: 'holds' }>, 'kind'> & {
  readonly message: Message
  /** Where its reader stands once it has this: to be kept with what became of it, or left to `positions`. */
  readonly position: string
  /** Says that it is done with, before the next one is asked for. */
  done(): Promise<void>
}

const SILENCE_MS = 45_000
/** Until a node says how long to wait. */
const PAUSE_MS = 1_000
const PAUSE_MS_MAX = 60_000

/** Where a reader stands, by the node's word, and how well it goes. */
type State = { token: string; failures: number; pauseMs: number }

/** One connection after the other, never two at a time, until it is told to stop. */
export async function* follow<Message>(
  options: FollowOptions,
  followed: Followed<Message>,
  signal: AbortSignal,
): AsyncGenerator<Item<Message>, undefined> {
  const { pauseMsMax = PAUSE_MS_MAX } = options
  const keeper = openKeeper(options.positions)
  const state: State = { token: followed.from, failures: 0, pauseMs: PAUSE_MS }
  try {
    while (!signal.aborted) {
      try {
        yield* readConnection(options, followed, { state, keeper, signal })
      } catch (error) {
        if (!(error instanceof ConnectionLost) || !mayMend(error.refusal, options)) throw error
        const { refusal } = error
        state.failures += 1
        const bounds = { firstMs: Math.min(state.pauseMs, pauseMsMax), longestMs: pauseMsMax }
        const againInMs = pauseAfter(state.failures, Math.random(), bounds, refusal.retryAfterMs)
        options.onState?.({ kind: 'lost', refusal, againInMs })
        await pause(againInMs, signal)
      }
    }
  } finally {
    await keeper.close()
  }
}

/** Until it is lost, which it says by throwing, or told to stop. */
async function* readConnection<Message>(
  options: FollowOptions,
  followed: Followed<Message>,
  { state, keeper, signal }: { readonly state: State; readonly keeper: Keeper; readonly signal: AbortSignal },
): AsyncGenerator<Item<Message>, undefined> {
  const { url, headers } = await targetOf(options, followed, state.token)
  const connection = connect({
    ...{ url, headers, signal },
    silenceMs: options.silenceMs ?? SILENCE_MS,
    fetch: options.fetch ?? fetch,
    onRetry: milliseconds => {
      state.pauseMs = milliseconds
    },
  })
  for await (const batch of connection) {
    for (const told of batch) {
      state.token = told.token ?? state.token
      const read = followed.read(told.json)
      // Whoever is let in and cut off each time has got nowhere.
      if (read?.type === 'heartbeat' || read?.type === 'told') state.failures = 0
      if (read?.type === 'hello') options.onState?.({ kind: 'connected' })
      if (read?.type !== 'told') continue
      const { message } = read
      const found = await followed.check(message)
      if (signal.aborted) return
      const position = followed.positionAt(state.token)
      const place = keeper.place(position)
      if (found.kind === 'refused') {
        const { code, detail } = found
        await followed.refuse({ message, position, code, detail })
      } else {
        const { verified, notChecked } = found
        yield { message, position, verified, notChecked, done: place.keep }
      }
      await place.taken()
      if (signal.aborted) return
    }
    await keeper.place(followed.positionAt(state.token)).keep()
  }
}

/** A ticket is good once and for a minute, and another one may be had. */
function mayMend({ retryable, code }: Refusal, { ticket }: FollowOptions): boolean {
  return retryable || (code === 'ticket-invalid' && ticket !== undefined)
}

async function targetOf(
  { url, headers, ticket }: FollowOptions,
  { path, query }: Pick<Followed<unknown>, 'path' | 'query'>,
  token: string,
) {
  const target = new URL(`${url.replace(/\/$/, '')}${path}`)
  for (const [name, value] of query) target.searchParams.set(name, value)
  try {
    if (ticket !== undefined) target.searchParams.set('ticket', await ticket())
    // In a header, since addresses are written into logs.
    return { url: target, headers: { ...(await headers?.()), 'Last-Event-ID': token } }
  } catch (error) {
    // Whoever gives tickets is gone when the node is.
    throw new ConnectionLost(unreachable(error))
  }
}
