import type { DueSeat, SeatOffers } from './ports.ts'
import { type RetryBounds, retryAfter } from './retry-after.ts'

export type OfferBounds = {
  /** Offers to one agent at the same time. */
  readonly perAgent: number
  /** Offers at the same time, to whomever. */
  readonly atOnce: number
  /** How often a seat is offered to an agent that does not take it. */
  readonly triesMax: number
  readonly retry: RetryBounds
  /** Between two looks where nobody says that there is something: what other processes did is found then. */
  readonly pollMs?: number
}

const POLL_MS = 500

export const OFFERS_AT_ONCE_MAX = 64

export type OfferDeps = {
  readonly offers: SeatOffers
  readonly bounds: OfferBounds
  now(): number
  random(): number
  at(step: string): void
  onOffer(outcome: OfferOutcome, seat: DueSeat): void
  onFailure(error: unknown): void
}

export type OfferOutcome = 'taken' | 'again' | 'failed'

export type Offering = {
  /** There are seats to offer. */
  wake(): void
  /** When to look next, by the clock of the process. */
  nextMs(): number
  /** Offers what is due, as far as there is room; resolves once that is under way, not once it is answered. */
  look(): Promise<void>
  underWay(): number
  /** Resolves once nothing is under way. */
  drain(): Promise<void>
}

/** An agent that does not answer keeps no other agent waiting: each has a line of its own. */
export function openOffering(deps: OfferDeps): Offering {
  const { offers, bounds, now } = deps
  const clock = () => performance.now()
  const lines = new Map<string, DueSeat[]>()
  const busy = new Map<string, number>()
  const underWay = new Set<Promise<void>>()
  const pollMs = bounds.pollMs ?? POLL_MS
  let waiting = 0
  let lookMs = 0
  let foundNoRoom = false

  const begin = (seat: DueSeat) => {
    const { agentKey } = seat
    busy.set(agentKey, (busy.get(agentKey) ?? 0) + 1)
    const done: Promise<void> = offerSeat(seat, deps)
      .catch(deps.onFailure)
      .finally(() => {
        underWay.delete(done)
        const left = (busy.get(agentKey) ?? 1) - 1
        if (left === 0) busy.delete(agentKey)
        else busy.set(agentKey, left)
        if (foundNoRoom) lookMs = 0
        const next = lines.get(agentKey)?.shift()
        if (lines.get(agentKey)?.length === 0) lines.delete(agentKey)
        if (next === undefined) return
        waiting -= 1
        begin(next)
      })
    underWay.add(done)
  }

  return {
    wake() {
      lookMs = 0
    },
    nextMs: () => lookMs,
    async look() {
      if (clock() < lookMs) return
      lookMs = clock() + pollMs
      const room = bounds.atOnce - underWay.size - waiting
      foundNoRoom = room <= 0
      if (foundNoRoom) return
      const due = await offers.takeDue(room)
      if (due.length === room) lookMs = 0
      for (const seat of due) {
        if ((busy.get(seat.agentKey) ?? 0) < bounds.perAgent) begin(seat)
        else {
          lines.set(seat.agentKey, [...(lines.get(seat.agentKey) ?? []), seat])
          waiting += 1
        }
      }
    },
    underWay: () => underWay.size,
    async drain() {
      // Seats that stand in line are offered by others, once our time with them has run out.
      lines.clear()
      waiting = 0
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }

  async function offerSeat(seat: DueSeat, { at, onOffer }: OfferDeps): Promise<void> {
    const beganMs = now()
    // It stood in line for too long: our time with it would be over before the call is.
    if (beganMs >= seat.beginUntilMs) {
      await offers.giveBack(seat)
      lookMs = 0
      return
    }
    if (beganMs >= seat.deadlineMs) {
      const error = new Error('its deadline had passed before it could be offered')
      await offers.failed(seat, error, { beganMs, againMs: undefined })
      onOffer('failed', seat)
      return
    }
    let steak: unknown
    try {
      steak = await offers.offer(seat)
    } catch (error) {
      const againMs = againAfter(seat, deps)
      await offers.failed(seat, error, { beganMs, againMs })
      if (againMs !== undefined) lookMs = Math.min(lookMs, clock() + againMs - now())
      onOffer(againMs === undefined ? 'failed' : 'again', seat)
      return
    }
    at('rounds.offered')
    await offers.offered(seat, steak, { beganMs, atMs: now() })
    onOffer('taken', seat)
  }
}

/** An answer after the deadline would be none. */
function againAfter(
  { attempts, deadlineMs }: DueSeat,
  { bounds, now, random }: OfferDeps,
): number | undefined {
  const tries = attempts + 1
  if (tries >= bounds.triesMax) return undefined
  const againMs = now() + retryAfter(tries, bounds.retry, random)
  return againMs < deadlineMs ? againMs : undefined
}
