import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openEventLog } from '../../../src/adapters/log/event-log.ts'
import { beginAs } from '../../../src/adapters/log/log-role.ts'
import { readMeters, sweepMeters } from '../../../src/adapters/log/meters.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { namesOf } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { rosterDigest } from '../../../src/core/log/roster.ts'
import type { Limits } from '../../../src/core/registry/limits.ts'
import { openAccept } from '../../../src/ingest/accept.ts'
import type { Accept, Arrived, ItemAnswer } from '../../../src/ingest/arrived.ts'
import {
  arrivedWith,
  LOG_KEY,
  type LogBed,
  NODE_OPERATOR,
  openLogBed,
  policyOf,
  sampleSource,
} from '../../support/log-bed.ts'

let bed: LogBed
beforeEach(async () => {
  bed = await openLogBed()
})
afterEach(() => bed.end())

const native = (id: string, value: number, timestamp?: number): Json => ({
  eventType: 'reading',
  externalId: id,
  data: { value },
  ...(timestamp !== undefined && { timestamp }),
})
const timed = (timestamp: number, value: number): Json => ({
  eventType: 'reading',
  timestamp,
  data: { value },
})

function statuses(items: readonly ItemAnswer[]): string[] {
  return items.map(({ status }) => status)
}

async function segments() {
  const { rows } = await bed.database.pool.query(
    `select partition_id as "partitionId", append_no as "appendNo", first_seq as "firstSeq", count, received, duplicate,
      rejected, quarantined, waived, convert_from(lines, 'UTF8') as lines from segments order by 1, 2`,
  )
  return rows
}

async function totals() {
  const { rows } = await bed.database.pool.query(
    `select next_seq as accepted, received, duplicate, rejected, quarantined, waived from partition_heads
      order by partition_id`,
  )
  return rows
}

describe('an event with a time of its own', () => {
  test('is accepted once, and its repetition names it', async () => {
    const [first] = await bed.send([timed(1000, 1)])
    expect(first).toMatchObject({ status: 'accepted', partition: 0, seq: 0, dedup: 'event-id' })
    const again = await bed.send([timed(1000, 1), timed(1000, 2), timed(1000, 2)])
    expect(statuses(again)).toEqual(['duplicate', 'accepted', 'duplicate'])
    expect(again[0]).toMatchObject({ of: first?.status === 'accepted' && first.eventId })
    expect(await totals()).toEqual([
      { accepted: 2, received: 4, duplicate: 2, rejected: 0, quarantined: 0, waived: 0 },
    ])
  })
})

describe('a repetition', () => {
  test('is found whether or not others came shortly before, and what comes with it is counted once', async () => {
    const held = { ...Object(timed(3000, 1)), classification: 'SECRET' }
    await bed.send([timed(1000, 1), native('a', 1)])
    for (const again of [1, 2]) {
      const items = [timed(1000, 1), timed(1000, 1 + again), native('a', 1), native(`b${again}`, 1), held]
      const answers = await bed.send(items)
      expect(statuses(answers)).toEqual(['duplicate', 'accepted', 'duplicate', 'accepted', 'quarantined'])
    }
    expect(await totals()).toEqual([
      { accepted: 6, received: 12, duplicate: 5, rejected: 0, quarantined: 1, waived: 0 },
    ])
  })
})

describe('an event with an id of its own', () => {
  test('is a duplicate without a new payload, and a revision with one', async () => {
    const items = [native('a', 1, 1000), native('a', 1, 1000), native('a', 2, 2000), native('a', 1, 3000)]
    const together = await bed.send(items)
    expect(statuses(together)).toEqual(['accepted', 'duplicate', 'revision', 'revision'])
    expect(statuses(await bed.send(items))).toEqual(['duplicate', 'duplicate', 'duplicate', 'duplicate'])
    const [last] = await bed.send([native('a', 2, 1500)])
    expect(last).toMatchObject({ status: 'duplicate' })
  })

  test('says the same whether its payloads come in one request or in many', async () => {
    const items = [native('a', 1, 1000), native('a', 2, 2000), native('a', 1, 3000), native('a', 3, 2500)]
    const apart = (await Promise.all(items.map(item => [item])).then(async each => {
      const answers: ItemAnswer[] = []
      for (const one of each) answers.push(...(await bed.send(one)))
      return answers
    })) as ItemAnswer[]
    const other = await openLogBed()
    const together = await other.send(items)
    await other.end()
    expect(apart).toEqual(together)
    expect(together[3]).toMatchObject({ status: 'revision' })
    expect(namesOf(together[3]?.status === 'revision' ? together[3].flags : 0)).toEqual(['REVISION', 'LATE'])
  })

  test('may hold any character', async () => {
    const [first] = await bed.send([native('nul\0\u{1F600}', 1)])
    expect(first).toMatchObject({ status: 'accepted' })
    expect(statuses(await bed.send([native('nul\0\u{1F600}', 1)]))).toEqual(['duplicate'])
  })
})

