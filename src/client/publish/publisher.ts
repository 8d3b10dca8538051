import { utf8 } from '../../core/bytes.ts'
import type { Refusal } from '../refusal.ts'
import type { Destination } from './batch-body.ts'
import { type Delivered, openDeliver } from './deliver.ts'
import type { ItemOutcome } from './item-outcome.ts'
import type { Signing } from './signing.ts'

export type PublisherOptions = Destination & {
  /** Of a node: `http://localhost:8080`. */
  readonly url: string
  /** As the source is registered; not at all where nothing is said. */
  readonly signing?: Signing
  /** What goes into one request, and how long its first event waits for others. */
  readonly batch?: Partial<BatchBounds>
  /** Of events that no node has answered for yet; 16 MiB. */
  readonly bufferedBytesMax?: number
  /** gzip, where that makes a body smaller; true. */
  readonly compress?: boolean
  /** So long a batch is tried again before its events fail; 5 minutes. */
  readonly patienceMs?: number
  /** So long one request may take; 90 seconds. */
  readonly answerMs?: number
  readonly fetch?: typeof fetch
  onRetry?(refusal: Refusal, againInMs: number): void
}

export type BatchBounds = { readonly events: number; readonly bytes: number; readonly waitMs: number }

const batchBounds: BatchBounds = { events: 1_000, bytes: 1024 * 1024, waitMs: 20 }
/** A node answers no more of them one by one. */
const BATCH_EVENTS_MAX = 10_000
const BUFFERED_BYTES_MAX = 16 * 1024 * 1024
const PATIENCE_MS = 300_000
const ANSWER_MS = 90_000

export type Publisher = {
  /**
   * Resolves with what has become of the event, once that is on disk at a node; rejects with a `PublishError` where nobody
   * has answered for it in time, or its request was refused. Events go in the order in which they are sent.
   */
  send(event: object): Promise<ItemOutcome>
  /** Resolves once there is room for more, which whoever sends faster than a node answers waits for. */
  room(): Promise<void>
  /** Resolves once every event sent so far is answered for, or has failed. */
  flush(): Promise<void>
  /** The same, and takes no more. */
  close(): Promise<void>
}

/** What has kept an event from being answered for. */
export class PublishError extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(`${refusal.detail} (${refusal.code})`)
    this.name = 'PublishError'
    this.refusal = refusal
  }
}

type Waiting = {
  readonly turn: number
  readonly line: Uint8Array
  settle(outcome: ItemOutcome | PublishError): void
}

/** Events go to a node in batches, one request at a time, so that they keep their order. */
export function openPublisher(options: PublisherOptions): Publisher {
  const bounds = { ...batchBounds, ...options.batch }
  const eventsMax = Math.min(bounds.events, BATCH_EVENTS_MAX)
  const { bufferedBytesMax = BUFFERED_BYTES_MAX } = options
  const deliver = openDeliver({
    ...{ url: options.url, destination: options, signing: options.signing ?? { by: 'none' } },
    compress: options.compress ?? true,
    fetch: options.fetch ?? fetch,
    patienceMs: options.patienceMs ?? PATIENCE_MS,
    answerMs: options.answerMs ?? ANSWER_MS,
    onRetry: (refusal, againInMs) => options.onRetry?.(refusal, againInMs),
  })
  const waiting: Waiting[] = []
  const unanswered = new Set<Promise<unknown>>()
  const wantRoom: (() => void)[] = []
  let [turn, flushUpTo, waitingBytes, bufferedBytes] = [0, 0, 0, 0]
  let [isSending, isClosed] = [false, false]
  let timer: ReturnType<typeof setTimeout> | undefined

  const isDue = () =>
    waiting.length >= eventsMax || waitingBytes >= bounds.bytes || (waiting[0]?.turn ?? turn) < flushUpTo

  const sendOn = () => {
    if (isSending || waiting.length === 0) return
    if (!isDue()) {
      timer ??= setTimeout(() => {
        timer = undefined
        flushUpTo = turn
        sendOn()
      }, bounds.waitMs)
      return
    }
    void sendBatch(cut())
  }

  const sendBatch = async (batch: readonly Waiting[]) => {
    isSending = true
    const delivered = await deliver(batch.map(({ line }) => line)).catch(
      (error: unknown): Delivered => ({ kind: 'refused', refusal: unwritable(error) }),
    )
    isSending = false
    settle(batch, delivered)
    sendOn()
  }

  /** From the front as many as go into one request; one in any case. */
  const cut = (): Waiting[] => {
    let [count, bytes] = [0, 0]
    for (const { line } of waiting) {
      if (count >= eventsMax || (count > 0 && bytes + line.length > bounds.bytes)) break
      count += 1
      bytes += line.length
    }
    waitingBytes -= bytes
    return waiting.splice(0, count)
  }

  const settle = (batch: readonly Waiting[], delivered: Delivered) => {
    for (const [i, each] of batch.entries()) {
      bufferedBytes -= each.line.length
      const item = delivered.kind === 'answered' ? delivered.items[i] : undefined
      each.settle(
        item ?? new PublishError(delivered.kind === 'refused' ? delivered.refusal : unwritable('no item')),
      )
    }
    if (hasRoom()) for (const go of wantRoom.splice(0)) go()
  }
  const hasRoom = () => bufferedBytes <= bufferedBytesMax / 2

  const publisher: Publisher = {
    // As `async` it rejects where it would throw; it waits for nothing before the event has its turn.
    async send(event) {
      if (isClosed) throw new PublishError(closed)
      const line = lineOf(event)
      if (bufferedBytes + line.length > bufferedBytesMax) throw new PublishError(full(bufferedBytesMax))
      bufferedBytes += line.length
      waitingBytes += line.length
      const answer = new Promise<ItemOutcome>((resolve, reject) => {
        const settleOne = (outcome: ItemOutcome | PublishError) =>
          outcome instanceof PublishError ? reject(outcome) : resolve(outcome)
        waiting.push({ turn, line, settle: settleOne })
      })
      turn += 1
      // Whoever sent it is told; this one only counts it.
      const counted: Promise<unknown> = answer.then(
        () => unanswered.delete(counted),
        () => unanswered.delete(counted),
      )
      unanswered.add(counted)
      sendOn()
      return answer
    },
    room: () => (hasRoom() ? Promise.resolve() : new Promise(resolve => wantRoom.push(resolve))),
    async flush() {
      flushUpTo = turn
      sendOn()
      await Promise.all(unanswered)
    },
    async close() {
      isClosed = true
      await publisher.flush()
      clearTimeout(timer)
    },
  }
  return publisher
}

function lineOf(event: object): Uint8Array {
  try {
    const text: string | undefined = JSON.stringify(event)
    if (text !== undefined) return utf8(text)
  } catch (error) {
    throw new PublishError(unwritable(error))
  }
  throw new PublishError(unwritable('it has no JSON'))
}

const closed: Refusal = {
  code: 'closed',
  status: null,
  detail: 'the publisher is closed; open another one',
  retryable: false,
}

function full(bytesMax: number): Refusal {
  return {
    code: 'buffer-full',
    status: null,
    detail: `${bytesMax} bytes of events wait to be answered for already; await room() before each send, or raise bufferedBytesMax`,
    retryable: true,
  }
}

function unwritable(why: unknown): Refusal {
  return {
    code: 'event-unwritable',
    status: null,
    detail: `the event cannot be sent: ${why instanceof Error ? why.message : why}`,
    retryable: false,
  }
}
