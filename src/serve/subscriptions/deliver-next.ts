import { accepted, type Outcome, orThrow } from '../../core/fault.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { ReadPieces } from '../live/piece.ts'
import type { KnownPartition } from '../live/ports.ts'
import { openTokenWriter, type Positions, readResumeToken } from '../live/resume-token.ts'
import { type Answer, type DeliveryState, decideAfter } from './after-answer.ts'
import { deliveryBody } from './delivery-body.ts'
import type { DeadLetter, DelivererDeps, Held, Pending, Settled } from './ports.ts'
import { countPartitions, readBatch } from './read-batch.ts'
import type { StatusReason } from './subscription.ts'

/** One that this process delivers, as far as it has got. */
export type Kept = {
  held: Held
  position: Positions
  /** What is in the row is behind `position`, since this time. */
  unsavedSinceMs: number | undefined
  isFresh: boolean
  /** Something may be there for it. */
  isAwake: boolean
  mayHaveLetters: boolean
  dueMs: number
  turn: number
}

export type DeliverDeps = Pick<
  DelivererDeps,
  | 'store'
  | 'post'
  | 'askConsent'
  | 'readPieces'
  | 'readEnds'
  | 'readOldest'
  | 'positions'
  | 'source'
  | 'retryMs'
  | 'bounds'
  | 'now'
  | 'chance'
  | 'newId'
  | 'events'
> & {
  readonly reader: Reader
  readonly partitions: ReadonlyMap<number, KnownPartition>
  /** For what has no end but where the tracks have theirs. */
  readonly readShared: ReadPieces
  /** The receiver's host has answered, or nobody has. */
  onCalled(hasAnswered: boolean): void
  readonly stop: AbortSignal
}

/** Where a subscription stands that nothing was told is written down after so long: it will not be read again from there. */
const UNSAVED_MS_MAX = 300_000

export function keep(held: Held, positions: DelivererDeps['positions']): Outcome<Kept> {
  const position = readResumeToken(held.position, positions)
  if (!position.ok) return position
  return accepted({
    held,
    position: position.value,
    unsavedSinceMs: undefined,
    ...{ isFresh: true, isAwake: true, mayHaveLetters: true },
    dueMs: held.nextTryMs,
    turn: 0,
  })
}

/** The next thing that one is owed: a question for consent, a dead letter once more, or what comes next. False: it is not ours any more. */
export async function deliverNext(one: Kept, deps: DeliverDeps): Promise<boolean> {
  one.isAwake = false
  if (one.held.consent === 'pending') return askForConsent(one, deps)
  const letter = one.mayHaveLetters ? await deps.store.letterDue(one.held) : undefined
  one.mayHaveLetters = letter !== undefined
  if (letter !== undefined) return deliverLetter(one, letter, deps)
  if (countPartitions({ ...deps, filter: one.held.filter }) > deps.bounds.partitionsMax)
    return pauseIt(
      one,
      'too-many-partitions',
      'it leads to more partitions than a position has room for',
      deps,
    )
  return one.held.pending === null ? deliverFresh(one, deps) : deliverAgain(one, one.held.pending, deps)
}

async function deliverFresh(one: Kept, deps: DeliverDeps): Promise<boolean> {
  const { held } = one
  const batch = await readBatch(
    {
      ...deps,
      ...{ filter: held.filter, from: one.position, isFresh: one.isFresh, turn: one.turn++ },
      bounds: { events: held.state.batchNow, bytes: deps.bounds.batchBytes },
    },
    { ...deps, readPieces: deps.readShared },
  )
  // Somebody may have woken it meanwhile.
  one.isAwake ||= batch.isMore
  if (batch.messages.length === 0) return goOn(one, batch.position, batch.isFresh, deps)
  const pending = { webhookId: `msg_${deps.newId()}`, position: tokenOf(batch.position, deps) }
  return send(one, { pending, batch }, deps)
}

/** Nothing for it in what was read: that need not be written down each time. */
async function goOn(one: Kept, position: Positions, isFresh: boolean, deps: DeliverDeps): Promise<boolean> {
  const { store, now } = deps
  one.position = position
  one.isFresh = isFresh
  one.unsavedSinceMs ??= now()
  if (now() - one.unsavedSinceMs < UNSAVED_MS_MAX) return true
  one.unsavedSinceMs = undefined
  const { held } = one
  const written = tokenOf(position, deps)
  one.held = { ...held, position: written }
  return store.settle(held, {
    ...{ position: written, state: held.state, nextTryMs: 0, lastError: null, arrived: 0 },
  })
}

