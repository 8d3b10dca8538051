import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HeldRound } from '../../../src/jobs/ports.ts'
import { decidedAs, jobOf, type RoundsBed, roundsBed, type Store } from './rounds-bed.ts'

let bed: RoundsBed
let store: Store

beforeEach(async () => {
  bed = await roundsBed()
  store = bed.store()
})

afterEach(() => bed.end())

describe('a round', () => {
  test('goes from sealed packets to its certificate, each step in one commit', async () => {
    let round = await openOne()
    expect(round.packets.map(({ status, rounds }) => [status, rounds])).toEqual([
      ['open', 1],
      ['open', 1],
    ])
    for (const state of ['normalized', 'validated']) {
      round = await answered(round)
      const decision = bed.decide(round, newsLike(round))
      const decided = decidedAs('advance', round, decision)
      const written = await store.advance(round.lease, decided, bed.next(round, decided.decision))
      expect(written.kind).toBe('written')
      expect(await states()).toEqual([state, state])
      round = await takenOver(round)
    }
    round = await answered(round)
    const decided = decidedAs('certify', round, bed.decide(round, newsLike(round)))
    expect(await store.certify(round.lease, decided)).toBe('written')

    expect(await bed.query('select state, coordinator, lease_until_ms, in_flight from rounds')).toEqual([
      { state: 'certifying', coordinator: null, lease_until_ms: 0, in_flight: false },
    ])
    expect(await bed.query('select stage, outcome from round_jobs order by made_ms, stage desc')).toEqual(
      expect.arrayContaining([
        { stage: 'normalize', outcome: 'advanced' },
        { stage: 'validate', outcome: 'advanced' },
        { stage: 'certify', outcome: 'certified' },
      ]),
    )
    expect(await bed.query('select count(*) as n from outcomes where is_agreed')).toEqual([{ n: 18 }])
    expect(await bed.query('select distinct state, conduct from round_seats')).toEqual([
      { state: 'completed', conduct: 'agreed' },
    ])
    expect(await store.take(10)).toEqual([])
  })
})

async function openOne(): Promise<HeldRound> {
  const planned = await bed.plan(store)
  const [round] = planned.kind === 'planned' ? planned.opened : []
  if (round === undefined) throw new Error(`nothing was opened: ${JSON.stringify(planned)}`)
  return round
}

/** The network has the job, every agent has answered, and we know it. */
async function answered(round: HeldRound): Promise<HeldRound> {
  await bed.seen(store, round)
  await bed.answerAll(round)
  const news = await bed.newsOf(store, round)
  return { ...round, job: { ...jobOf(round), results: news?.results ?? [] } }
}

function newsLike(round: HeldRound) {
  const { roundId } = round.lease
  return { roundId, last: 'seen', results: jobOf(round).results, threadUnspent: true } as const
}

/** As another process has it from the rows. */
async function takenOver(round: HeldRound): Promise<HeldRound> {
  await store.letGo()
  const [taken] = await store.take(10)
  if (taken === undefined) throw new Error('nobody had it, and it was not there to take')
  expect(taken.lease.token).toBe(round.lease.token + 1)
  expect(taken.firstJob).toEqual(round.firstJob)
  return taken
}

async function states(): Promise<string[]> {
  const rows = await bed.query<{ state: string }>('select state from packet_states order by packet_no')
  return rows.map(({ state }) => state)
}
