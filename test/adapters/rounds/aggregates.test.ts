import { afterEach, describe, expect, test } from 'vitest'
import { aggregateId } from '../../../src/core/certificate/aggregate.ts'
import type { DueAggregate, HeldRound } from '../../../src/jobs/ports.ts'
import {
  aggregateOpening,
  decidedAs,
  jobOf,
  leaf,
  NOW_MS,
  operators,
  type RoundsBed,
  roundsBed,
  type Store,
} from './rounds-bed.ts'

const beds: RoundsBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) await each.end()
})

describe('a window over certified packets', () => {
  test('is a round of one member, which others take over, and is asked for again under its name', async () => {
    const bed = await withWindow()
    const store = bed.store({ retryMs: () => 1_000 })
    const [first] = await openDue(store)
    const { roundId } = held(first).lease
    expect(held(first)).toMatchObject({ template: 'aggregate', rebuild: 0, lease: { token: 1 } })
    expect(await openDue(store)).toEqual([])

    await store.letGo()
    const other = bed.store({ retryMs: () => 1_000 })
    const [taken] = await other.take(10)
    expect(held(taken)).toMatchObject({
      operators: operators.map(({ identityKey }) => identityKey),
      packets: [{ packetId: roundId, status: 'open', roundId, rounds: 1, tries: 0, version: null }],
    })
    expect(jobOf(held(taken)).sent.txid).toBe(jobOf(held(first)).sent.txid)

    await bed.seen(other, held(taken))
    for (const seat of [0, 1, 2]) await bed.answer(held(taken), seat, [leaf(`answer ${seat}`)])
    const news = await bed.newsOf(other, held(taken))
    const decision = bed.decide(held(taken), news)
    await other.close(held(taken).lease, decidedAs('close', held(taken), decision), bed.close(held(taken)))
    expect(await dueIn(other)).toEqual([])
    expect(await other.closed(held(taken).lease)).toBe('written')

    // It waits first, as packets do.
    expect(await dueIn(other)).toEqual([])
    bed.clock.ms += 1_000
    const [due] = await dueIn(other)
    expect(due).toMatchObject({
      rebuild: 1,
      standing: { status: 'sealed', rounds: 1, tries: 1, roundId: null },
    })
    const [again] = await openDue(other)
    expect(held(again)).toMatchObject({ lease: { roundId, token: 3 }, rebuild: 1, state: 'open' })
    expect(jobOf(held(again)).sent.txid).not.toBe(jobOf(held(first)).sent.txid)
    const jobs = await bed.query('select rebuild, outcome from round_jobs order by rebuild')
    expect(jobs).toEqual([
      { rebuild: 0, outcome: 'closed' },
      { rebuild: 1, outcome: null },
    ])
    expect(await bed.query('select state, rounds, tries from aggregates')).toEqual([
      { state: 'open', rounds: 2, tries: 1 },
    ])
  })

  test('begins no round while its stream is not published, and begins one once it is again', async () => {
    const bed = await withWindow()
    await bed.query('update streams set published = false')
    expect(await openDue(bed.store())).toEqual([])
    await bed.query('update streams set published = true')
    expect(await openDue(bed.store())).toHaveLength(1)
  })

  test('has its turn, however many older ones there are of another roster', async () => {
    const bed = await withWindow()
    await bed.query(
      `insert into aggregates (aggregate_id, kind, partition_id, first_packet, last_packet, from_ms, to_ms, parents, gaps,
          document, roster_digest, state, made_ms)
        select sha256(number::text::bytea), kind, partition_id, number, number, from_ms, to_ms, parents, gaps, document,
            sha256('another'), state, made_ms - 1
          from aggregates, generate_series(1, 100) as number`,
    )
    const rosters = (await dueIn(bed.store())).map(({ rosterDigest }) => rosterDigest)
    expect(rosters).toHaveLength(65)
    expect(new Set(rosters).size).toBe(2)
  })

  test('is passed by after its tries', async () => {
    const bed = await withWindow()
    await bed.query('update aggregates set tries = 4, rounds = 4')
    const store = bed.store()
    const [opened] = await openDue(store)
    await bed.seen(store, held(opened))
    for (const seat of [0, 1, 2]) await bed.answer(held(opened), seat, [leaf(`answer ${seat}`)])
    const decision = bed.decide(held(opened), await bed.newsOf(store, held(opened)))
    await store.close(held(opened).lease, decidedAs('close', held(opened), decision), bed.close(held(opened)))
    await store.closed(held(opened).lease)
    expect(await bed.query('select state, tries from aggregates')).toEqual([{ state: 'split', tries: 5 }])
    expect(await dueIn(store)).toEqual([])
  })
})

async function withWindow(): Promise<RoundsBed> {
  const bed = await roundsBed()
  beds.push(bed)
  const [first] = bed.made.packets
  if (first === undefined) throw new Error('a round has packets')
  const { log, streamId, partition, rosterDigest } = first.header
  const id = aggregateId({ log, streamId, partition, firstPacketNo: 0, lastPacketNo: 0 })
  await bed.query(
    `insert into aggregates (aggregate_id, kind, partition_id, first_packet, last_packet, from_ms, to_ms, parents, gaps,
        document, roster_digest, state, made_ms)
      select $1, 'window', id, 0, 0, 0, 1000, '{}', '{}', '{}', $2, 'due', $3 from partitions`,
    [Buffer.from(id, 'hex'), Buffer.from(rosterDigest, 'hex'), NOW_MS],
  )
  return bed
}

async function openDue(store: Store): Promise<readonly HeldRound[]> {
  const planned = await store.plan(({ aggregates, nowMs }) => ({
    openings: aggregates.map(due => aggregateOpening(due, nowMs)),
    seatable: new Set(['enhanced'] as const),
  }))
  return planned.kind === 'planned' ? planned.opened : []
}

async function dueIn(store: Store): Promise<readonly DueAggregate[]> {
  let due: readonly DueAggregate[] = []
  await store.plan(({ aggregates }) => {
    due = aggregates
    return { openings: [], seatable: new Set() }
  })
  return due
}

function held(round: HeldRound | undefined): HeldRound {
  if (round === undefined) throw new Error('there is no round')
  return round
}