describe('a request', () => {
  test('answers each item for itself', async () => {
    const items = await bed.send([
      timed(1000, 1),
      { eventType: 'reading', data: 1, timestamp: 'yesterday' },
      5,
    ])
    expect(statuses(items)).toEqual(['accepted', 'rejected', 'rejected'])
    expect(items[1]).toMatchObject({ code: 'event-unreadable', pointer: '/timestamp' })
    expect(await totals()).toMatchObject([{ accepted: 1, received: 3, rejected: 2 }])
  })

  test('is answered the same again under its key, and refused with another body', async () => {
    const idempotency = { scope: 'sensor-1', key: 'k1', bodyHash: 'aa'.repeat(32) }
    const first = await bed.send([{ value: 1 }, timed(1, 1)], { idempotency })
    const again = await bed.accept(
      arrivedWith([{ value: 1 }, timed(1, 1)], { receivedMs: bed.clock.ms, idempotency }),
    )
    expect(again).toEqual({ kind: 'answered', items: first, replayed: true })
    const other = { ...idempotency, bodyHash: 'bb'.repeat(32) }
    expect(await bed.accept(arrivedWith([timed(1, 2)], { receivedMs: 1, idempotency: other }))).toEqual({
      kind: 'refused',
      refusal: { why: 'key-reused' },
    })
    expect(await totals()).toMatchObject([{ accepted: 2, received: 2 }])
  })

  test('with a key that comes many times at once is taken once', async () => {
    const idempotency = { scope: 'sensor-1', key: 'k1', bodyHash: 'aa'.repeat(32) }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => bed.send([{ value: 1 }, { value: 1 }], { idempotency })),
    )
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(await totals()).toMatchObject([{ accepted: 2, received: 2 }])
  })
})

