import type { Pool } from 'pg'
import type { AppendEvents, AppendOutcome, Offer } from '../../ingest/append.ts'
import { isConnectionLoss, isOutOfTime } from '../postgres/connection-loss.ts'
import { commitGroup } from './commit-group.ts'
import type { GroupMember } from './group-work.ts'
import type { Head } from './heads.ts'
import { openIdsMode } from './ids-taken.ts'
import { openPartitions } from './partitions.ts'

/** The log of events on PostgreSQL: what is offered at the same time is committed together. */
export type EventLog = {
  readonly append: AppendEvents
  /** Whether it would turn away what it is offered now. */
  isFull(): boolean
  /** What has been offered and is not durable yet. */
  waiting(): Waiting
  /** Resolves once everything that was offered is answered; what is offered from then on is refused. */
  stop(): Promise<void>
}

export type Waiting = { readonly offers: number; readonly events: number; readonly bytes: number }

export type EventLogLimits = {
  /** Transactions at a time. */
  readonly lanes: number
  /** Events of one transaction, unless a single offer has more. */
  readonly groupEventsMax: number
  /** What may wait; beyond it offers are refused. */
  readonly waitingEventsMax: number
  readonly waitingBytesMax: number
  /** Whether offers share transactions. */
  readonly grouping: boolean
  /** A transaction waits so long for so many events to share it. */
  readonly linger?: { readonly events: number; readonly ms: number }
}

export const eventLogLimits: EventLogLimits = {
  lanes: 2,
  groupEventsMax: 4_000,
  waitingEventsMax: 100_000,
  waitingBytesMax: 128 * 1024 * 1024,
  grouping: true,
}

export type EventLogDeps = {
  readonly pool: Pool
  readonly logKey: string
  readonly network: string
  now(): number
  /** Of the node, for streams that name none. */
  readonly operators?: readonly string[]
  readonly limits?: Partial<EventLogLimits>
  /** What begins a transaction; it may take a role that can do no more than append. */
  readonly begin?: string
  /** Told of every commit, with the heads as they are then. */
  onAppended?(offers: readonly Offer[], outcomes: readonly AppendOutcome[], heads: readonly Head[]): void
  /** Told where `onAppended` throws: everybody is answered by then. */
  onFailure?(error: unknown): void
}

export function openEventLog(deps: EventLogDeps): EventLog {
  const { pool, now, operators = [], begin = 'begin', onAppended, onFailure } = deps
  const limits = { ...eventLogLimits, ...deps.limits }
  const partitionsOf = openPartitions(deps)
  const idsMode = openIdsMode()
  const queue: Queued[] = []
  const waiting = { offers: 0, events: 0, bytes: 0 }
  const linger = openLinger(limits.linger, () => pump())
  let running = 0
  let stopping = false
  let onIdle = () => {}

  const isFull = () =>
    stopping || waiting.events >= limits.waitingEventsMax || waiting.bytes >= limits.waitingBytesMax

  const append: AppendEvents = offer => {
    if (isFull()) return Promise.resolve({ kind: 'refused', refusal: { why: 'backlog', retryAfterS: 1 } })
    return new Promise((resolve, reject) => {
      const queued = { offer, resolve, reject, bytes: bytesOf(offer), isSettled: false }
      count(queued, 1)
      queue.push(queued)
      pump()
    })
  }

  const count = ({ offer, bytes }: Queued, sign: 1 | -1) => {
    waiting.offers += sign
    waiting.events += sign * offer.items.length
    waiting.bytes += sign * bytes
  }

  const pump = () => {
    while (running < limits.lanes && queue.length > 0 && (stopping || linger.isOver(queue))) {
      running++
      void run(takeGroup(queue, limits)).finally(() => {
        running--
        pump()
        if (running === 0 && queue.length === 0) onIdle()
      })
    }
  }

  const run = async (group: readonly Queued[], tries = 1): Promise<void> => {
    try {
      await commit(group)
    } catch (error) {
      const left = group.filter(({ isSettled }) => !isSettled)
      if (left.length === 0) onFailure?.(error)
      if (codeOf(error) === DEADLOCK && tries < DEADLOCK_TRIES_MAX) return run(left, tries + 1)
      // One of them may be what the database chokes on; the others must not suffer for it.
      if (left.length > 1 && !isUnreachable(error)) for (const each of left) await run([each])
      else for (const each of left) settle(each, () => each.reject(error))
    }
  }

  const settle = (queued: Queued, answer: () => void) => {
    queued.isSettled = true
    count(queued, -1)
    answer()
  }

  const commit = async (offered: readonly Queued[]): Promise<void> => {
    const prepared = await Promise.all(offered.map(prepare))
    const group = offered.filter((_, i) => prepared[i] !== undefined)
    const members = prepared.filter(member => member !== undefined)
    if (members.length === 0) return
    const ids = idsMode.now()
    const outcome = await commitGroup(members, { pool, nowMs: now(), operators, begin, ids })
    if (outcome.kind === 'repeats') {
      idsMode.repeated()
      return commit(group)
    }
    if (outcome.kind === 'stale') {
      const rest: Queued[] = []
      for (const [i, each] of group.entries())
        if (outcome.members.has(i)) settle(each, () => each.resolve({ kind: 'stale-policy' }))
        else rest.push(each)
      if (rest.length > 0) await commit(rest)
      return
    }
    idsMode.answered(outcome.outcomes)
    for (const [i, each] of group.entries()) {
      const answer = outcome.outcomes[i]
      if (answer !== undefined) settle(each, () => each.resolve(answer))
    }
    // Nothing that only listens may change an answer that stands.
    onAppended?.(
      group.map(({ offer }) => offer),
      outcome.outcomes,
      outcome.heads,
    )
  }

  /** What cannot even be prepared is nobody else's trouble. */
  const prepare = async (queued: Queued): Promise<GroupMember | undefined> => {
    const { offer } = queued
    try {
      return { offer, partitions: await partitionsOf(offer.stream, offer.level) }
    } catch (error) {
      settle(queued, () => queued.reject(error))
      return undefined
    }
  }

  return {
    append,
    isFull,
    waiting: () => waiting,
    async stop() {
      stopping = true
      if (running === 0 && queue.length === 0) return
      await new Promise<void>(resolve => {
        onIdle = resolve
        pump()
      })
    },
  }
}

