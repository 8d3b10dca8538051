import type { StatusReason } from './subscription.ts'

/** What a receiver has answered, or why nothing that could be used came back. */
export type Answer = {
  /** Of a redirection too; undefined where nobody has answered. */
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly why: string
}

/** How it has gone with a subscription so far. */
export type DeliveryState = {
  /** Tries that failed since one succeeded, but for those after which the receiver has named a time. */
  readonly attempts: number
  readonly failingSinceMs: number | null
  /** Of the message that is under way, alone. */
  readonly refusals: number
  /** Messages set aside one after the other. */
  readonly refusedInARow: number
  readonly batchNow: number
  readonly batchMax: number
}

export type Decision =
  | { readonly kind: 'delivered'; readonly batchNow: number }
  /** The same delivery once more. */
  | {
      readonly kind: 'again'
      readonly atMs: number
      readonly attempts: number
      readonly refusals: number
      readonly why: string
    }
  /** Another delivery, of fewer messages. */
  | { readonly kind: 'smaller'; readonly batchNow: number; readonly why: string }
  /** The message is kept for its owner, and what is behind it goes on. */
  | { readonly kind: 'set-aside'; readonly status: number; readonly why: string }
  | { readonly kind: 'over'; readonly why: string }
  | { readonly kind: 'pause'; readonly reason: StatusReason; readonly why: string }

export type DecisionContext = {
  readonly nowMs: number
  /** From 0 to 1. */
  readonly chance: number
  /** Messages of the delivery. */
  readonly count: number
  /** Pauses before each further try. */
  readonly retryMs: readonly number[]
}

/** Answers that are about what was sent; all other failures are about the receiver, and another message would fare no better. */
const refusalStatuses = [400, 409, 413, 422]
const GONE = 410
/** Where a receiver may say when it wants to be asked again. */
const laterStatuses = [429, 503]
/** Tries of one message that the receiver refuses. */
export const REFUSALS_MAX = 3
/** After so many messages set aside one behind the other it is not the messages. */
export const REFUSED_IN_A_ROW_MAX = 10
/** Whatever a receiver says, it is asked again after so long. */
export const RETRY_AFTER_MS_MAX = 24 * 3_600_000
const RETRY_AFTER_MS_MIN = 1_000
/** A thousand subscriptions that fail together do not come back together. */
const JITTER = 0.1

export function decideAfter(answer: Answer, state: DeliveryState, context: DecisionContext): Decision {
  const { status, why } = answer
  if (status !== undefined && status >= 200 && status <= 299)
    return { kind: 'delivered', batchNow: Math.min(state.batchMax, state.batchNow * 2) }
  if (status === GONE) return { kind: 'over', why }
  if (status !== undefined && refusalStatuses.includes(status))
    return decideRefused(status, why, state, context)
  return decideFailed(answer, state, context)
}

function decideRefused(
  status: number,
  why: string,
  { refusals, refusedInARow, attempts, batchMax }: DeliveryState,
  { nowMs, chance, count, retryMs }: DecisionContext,
): Decision {
  // One of them may be to blame for all.
  if (count > 1) return { kind: 'smaller', batchNow: Math.min(batchMax, Math.floor(count / 2)), why }
  const times = refusals + 1
  const waitMs = retryMs[refusals]
  if (times < REFUSALS_MAX && waitMs !== undefined)
    return { kind: 'again', atMs: nowMs + withJitter(waitMs, chance), attempts, refusals: times, why }
  if (refusedInARow + 1 >= REFUSED_IN_A_ROW_MAX) return { kind: 'pause', reason: 'refusing', why }
  return { kind: 'set-aside', status, why }
}

function decideFailed(
  { status, retryAfterMs, why }: Answer,
  { attempts, refusals, failingSinceMs }: DeliveryState,
  { nowMs, chance, retryMs }: DecisionContext,
): Decision {
  const allMs = retryMs.reduce((sum, ms) => sum + ms, 0)
  const isOver = failingSinceMs !== null && nowMs - failingSinceMs > allMs * (1 + JITTER)
  const hasNamedTime = status !== undefined && laterStatuses.includes(status) && retryAfterMs !== undefined
  if (hasNamedTime && !isOver) {
    const waitMs = Math.min(Math.max(retryAfterMs, RETRY_AFTER_MS_MIN), RETRY_AFTER_MS_MAX)
    return { kind: 'again', atMs: nowMs + withJitter(waitMs, chance), attempts, refusals, why }
  }
  const waitMs = retryMs[attempts]
  if (waitMs === undefined || isOver) return { kind: 'pause', reason: 'undeliverable', why }
  const atMs = nowMs + withJitter(waitMs, chance)
  return { kind: 'again', atMs, attempts: attempts + 1, refusals, why }
}

/** Never sooner than was said. */
function withJitter(ms: number, chance: number): number {
  return Math.ceil(ms * (1 + JITTER * chance))
}
