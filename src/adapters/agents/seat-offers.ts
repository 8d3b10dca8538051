import type { Pool } from 'pg'
import { baseTopics } from '../../contract/names.ts'
import { readSteak } from '../../contract/steak.ts'
import type { DueSeat, SeatOffers } from '../../jobs/ports.ts'
import { type Outgoing, type OutgoingAnswer, OutgoingError } from '../outgoing/outgoing.ts'
import { bytea } from '../postgres/sql.ts'
import { under } from './callable.ts'
import { ANSWER_MS_MAX, giveBack, SEAT_LEASE_MS, takeDueSeats } from './due-seats.ts'
import type { JobBeef } from './job-beef.ts'
import { noteAsked, noteIfSlow } from './note-asked.ts'
import { NotTaken, SilentAgent } from './offer-errors.ts'
import { answered, noteAnswered, noteSilent, reasonOf } from './reach.ts'

export type SeatOffersDeps = {
  readonly pool: Pool
  readonly outgoing: Outgoing
  readonly jobBeef: JobBeef
  now(): number
  /** Stops there, in tests. */
  at(step: 'offer.taken' | 'offer.sent' | 'offer.recorded'): void
  /** There may be seats of agents that hold a connection, which are offered over that. */
  onDue?(): void
}

const ANSWER_BYTES_MAX = 64 * 1024

/** Seats offered to their agents as any client of the overlay would: POST <endpoint>/submit, answered by a STEAK. */
export function openSeatOffers(deps: SeatOffersDeps): SeatOffers {
  const { pool, jobBeef, now, at } = deps
  return {
    async takeDue(limit) {
      deps.onDue?.()
      const due = await takeDueSeats(pool, { held: 'nowhere', limit, nowMs: now() })
      if (due.length > 0) at('offer.taken')
      return due
    },
    giveBack: seat => giveBack(pool, seat, now()),
    async offer(seat) {
      const beef = await jobBeef(seat.jobTx)
      const answer = await noteIfSlow(seat, deps, () => submitTo(seat, beef, deps))
      at('offer.sent')
      return steakOf(seat, answer)
    },
    async offered(seat, steak, times) {
      await recordOffered(pool, seat, steak, times)
      at('offer.recorded')
    },
    failed: (seat, error, times) => recordFailed(pool, seat, error, { ...times, atMs: now() }),
  }
}

/** Its first endpoint that answers. */
async function submitTo(
  seat: DueSeat,
  beef: Uint8Array,
  { pool, outgoing, now }: Pick<SeatOffersDeps, 'pool' | 'outgoing' | 'now'>,
): Promise<OutgoingAnswer> {
  const beganMs = now()
  let last: unknown = new SilentAgent('its advert names no endpoint that can be called from here', {
    wasCalled: false,
  })
  for (const [i, endpoint] of seat.endpoints.entries()) {
    // Each call has all of its time, and nobody else offers the seat meanwhile.
    if (i > 0) await noteAsked(pool, seat, { beganMs, untilMs: now() + SEAT_LEASE_MS })
    try {
      const answer = await outgoing(under(endpoint, '/submit'), {
        method: 'POST',
        headers: {
          'Content-Type': 'application/octet-stream',
          'X-Topics': JSON.stringify([baseTopics[seat.stage]]),
        },
        body: beef,
        answerMsMax: ANSWER_MS_MAX,
        answerBytesMax: ANSWER_BYTES_MAX,
      })
      if (answer.status === 200) return answer
      const what = `${new URL(endpoint).origin} answered ${answer.status} to the offer of a seat`
      // About itself, and as an agent does that has enough to do or is going to stop.
      if (answer.status === 429 || answer.status === 503) throw new NotTaken(what)
      last = new SilentAgent(what)
    } catch (error) {
      if (!(error instanceof OutgoingError)) throw error
      last = new SilentAgent(error.message, { cause: error })
    }
  }
  throw last
}

/** What it says of our topic, if it admits the seat; whatever else is in it is nobody's, and need not be fit to be stored. */
function steakOf({ stage, vout }: DueSeat, { body }: OutgoingAnswer): unknown {
  const steak = readSteak(body)
  if (steak === undefined)
    throw new SilentAgent('it answered the offer of a seat with something that is no STEAK')
  const topic = baseTopics[stage]
  const said = steak[topic]
  if (said?.outputsToAdmit.includes(vout) === true) return { [topic]: said }
  throw new NotTaken('it did not take the seat: its STEAK does not admit the seat’s output')
}

/** A result may have been faster than the STEAK: what it has made of the seat stands. */
export async function recordOffered(
  pool: Pool,
  seat: DueSeat,
  steak: unknown,
  { beganMs, atMs }: { readonly beganMs: number; readonly atMs: number },
): Promise<void> {
  await pool.query({
    name: 'agents-offered',
    text: `with answered as (${answered('$5', '$4', 'null')})
      update round_seats set steak = $3::jsonb, acknowledged_ms = coalesce(acknowledged_ms, $4::bigint),
        offered_ms = coalesce(offered_ms, $6::bigint), attempts = attempts + 1,
        last_error = case when state = 'queued' then null else last_error end,
        state = case when state = 'queued' then 'running' else state end
      where job_tx = $1 and vout = $2`,
    values: [bytea(seat.jobTx), seat.vout, JSON.stringify(steak), atMs, bytea(seat.agentKey), beganMs],
  })
}

type FailedTimes = {
  readonly beganMs: number
  readonly atMs: number
  readonly againMs: number | undefined
}

export async function recordFailed(
  pool: Pool,
  seat: DueSeat,
  error: unknown,
  { beganMs, atMs, againMs }: FailedTimes,
): Promise<void> {
  const wasAsked = error instanceof SilentAgent ? error.wasCalled : error instanceof NotTaken
  await pool.query({
    name: 'agents-not-offered',
    text: `update round_seats set offered_ms = coalesce(offered_ms, $5::bigint), attempts = attempts + 1,
        last_error = case when state = 'queued' then $3 else last_error end,
        next_run_ms = case when state = 'queued' then coalesce($4::bigint, next_run_ms) else next_run_ms end,
        state = case when state = 'queued' and $4::bigint is null then 'failed' else state end
      where job_tx = $1 and vout = $2`,
    values: [bytea(seat.jobTx), seat.vout, reasonOf(error), againMs ?? null, wasAsked ? beganMs : null],
  })
  if (error instanceof SilentAgent) await noteSilent(pool, seat.agentKey, atMs, error)
  if (error instanceof NotTaken) await noteAnswered(pool, seat.agentKey, atMs)
}
