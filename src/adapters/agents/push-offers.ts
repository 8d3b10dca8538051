import type { Pool } from 'pg'
import { baseTopics } from '../../contract/names.ts'
import type { DueSeat } from '../../jobs/ports.ts'
import { backOff } from '../../runtime/back-off.ts'
import { type Repeating, repeat } from '../../runtime/repeat.ts'
import { takeDueSeats } from './due-seats.ts'
import type { JobBeef } from './job-beef.ts'
import { noteIfSlow } from './note-asked.ts'
import { NotTaken, OfferedAlready, SilentAgent } from './offer-errors.ts'
import { recordFailed, recordOffered } from './seat-offers.ts'
import type { Subscriptions } from './subscriptions.ts'

export type PushOffersDeps = {
  readonly pool: Pool
  readonly jobBeef: JobBeef
  readonly subscriptions: Pick<Subscriptions, 'held' | 'push'>
  /** How often a seat is offered to an agent that does not take it. */
  readonly triesMax: number
  now(): number
  /** Stops there, in tests. */
  at(step: 'offer.taken' | 'offer.sent' | 'offer.recorded'): void
  onFailure(error: unknown): void
  readonly pollMs?: number
}

/** Between two looks while somebody is connected: other processes' rounds give seats to agents of ours. */
const POLL_MS = 100
const AT_ONCE = 16

/** Offers seats to agents that are connected here, whoever coordinates the round, until it is stopped. */
export function startPushing(deps: PushOffersDeps): Repeating {
  const { pool, subscriptions, now, at, onFailure, pollMs = POLL_MS } = deps
  const underWay = new Set<Promise<void>>()
  const look = async () => {
    const room = AT_ONCE - underWay.size
    const held = subscriptions.held()
    if (held.length === 0 || room <= 0) return
    const due = await takeDueSeats(pool, { held, limit: room, nowMs: now() })
    if (due.length > 0) at('offer.taken')
    for (const seat of due) {
      const done = pushSeat(seat, deps)
        .catch(onFailure)
        .finally(() => underWay.delete(done))
      underWay.add(done)
    }
  }
  const polling = repeat(look, { everyMs: pollMs, onFailure })
  return {
    wake: polling.wake,
    async stop() {
      await polling.stop()
      await Promise.all(underWay)
    },
  }
}

async function pushSeat(seat: DueSeat, deps: PushOffersDeps): Promise<void> {
  const { pool, now, at } = deps
  const beganMs = now()
  try {
    await push(seat, deps)
  } catch (error) {
    // Whoever offers it records what comes of that.
    if (error instanceof OfferedAlready) return
    return recordFailed(pool, seat, error, { beganMs, atMs: now(), againMs: againAfter(seat, deps) })
  }
  const steak = { [baseTopics[seat.stage]]: { outputsToAdmit: [seat.vout], coinsToRetain: [] } }
  await recordOffered(pool, seat, steak, { beganMs, atMs: now() })
  at('offer.recorded')
}

async function push(seat: DueSeat, deps: PushOffersDeps): Promise<void> {
  const { jobBeef, subscriptions, at } = deps
  const beef = await jobBeef(seat.jobTx)
  const said = noteIfSlow(seat, deps, () => subscriptions.push(seat, beef))
  const { taken, why } = await said.catch((error: unknown) => {
    if (error instanceof OfferedAlready || error instanceof SilentAgent) throw error
    throw new SilentAgent(String(error), { cause: error })
  })
  at('offer.sent')
  if (!taken) throw new NotTaken(`it did not take the seat${why === undefined ? '' : `: ${why}`}`)
}

function againAfter(
  { attempts, deadlineMs }: DueSeat,
  { triesMax, now }: PushOffersDeps,
): number | undefined {
  const againMs = now() + backOff(attempts + 1)
  return attempts + 1 < triesMax && againMs < deadlineMs ? againMs : undefined
}
