import type { ProofLevel, Trust } from '../../contract/verify.ts'
import { type Get, openPacketSource } from './fetch-packet.ts'
import { type Filter, filterQuery, leavesOut } from './filter.ts'
import { type Followed, type FollowOptions, follow, type Item, type Refused } from './follow.ts'
import { type EventsMessage, readEventsMessage, readWatchMessage, type WatchMessage } from './messages.ts'
import { nothingChecked, type Position, readPosition, writePosition } from './position.ts'
import { type Checking, openChecking } from './verify-as-you-read.ts'

type CommonOptions = FollowOptions & {
  readonly filter?: Filter
  /** `latest` where nothing is said, `earliest`, or the `position` of an item; what `positions` has goes before it. */
  readonly from?: string
  /** Ends it. */
  readonly signal?: AbortSignal
}

export type WatchOptions = CommonOptions
export type SubscribeOptions = CommonOptions & { readonly verify?: VerifyOptions }

export type VerifyOptions = Trust & {
  /** What every line has to reach; `signed` where nothing is said. */
  readonly require?: ProofLevel
  /** Asks for proofs in place of `fetch`, as for streams that are not for everybody. */
  readonly fetch?: Get
  /** So long a proof is waited for; 1 minute. */
  readonly patienceMs?: number
  /** Has what was refused in place of the reader, who goes on; without it a `VerifyError` ends the subscription. */
  onRefused?(refused: Refused<EventsMessage>): void | Promise<void>
}

/** Goes on through whatever happens to connections and nodes, until it is closed, or its signal says so. */
export type Subscription<Message> = AsyncIterableIterator<Item<Message>> & { close(): void }

/** Thrown where something does not hold. */
export class VerifyError extends Error {
  readonly refused: Refused<EventsMessage>
  constructor(refused: Refused<EventsMessage>) {
    super(`${refused.detail} (${refused.code})`)
    this.name = 'VerifyError'
    this.refused = refused
  }
}

const PROOF_PATIENCE_MS = 60_000

/** Certified events, whole, each of them verified where `verify` is there. */
export function subscribe(options: SubscribeOptions): Subscription<EventsMessage> {
  const { filter = {}, verify } = options
  return opened(options, ({ token, standings }, signal) => {
    const checking = verify && checkingWith(options, verify, standings, signal)
    return {
      path: '/overlay/events/stream',
      query: filterQuery(filter),
      from: token,
      read: readEventsMessage,
      async check(message) {
        if (checking === undefined) return unchecked('everything: `verify` was not asked for')
        if (message.type === 'gap') return { kind: 'holds', ...checking.gap(message) }
        if (message.type === 'filled' || message.type === 'unanchored')
          return unchecked('that it is so: a node says it')
        return checking.line(message)
      },
      positionAt: token => writePosition({ token, standings: checking?.standings() ?? nothingChecked }),
      async refuse(refused) {
        if (verify?.onRefused === undefined) throw new VerifyError(refused)
        await verify.onRefused(refused)
      },
    }
  })
}

/** Every stage of every event, briefly. It names events and does not hold them, so nothing of it can be verified. */
export function watch(options: WatchOptions): Subscription<WatchMessage> {
  return opened(options, ({ token }) => ({
    path: '/watch',
    query: filterQuery(options.filter ?? {}),
    from: token,
    read: readWatchMessage,
    check: async () =>
      unchecked('everything: events are named here, and `subscribe` has what can be verified'),
    positionAt: token => token,
    refuse: () => undefined,
  }))
}

function unchecked(what: string) {
  return { kind: 'holds', verified: 'not checked', notChecked: [what] } as const
}

function checkingWith(
  { url, filter = {}, fetch: own = fetch }: SubscribeOptions,
  { require: required = 'signed', patienceMs = PROOF_PATIENCE_MS, fetch: get, ...trust }: VerifyOptions,
  from: Position['standings'],
  signal: AbortSignal,
): Checking {
  const ask: Get = get ?? ((address, request) => own(address, { ...request, redirect: 'error' }))
  const notDense = leavesOut(filter)
  return openChecking({
    packets: openPacketSource({ url, trust, fetch: ask, patienceMs, signal }),
    required,
    from: notDense === null ? from : nothingChecked,
    notDense,
  })
}

function opened<Message>(
  options: CommonOptions,
  followed: (begins: Position, signal: AbortSignal) => Followed<Message>,
): Subscription<Message> {
  const { signal: given } = options
  const closing = new AbortController()
  const { signal } = closing
  const close = () => closing.abort(given?.reason)
  const items = (async function* () {
    if (given?.aborted === true) close()
    given?.addEventListener('abort', close)
    try {
      const kept = await options.positions?.load()
      yield* follow(options, followed(begins(kept ?? options.from ?? 'latest'), signal), signal)
    } finally {
      given?.removeEventListener('abort', close)
    }
  })()
  return Object.assign(items, { close })
}

function begins(text: string): Position {
  if (text === 'earliest') return { token: text, standings: { ...nothingChecked, fromStart: true } }
  return readPosition(text)
}
