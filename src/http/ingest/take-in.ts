import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Accept,
  type AcceptOutcome,
  type AcceptRefusal,
  type Arrived,
  bytesHeldBy,
  type ItemAnswer,
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
  /** Where there is too much at once for the moment: so long a batch may wait for its turn. */
  readonly waitSecondsMax: number
  readonly stopping: AbortSignal
  /** Told of each batch once it is durable; the next one waits until it has resolved. */
  onTaken?(items: readonly ItemAnswer[], firstItem: number): Promise<void>
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
    const outcome = await acceptInTurn(batch, options)
    if (outcome.kind === 'refused') {
      refusal = outcome.refusal
      return
    }
    const firstItem = answered(counts)
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

async function acceptInTurn(
  items: readonly ReceivedItem[],
  { accept, arrivedWith, waitSecondsMax, stopping }: TakingOptions,
): Promise<AcceptOutcome> {
  const arrived = arrivedWith(items.length)
  let waitedSeconds = 0
  for (;;) {
    const outcome = await accept({ ...arrived, items })
    if (outcome.kind === 'answered') return outcome
    const seconds = secondsToWait(outcome.refusal)
    waitedSeconds += seconds
    if (waitedSeconds > waitSecondsMax || stopping.aborted) return outcome
    await sleep(1000 * seconds, undefined, { signal: stopping }).catch(() => {
      // Told to stop: it is asked once more, and then answered as it is.
    })
  }
}

/** What passes by itself; whoever sends much is slowed down by it rather than sent away. */
function secondsToWait(refusal: AcceptRefusal): number {
  return refusal.why === 'rate' || refusal.why === 'backlog'
    ? Math.max(1, refusal.retryAfterS)
    : Number.POSITIVE_INFINITY
}