/** The same delivery: whoever had it before may have died without knowing what came of it. */
async function deliverAgain(one: Kept, pending: Pending, deps: DeliverDeps): Promise<boolean> {
  const { held } = one
  const until = orThrow(readResumeToken(pending.position, deps.positions))
  const batch = await readBatch(
    {
      ...deps,
      ...{ filter: held.filter, from: one.position, until, isFresh: one.isFresh, turn: 0 },
      bounds: { events: held.state.batchMax, bytes: deps.bounds.batchBytes },
    },
    deps,
  )
  one.isAwake = true
  if (batch.messages.length > 0) {
    if (!batch.isMore) return send(one, { pending, batch }, deps)
    // A packet that was passed by is there by now: that is more than it was, and other deliveries.
    one.held = { ...held, pending: null, state: { ...held.state, refusals: 0 } }
    return deliverFresh(one, deps)
  }
  if (batch.isMore) return goOn(one, batch.position, batch.isFresh, deps)
  // What it was about may not be read by its owner any more, or was let go.
  const { position, isFresh } = batch
  return arrive(one, { position, isFresh, arrived: 0, batchNow: held.state.batchNow }, deps)
}

type Sent = {
  readonly pending: Pending
  readonly batch: Pick<Awaited<ReturnType<typeof readBatch>>, 'messages' | 'position' | 'isFresh'>
}

async function send(one: Kept, { pending, batch }: Sent, deps: DeliverDeps): Promise<boolean> {
  const { store, events } = deps
  const { held } = one
  const body = deliveryBody(batch.messages, { source: deps.source, isBatch: held.state.batchMax > 1 })
  // Before it leaves: after a crash the same goes again, from the same place and under the same id.
  const from = tokenOf(one.position, deps)
  if (!(await store.begin(held, pending, from))) return false
  one.held = { ...held, pending, position: from }
  one.unsavedSinceMs = undefined
  const answer = await call(one, { ...body, webhookId: pending.webhookId }, deps)
  if (deps.stop.aborted) return true
  one.isAwake = true
  const { now, chance, retryMs } = deps
  const decision = decideAfter(answer, held.state, {
    ...{ nowMs: now(), chance: chance(), count: batch.messages.length, retryMs },
  })
  const { state } = held
  switch (decision.kind) {
    case 'delivered':
      for (const { sinceMs } of batch.messages) if (sinceMs !== null) events.onLag(now() - sinceMs)
      events.onTried('delivered')
      return arrive(one, { ...batch, arrived: 1, batchNow: decision.batchNow }, deps)
    case 'again': {
      events.onTried(decision.refusals > state.refusals ? 'refused' : 'failed')
      const { attempts, refusals, atMs } = decision
      const failing = { failingSinceMs: state.failingSinceMs ?? now() }
      return failed(one, { ...state, ...failing, attempts, refusals }, { atMs, why: decision.why }, deps)
    }
    case 'smaller': {
      events.onTried('refused')
      const smaller = { ...state, batchNow: decision.batchNow, refusals: 0 }
      return failed(one, smaller, { atMs: now(), why: decision.why, pending: null }, deps)
    }
    case 'set-aside': {
      events.onTried('set-aside')
      const set = await setAside(one, { pending, batch }, body.eventIds, decision, deps)
      return set === 'full' ? pauseIt(one, 'dead-letters-full', decision.why, deps) : set
    }
    case 'over':
      events.onTried('over')
      return endIt(one, { status: 'expired', reason: 'gone' }, decision.why, deps)
    case 'pause':
      return pauseIt(one, decision.reason, decision.why, deps)
  }
}

type Arrival = {
  readonly position: Positions
  readonly isFresh: boolean
  readonly arrived: 0 | 1
  readonly batchNow: number
}

/** Its reader is past it. */
async function arrive(
  one: Kept,
  { position, isFresh, arrived, batchNow }: Arrival,
  deps: DeliverDeps,
): Promise<boolean> {
  const { ratePerMinute } = one.held
  const nextTryMs = ratePerMinute === null ? 0 : deps.now() + Math.ceil(60_000 / ratePerMinute)
  const state = { ...well(one.held.state), batchNow }
  one.dueMs = nextTryMs
  one.isFresh = isFresh
  const settled = { position, pending: null, state, nextTryMs, lastError: null, arrived } as const
  return settle(one, settled, deps)
}

async function failed(
  one: Kept,
  state: DeliveryState,
  { atMs, why, ...rest }: { atMs: number; why: string; pending?: null },
  deps: DeliverDeps,
): Promise<boolean> {
  one.dueMs = atMs
  return settle(one, { ...rest, state, nextTryMs: atMs, lastError: why, arrived: 0 }, deps)
}

async function setAside(
  one: Kept,
  { pending, batch }: Sent,
  eventIds: readonly string[],
  { status, why }: { readonly status: number; readonly why: string },
  deps: DeliverDeps,
): Promise<boolean | 'full'> {
  const { held } = one
  const refusedInARow = held.state.refusedInARow + 1
  const from = tokenOf(one.position, deps)
  const until = tokenOf(batch.position, deps)
  const settled: Settled = {
    ...{ position: until, pending: null, nextTryMs: 0, lastError: why, arrived: 0 },
    state: { ...well(held.state), refusedInARow },
  }
  const letter = { webhookId: pending.webhookId, from, until, eventIds, status, why }
  const set = await deps.store.setAside(held, settled, letter)
  if (set !== true) return set
  one.position = batch.position
  one.isFresh = batch.isFresh
  one.dueMs = 0
  one.held = { ...held, pending: null, state: settled.state, position: until }
  return true
}