/** Whether those that wait have waited for others long enough; `whenOver` is called when they have. */
function openLinger(bound: EventLogLimits['linger'], whenOver: () => void) {
  let timer: NodeJS.Timeout | undefined
  let isDue = false
  return {
    isOver(queue: readonly Queued[]): boolean {
      if (bound === undefined) return true
      if (isDue || queue.reduce((sum, { offer }) => sum + offer.items.length, 0) >= bound.events) {
        clearTimeout(timer)
        timer = undefined
        isDue = false
        return true
      }
      timer ??= setTimeout(() => {
        timer = undefined
        isDue = true
        whenOver()
      }, bound.ms)
      return false
    },
  }
}

type Queued = {
  readonly offer: Offer
  resolve(outcome: AppendOutcome): void
  reject(error: unknown): void
  /** What it holds in memory, more or less. */
  readonly bytes: number
  isSettled: boolean
}

/** Two transactions that wait for each other: PostgreSQL gives one of them up, and nobody is to blame. */
const DEADLOCK = '40P01'
const DEADLOCK_TRIES_MAX = 5

const ITEM_BYTES = 1024

/** Unpacked: what came over the wire may have been a hundredth of it. */
function bytesOf({ items, lines, keptBytes }: Offer): number {
  return items.length * ITEM_BYTES + 2 * lines.byteLength + keptBytes
}

/** The oldest offers, no two with one idempotency key or one held event: the second must see what became of the first. */
function takeGroup(queue: Queued[], { groupEventsMax, grouping }: EventLogLimits): Queued[] {
  const group: Queued[] = []
  const keys = new Set<string>()
  let events = 0
  while (queue.length > 0) {
    const [next] = queue
    if (next === undefined) break
    const { items } = next.offer
    if (group.length > 0 && (!grouping || events + items.length > groupEventsMax)) break
    const taken = takenOnceBy(next.offer)
    if (taken.some(key => keys.has(key))) break
    for (const key of taken) keys.add(key)
    events += items.length
    group.push(next)
    queue.shift()
  }
  return group
}

function takenOnceBy({ idempotency, releases = [] }: Offer): string[] {
  const keys = releases.map(({ quarantineId }) => `held ${quarantineId}`)
  if (idempotency !== undefined) keys.push(JSON.stringify([idempotency.scope, idempotency.key]))
  return keys
}

/** Then everybody's offers fail, and none of them is to blame. */
function isUnreachable(error: unknown): boolean {
  return isConnectionLoss(error) || isOutOfTime(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