describe('many requests at once', () => {
  test('leave dense sequences, and each event once', async () => {
    const requests = Array.from({ length: 200 }, (_, i) => [
      timed(1000 + (i % 50), 1),
      native(`n${i % 20}`, i % 3, 5000 + (i % 7)),
      { free: i },
    ])
    const answers = (await Promise.all(requests.map(items => bed.send(items)))).flat()
    const placed = answers.flatMap(answer => ('seq' in answer ? [answer] : []))
    expect(placed.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(placed.map((_, i) => i))
    expect(new Set(placed.map(({ eventId }) => eventId)).size).toBe(placed.length)
    const lines = (await segments()).map(({ lines }) => lines).join('')
    expect(lines.split('\n').length - 1).toBe(placed.length)
    const [counted] = await totals()
    expect(counted.received).toBe(600)
    expect(counted.accepted + counted.duplicate + counted.quarantined).toBe(600)
  })
})

describe('what may not be published', () => {
  test('is held back before it is written to the log, once', async () => {
    const secret = { eventType: 'reading', timestamp: 5, data: { name: 'Alice' }, policyTags: ['PII'] }
    const [held] = await bed.send([secret])
    expect(held).toMatchObject({ status: 'quarantined', reason: 'audience-mismatch' })
    const [again] = await bed.send([secret])
    expect(again).toEqual(held)
    expect(JSON.stringify(await segments())).not.toContain('Alice')
    expect(await totals()).toMatchObject([{ accepted: 0, received: 2, quarantined: 1, duplicate: 1 }])
  })
})

describe('an event that leaves quarantine', () => {
  test('enters the log once, however often it is released', async () => {
    const secret = { eventType: 'reading', timestamp: 5, data: { v: 1 }, policyTags: ['PII'] }
    const [held] = await bed.send([secret])
    const quarantineId = held?.status === 'quarantined' ? held.quarantineId : ''
    const releases = [{ quarantineId, who: 'owner', detail: 'without its tag' }]
    const open = { eventType: 'reading', timestamp: 5, data: { v: 1 } }
    const [released] = await bed.send([open], { releases })
    expect(released).toMatchObject({ status: 'accepted', seq: 0 })
    const [again] = await bed.send([open], { releases })
    expect(again).toEqual({ status: 'duplicate', of: released?.status === 'accepted' && released.eventId })
    expect(await totals()).toEqual([
      { accepted: 1, received: 1, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
    ])
  })
})

describe('a limit', () => {
  test('refuses the event after the last one, and no earlier', async () => {
    const source = { ...sampleSource, limits: { eventsPerDay: 3 } }
    const one = (i: number) => bed.accept(arrivedWith([timed(i, i)], { receivedMs: bed.clock.ms, source }))
    const kinds = (await Promise.all([1, 2, 3, 4, 5].map(one))).map(({ kind }) => kind)
    expect(kinds.filter(kind => kind === 'answered')).toHaveLength(3)
    bed.clock.ms += 86_400_000
    expect(await one(6)).toMatchObject({ kind: 'answered' })
  })

  let sent = 0
  /** So many new events as one offer: how soon to come again, where they are refused. */
  const offer = async (events: number, limits: Limits, how: Partial<Arrived> = {}, accept = bed.accept) => {
    const items = Array.from({ length: events }, () => timed(1000 + ++sent, sent))
    const source = { ...sampleSource, limits }
    const outcome = await accept(arrivedWith(items, { receivedMs: bed.clock.ms, source, ...how }))
    if (outcome.kind === 'answered') return 'taken'
    return 'retryAfterS' in outcome.refusal ? outcome.refusal.retryAfterS : outcome.refusal.why
  }
  /** Another node on the same database, whose clock is so far ahead. */
  const anotherNode = (aheadMs = 0): Accept => {
    const log = openEventLog({
      ...{ pool: bed.database.pool, logKey: LOG_KEY, network: 'local', begin: beginAs('assay_log') },
      now: () => bed.clock.ms + aheadMs,
    })
    return openAccept({
      findStream: async streamId => bed.streams.get(streamId),
      forgetStreams: () => undefined,
      append: log.append,
      randomKey: () => new Uint8Array(16),
    })
  }

  test.each([{ eventsPerDay: 7 }, { eventsPerSecond: 7 }, { requestsPerSecond: 7 }])(
    'is one for all nodes: %j',
    async limits => {
      const other = anotherNode()
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => offer(1, limits, {}, i % 2 === 0 ? bed.accept : other)),
      )
      expect(outcomes.filter(each => each === 'taken')).toHaveLength(7)
    },
  )

  test('of a second lets more of them pass at once, and takes it off those after it', async () => {
    const limits = { eventsPerSecond: 3 }
    expect(await offer(7, limits)).toBe('taken')
    expect(await offer(1, limits)).toBe(2)
    expect(await offer(7, limits)).toBe(2)
    bed.clock.ms += 1_000
    expect(await offer(1, limits)).toBe(1)
    bed.clock.ms += 1_000
    expect(await offer(3, limits)).toBe('taken')
    expect(await offer(1, limits)).toBe(1)
    bed.clock.ms += 1_000
    expect(await offer(1, limits)).toBe('taken')
    expect(await offer(1, limits)).toBe('taken')
    expect(await offer(1, limits)).toBe(1)
  })

  test('of a second keeps nobody out who sends as much as it allows at once beside somebody who sends little', async () => {
    const limits = { eventsPerSecond: 3 }
    const taken = { little: 0, much: 0 }
    for (let second = 0; second < 12; second++) {
      // The one who sends little is always first.
      for (const [who, events] of [
        ['little', 1],
        ['much', 3],
      ] as const)
        if ((await offer(events, limits)) === 'taken') taken[who] += events
      bed.clock.ms += 1_000
    }
    expect(taken.much).toBeGreaterThanOrEqual(15)
    expect(taken.little + taken.much).toBeLessThanOrEqual(3 * 12 + 3)
  })

  test('of a second holds for a node whose clock is behind as for one that is ahead', async () => {
    const limits = { eventsPerSecond: 3 }
    const ahead = anotherNode(1_000)
    expect(await offer(3, limits, {}, ahead)).toBe('taken')
    expect(await offer(1, limits)).toBe(2)
    expect(await offer(1, limits, {}, ahead)).toBe(1)
    bed.clock.ms += 2_000
    expect(await offer(3, limits)).toBe('taken')
  })

  test('of a second does not wait for a clock that was wrong', async () => {
    const limits = { eventsPerSecond: 3 }
    expect(await offer(3, limits, {}, anotherNode(3_600_000))).toBe('taken')
    bed.clock.ms += 1_000
    await offer(1, limits)
    bed.clock.ms += 1_000
    expect(await offer(3, limits)).toBe('taken')
  })

  test('of a second owes nothing for what came before it was set', async () => {
    expect(await offer(10, { requestsPerSecond: 1 })).toBe('taken')
    expect(await offer(10, { eventsPerSecond: 10 })).toBe('taken')
    bed.clock.ms += 1_000
    expect(await offer(3, { eventsPerSecond: 3 })).toBe('taken')
    expect(await offer(1, { eventsPerSecond: 3 })).toBe(1)
  })

  test('of a day is never borrowed from', async () => {
    expect(await offer(4, { eventsPerDay: 3 })).toBeGreaterThan(1)
    expect(await offer(3, { eventsPerDay: 3, eventsPerSecond: 2 })).toBe('taken')
    bed.clock.ms += 10_000
    expect(await offer(1, { eventsPerDay: 3, eventsPerSecond: 2 })).toBeGreaterThan(1)
  })

  test('of requests counts one that comes in several parts once', async () => {
    const limits = { requestsPerSecond: 1 }
    expect(await offer(2, limits)).toBe('taken')
    expect(await offer(2, limits, { continued: true })).toBe('taken')
    expect(await offer(2, limits)).toBe(1)
  })

  test('is forgotten once nothing is owed any more, and not before', async () => {
    const { pool } = bed.database
    const rates = async () => {
      await sweepMeters(pool, bed.clock.ms)
      return (await pool.query("select 1 from meters where scope like '%/s'")).rowCount
    }
    expect(await offer(7, { eventsPerSecond: 3 })).toBe('taken')
    expect(await rates()).toBe(1)
    bed.clock.ms += 2 * 86_400_000
    expect(await rates()).toBe(0)
  })
})

