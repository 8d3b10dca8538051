import type { SubmittedBatch } from '../../ingest/overlay-batch.ts'
import type { TakenBatch, Try } from '../../ingest/take-batch.ts'
import { pause } from '../../runtime/pause.ts'
import { type Repeating, repeat } from '../../runtime/repeat.ts'
import { type BatchBytesDeps, batchBytes } from './batch-bytes.ts'
import { type ClaimedBatch, claimBatch, noteProgress, settleBatch } from './batches.ts'

export type TakeBatches = {
  /** Looks now rather than after its pause. */
  wake(): void
  /** Resolves once nothing is being taken any more. */
  stop(): Promise<void>
}

export type TakeBatchesDeps = Omit<BatchBytesDeps, 'stop'> & {
  take(batch: SubmittedBatch, once: Try): Promise<TakenBatch>
  /** Whether there is no room for more: nothing is begun until there is. */
  isFull(): boolean
  onSettled(batch: ClaimedBatch, outcome: TakenBatch): void
  onFailure(error: unknown): void
  readonly atOnce?: number
  readonly everyMs?: number
  readonly attemptsMax?: number
}

/** The log commits what comes at the same time together. */
export const BATCHES_AT_ONCE = 4
export const LOOK_EVERY_MS = 250
/** Those that are woken where there is something; should a wake be lost, they look by themselves. */
const LOOK_SELDOM_MS = 10_000
/** With the pauses between them, about a quarter of an hour. */
export const ATTEMPTS_MAX = 12
const AFTER_FAILURE_MS = 1000

/** Takes what the overlay admits into the log, until it is stopped; beside other nodes of this database. */
export function takeBatches(deps: TakeBatchesDeps): TakeBatches {
  const { atOnce = BATCHES_AT_ONCE, everyMs = LOOK_EVERY_MS, onFailure } = deps
  const stopping = new AbortController()
  const againMs = AFTER_FAILURE_MS
  // One looks for all: where it finds something, there may be more.
  const others = Array.from(
    { length: atOnce - 1 },
    (): Repeating =>
      repeat(() => takeOne(deps, stopping.signal), {
        ...{ everyMs: Math.max(everyMs, LOOK_SELDOM_MS), againMs, onFailure },
      }),
  )
  const wakeOthers = () => {
    for (const other of others) other.wake()
  }
  const first = repeat(() => takeOne(deps, stopping.signal, wakeOthers), { everyMs, againMs, onFailure })
  const workers = [first, ...others]
  return {
    wake() {
      for (const worker of workers) worker.wake()
    },
    async stop() {
      stopping.abort()
      await Promise.all(workers.map(worker => worker.stop()))
    },
  }
}

async function takeOne(
  deps: TakeBatchesDeps,
  stop: AbortSignal,
  onFound?: () => void,
): Promise<'more' | undefined> {
  if (stop.aborted) return undefined
  const { pool, now } = deps
  if (deps.isFull()) return undefined
  const claimed = await claimBatch(pool, now())
  if (claimed === undefined) return undefined
  onFound?.()
  const outcome = await outcomeOf(claimed, deps, stop)
  await settleBatch(pool, claimed, outcome, now())
  deps.onSettled(claimed, outcome)
  return 'more'
}

async function outcomeOf(
  claimed: ClaimedBatch,
  deps: TakeBatchesDeps,
  stop: AbortSignal,
): Promise<TakenBatch> {
  const { batch, attempts, soFar } = claimed
  if (batch === undefined) return { kind: 'later', detail: 'its transaction is not listed', ours: false }
  const { attemptsMax = ATTEMPTS_MAX } = deps
  try {
    return await deps.take(batch, {
      isLastTry: attempts >= attemptsMax,
      soFar,
      bytesOf: () => batchBytes(batch, { ...deps, stop }),
      note: progress => noteProgress(deps.pool, claimed, progress),
      async pause(milliseconds) {
        await pause(milliseconds, stop)
        return !stop.aborted
      },
    })
  } catch (error) {
    // Nothing that it has done: the log could not be reached, or has answered with a fault of ours.
    deps.onFailure(error)
    return { kind: 'later', detail: 'it could not be taken in', ours: true, afterMs: AFTER_FAILURE_MS }
  }
}
