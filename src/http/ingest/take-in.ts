import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Accept,
  type AcceptOutcome,
  type AcceptRefusal,
  type Arrived,
  bytesHeldBy,
  type ItemAnswer,
  type PushBack,
  type ReceivedItem,
} from '../../ingest/arrived.ts'
import { answered, count, noCounts, type Taken } from './taken.ts'

export type TakingOptions = {
  readonly accept: Accept
  /** Everything of a request but its items, for a batch of this many. */
  arrivedWith(items: number): Omit<Arrived, 'items'>
  /** Items that go to the log together. */
  readonly batchItemsMax: number
  /** So many answers are kept; the counts go on. */
  readonly itemAnswersMax: number
  readonly pushBack: PushBack
  readonly patience: Patience
  readonly stopping: AbortSignal
  /** Told of each batch once it is durable; the next one waits until it has resolved. */
  onTaken?(items: readonly ItemAnswer[], firstItem: number): Promise<void>
}

/** Where there is too much at once for the moment: what is waited for, and how long. */
export type Patience = {
  /**
   * `each`: of a body that is worked on as it comes each batch waits for whatever passes by itself. `the-rest`: one that
   * is there holds its memory all the while, so it waits only once it has begun, for its source's own rate, and all its
   * batches together no longer than that.
   */
  readonly for: 'each' | 'the-rest'
  readonly secondsMax: number
}

export type Taking = {
  /** Resolves when there is room for more; `false` where nothing more is taken. */
  push(items: readonly ReceivedItem[]): Promise<boolean>
  /** Once all that was pushed has its answer. Throws what the log threw. */
  end(): Promise<Taken>
  /** How far it has come. */
  taken(): Taken
}

/**
 * Hands items to the log batch by batch, one after the other, so that they stay in order: while one is being written,
 * the next one is read. A batch is what has come meanwhile, so that nothing waits for a batch to be full.
 */
export function openTaking(options: TakingOptions): Taking {
  const { batchItemsMax, itemAnswersMax, onTaken } = options
  const acceptInTurn = openTurns(options)
  let pending: ReceivedItem[] = []
  const items: ItemAnswer[] = []
  const counts = noCounts()
  let refusal: AcceptRefusal | undefined
  let failure: { readonly error: unknown } | undefined
  let step = Promise.resolve()
  let running: Promise<void> | undefined

  const takeOne = async () => {
    const { items: together } = firstBatch(pending, batchItemsMax)
    const batch = pending.slice(0, together)
    pending = pending.slice(together)
    const firstItem = answered(counts)
    const outcome = await acceptInTurn(batch, firstItem > 0)
    if (outcome.kind === 'refused') {
      refusal = outcome.refusal
      return
    }
    count(outcome.items, counts)
    items.push(...outcome.items.slice(0, itemAnswersMax - items.length))
    await onTaken?.(outcome.items, firstItem)
  }
  const isOver = () => refusal !== undefined || failure !== undefined
  const run = async () => {
    while (pending.length > 0 && !isOver()) {
      step = takeOne().catch((error: unknown) => {
        failure = { error }
      })
      await step
    }
    running = undefined
  }
  const taken = () => ({ items, counts, ...(refusal !== undefined && { refusal }) })
  return {
    async push(received) {
      pending = pending.length === 0 ? [...received] : [...pending, ...received]
      running ??= run()
      while (firstBatch(pending, batchItemsMax).isFull && !isOver()) await step
      return !isOver()
    },
    async end() {
      await running
      if (failure !== undefined) throw failure.error
      return taken()
    },
    taken,
  }
}

/** What a batch holds in memory, but for a single larger item. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024

function firstBatch(pending: readonly ReceivedItem[], itemsMax: number): { items: number; isFull: boolean } {
  let bytes = 0
  for (const [items, item] of pending.entries()) {
    if (items === itemsMax) return { items, isFull: true }
    bytes += bytesHeldBy(item)
    if (bytes >= BATCH_BYTES_MAX) return { items: items + 1, isFull: true }
  }
  return { items: pending.length, isFull: pending.length === itemsMax }
}

type AcceptInTurn = (items: readonly ReceivedItem[], continued: boolean) => Promise<AcceptOutcome>

function openTurns({ accept, pushBack, arrivedWith, patience, stopping }: TakingOptions): AcceptInTurn {
  let waitedSeconds = 0
  return async (items, continued) => {
    const arrived = { ...arrivedWith(items.length), items, ...(continued && { continued }) }
    if (patience.for === 'each') waitedSeconds = 0
    for (;;) {
      // It may have come to that long after the request began; what is there already was let in.
      const full = patience.for === 'each' ? pushBack.why() : undefined
      const outcome: AcceptOutcome =
        full === undefined ? await accept(arrived) : { kind: 'refused', refusal: full }
      if (outcome.kind === 'answered') return outcome
      const seconds = secondsToWait(outcome.refusal, patience, continued)
      waitedSeconds += seconds
      if (waitedSeconds > patience.secondsMax || stopping.aborted) {
        if (full !== undefined) pushBack.count(full)
        return outcome
      }
      await sleep(1000 * seconds, undefined, { signal: stopping }).catch(() => {
        // Told to stop: it is asked once more, and then answered as it is.
      })
    }
  }
}

/** What passes by itself; whoever sends much is slowed down by it rather than sent away. */
function secondsToWait(refusal: AcceptRefusal, patience: Patience, continued: boolean): number {
  if (refusal.why !== 'rate' && refusal.why !== 'backlog') return Number.POSITIVE_INFINITY
  const isWaitedFor = patience.for === 'each' || (continued && refusal.why === 'rate')
  return isWaitedFor ? Math.max(1, refusal.retryAfterS) : Number.POSITIVE_INFINITY
}