function pauseIt(one: Kept, reason: StatusReason, why: string, deps: DeliverDeps): Promise<boolean> {
  deps.events.onTried('paused')
  return endIt(one, { status: 'paused', reason }, why, deps)
}

/** Its position stays, and what is pending: whoever takes it up again begins there. */
async function endIt(
  one: Kept,
  ends: NonNullable<Settled['ends']>,
  lastError: string,
  deps: DeliverDeps,
): Promise<boolean> {
  const { state } = one.held
  await deps.store.settle(one.held, { state: rested(state), nextTryMs: 0, lastError, arrived: 0, ends })
  return false
}

/** The tries begin anew; since when it fails stays, for whoever looks. */
function rested(state: DeliveryState): DeliveryState {
  return { ...state, attempts: 0, refusals: 0, refusedInARow: 0 }
}

function well(state: DeliveryState): DeliveryState {
  return { ...rested(state), failingSinceMs: null }
}

async function settle(
  one: Kept,
  { position, ...settled }: Omit<Settled, 'position'> & { readonly position?: Positions },
  deps: DeliverDeps,
): Promise<boolean> {
  const written = position && tokenOf(position, deps)
  const isOurs = await deps.store.settle(one.held, { ...settled, ...(written && { position: written }) })
  if (!isOurs) return false
  if (position !== undefined) {
    one.position = position
    one.unsavedSinceMs = undefined
  }
  one.held = {
    ...one.held,
    state: settled.state,
    ...(settled.pending === null && { pending: null }),
    ...(written && { position: written }),
  }
  return true
}

async function deliverLetter(one: Kept, letter: DeadLetter, deps: DeliverDeps): Promise<boolean> {
  const { held } = one
  one.isAwake = true
  const [from, until] = [letter.from, letter.until].map(text =>
    orThrow(readResumeToken(text, deps.positions)),
  )
  if (from === undefined || until === undefined) throw new Error(`dead letter ${letter.number} has no places`)
  const batch = await readBatch(
    {
      ...deps,
      ...{ filter: held.filter, from, until, isFresh: false, turn: 0 },
      bounds: { events: held.state.batchMax, bytes: deps.bounds.batchBytes },
    },
    deps,
  )
  const left = { ...letter, from: tokenOf(batch.position, deps) }
  // Nothing that its owner may read, or asks for, is left of it.
  if (batch.messages.length === 0)
    return batch.isMore
      ? deps.store.shortenLetter(held, left)
      : deps.store.settleLetter(held, letter, 'arrived')
  const body = deliveryBody(batch.messages, { source: deps.source, isBatch: held.state.batchMax > 1 })
  const answer = await call(one, { ...body, webhookId: letter.webhookId }, deps)
  if (deps.stop.aborted) return true
  const hasArrived = answer.status !== undefined && answer.status >= 200 && answer.status <= 299
  deps.events.onTried(hasArrived ? 'delivered' : 'failed')
  // Under its own id receivers would take the next part for one that they have.
  if (hasArrived && batch.isMore)
    return deps.store.shortenLetter(held, { ...left, webhookId: `msg_${deps.newId()}` })
  return deps.store.settleLetter(held, letter, hasArrived ? 'arrived' : answer)
}

async function call(
  one: Kept,
  message: Parameters<DelivererDeps['post']>[1],
  { post, onCalled, stop }: DeliverDeps,
): Promise<Answer> {
  const answer = await post(one.held, message, stop)
  if (!stop.aborted) onCalled(answer.status !== undefined)
  return answer
}

async function askForConsent(one: Kept, deps: DeliverDeps): Promise<boolean> {
  const { store, askConsent, onCalled, events, stop, now, chance, retryMs } = deps
  const { held } = one
  one.isAwake = true
  const said = await askConsent(held.callbackUrl, stop)
  if (stop.aborted) return true
  onCalled(said.given || said.status !== undefined)
  events.onConsent(said.given ? 'given' : 'not-given')
  if (said.given) {
    if (!(await store.consented(held, said.ratePerMinute))) return false
    one.held = { ...held, consent: 'given', ratePerMinute: said.ratePerMinute, state: well(held.state) }
    return true
  }
  const context = { nowMs: now(), chance: chance(), count: 1, retryMs }
  // Whatever it answers is about consent, and never about a message: none was sent.
  const decision = decideAfter({ ...said, status: undefined }, held.state, context)
  if (decision.kind !== 'again') return pauseIt(one, 'no-consent', said.why, deps)
  const state = {
    ...held.state,
    attempts: decision.attempts,
    failingSinceMs: held.state.failingSinceMs ?? now(),
  }
  return failed(one, state, { atMs: decision.atMs, why: said.why }, deps)
}

function tokenOf(position: Positions, { positions }: Pick<DeliverDeps, 'positions'>): string {
  return openTokenWriter(position, positions).token()
}