describe("what is a publisher's", () => {
  const identityKey = `02${'1'.repeat(64)}`
  const send = (i: number, source: typeof sampleSource) =>
    bed.accept(arrivedWith([timed(i, i)], { receivedMs: bed.clock.ms, source }))
  const today = async () =>
    (await readMeters(bed.database.pool, `source ${sampleSource.sourceId}`, bed.clock.ms)).day

  test("is counted where nothing limits it, and what is nobody's is not", async () => {
    await send(1, sampleSource)
    expect(await today()).toMatchObject({ requests: 0, events: 0, bytes: 0 })
    for (const i of [2, 3]) await send(i, { ...sampleSource, identityKey })
    expect(await today()).toMatchObject({ requests: 2, events: 2 })
    expect((await today()).bytes).toBeGreaterThan(0)
  })

  test('is bounded by bytes as by events', async () => {
    await send(1, { ...sampleSource, identityKey })
    const { bytes } = await today()
    const source = { ...sampleSource, identityKey, limits: { bytesPerDay: 3 * bytes - 1 } }
    expect(await send(2, source)).toMatchObject({ kind: 'answered' })
    expect(await send(3, source)).toMatchObject({ kind: 'refused', refusal: { why: 'quota' } })
    expect(await today()).toMatchObject({ events: 2, bytes: 2 * bytes })
  })
})

describe('a changed policy', () => {
  test('ends the packet, and is not written to under the old one', async () => {
    await bed.send([timed(1, 1)])
    const old = bed.streams.get('readings')
    const next = policyOf({ v: 1, constants: ['schemaVersion', 'streamId'] })
    await bed.putStream({ streamId: 'readings', ...next, policyNo: 2 })
    await bed.send([timed(2, 2)])
    const { rows } = await bed.database.pool.query('select up_to_seq, because from seal_marks')
    expect(rows).toEqual([{ up_to_seq: 1, because: 'policy' }])
    expect((await segments())[1].lines).toContain('"domain":"generic"')

    if (old !== undefined) bed.streams.set('readings', old)
    const outcome = await bed.accept(arrivedWith([timed(3, 3)], { receivedMs: bed.clock.ms }))
    expect(outcome).toMatchObject({ kind: 'refused', refusal: { why: 'backlog' } })
    expect(await totals()).toMatchObject([{ accepted: 2 }])
  })
})

describe('a packet that an append ends', () => {
  const rosters = async () => {
    const { rows } = await bed.database.pool.query<{ roster: string }>(
      "select encode(roster_digest, 'hex') as roster from seal_marks order by packet_no",
    )
    return rows.map(({ roster }) => roster)
  }

  test("states the operators of its stream, and the node's where the stream names none", async () => {
    const own = [`03${'44'.repeat(32)}`]
    await bed.send([timed(1, 1)])
    const second = policyOf({ v: 1, constants: ['schemaVersion', 'streamId'] })
    await bed.putStream({ streamId: 'readings', ...second, policyNo: 2 })
    await bed.send([timed(2, 2)])
    const third = policyOf({ v: 1, constants: ['schemaVersion'] })
    await bed.putStream({ streamId: 'readings', ...third, policyNo: 3, operators: own })
    await bed.send([timed(3, 3)])
    const digests = [[NODE_OPERATOR], own].map(roster => orThrow(rosterDigest(roster)))
    expect(await rosters()).toEqual(digests)
  })
})

describe('a stream of several shards', () => {
  test('keeps each event in the partition of its id, and numbers each partition by itself', async () => {
    await bed.putStream({ streamId: 'readings', shards: { by: 'event-id', count: 3 } })
    const answers = await bed.send(Array.from({ length: 60 }, (_, i) => timed(i, i)))
    const partitions = new Set(answers.flatMap(answer => ('seq' in answer ? [answer.partition] : [])))
    expect([...partitions].sort()).toEqual([0, 1, 2])
    expect(statuses(await bed.send([timed(7, 7)]))).toEqual(['duplicate'])
    expect((await totals()).reduce((sum, { accepted }) => sum + accepted, 0)).toBe(60)
  })
})
