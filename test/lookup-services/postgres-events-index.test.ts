import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { EventBatchEntry, EventsIndex, EventsQuery } from '../../lookup-services/events-index.ts'
import { eventsIndex } from '../../migrations/003-events-index.ts'
import {
  findStatement,
  type PostgresEventsIndex,
  postgresEventsIndex,
} from '../../src/adapters/indexes/events-index.ts'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { carriedBy } from '../../src/contract/event-batch.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { emptyDatabase } from '../support/database.ts'
import type { TemporaryDatabase } from '../support/new-database.ts'
import { party } from '../support/pipeline.ts'
import { silentLog } from '../support/silent-log.ts'
import { inMemoryEventsIndex } from './in-memory-events-index.ts'
import { recordWrites } from './record-writes.ts'

const publishers = ['north', 'south'].map(name => party(`publisher ${name}`).identityKey)
const txids = ['a', 'b', 'c'].map(name => sha256Hex(`transaction ${name}`))
const all: EventsQuery = { order: 'asc', limit: 500 }

function batch(change: Partial<EventBatchEntry> = {}): EventBatchEntry {
  return {
    txid: txids[0] ?? '',
    vout: 0,
    publisher: publishers[0] ?? '',
    streamId: 'greenhouse',
    sourceId: 'sensor-1',
    subject: sha256Hex('batch'),
    count: 2,
    carried: carriedBy({ streamId: '', sourceId: '', count: 2 }),
    ...change,
  }
}

describe('the index of event batches in PostgreSQL', () => {
  let temporary: TemporaryDatabase
  let database: Database
  let index: PostgresEventsIndex
  const submission = (nowMs: number, ...steps: (() => Promise<void>)[]) =>
    recordWrites(database.pool, nowMs, async () => {
      for (const step of steps) await step()
    })

  beforeAll(async () => {
    temporary = await emptyDatabase()
    database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
    await eventsIndex.up(database.knex)
    index = postgresEventsIndex(database.pool)
  })
  afterAll(async () => {
    await database.close()
    await temporary.drop()
  })
  beforeEach(() => index.reset())

  test('gives back what it was given, the largest numbers and any text included', async () => {
    const odd = batch({
      vout: 0xffff_ffff,
      count: Number.MAX_SAFE_INTEGER,
      streamId: `'"\\ \u{1f600}`.repeat(20),
    })
    await submission(5, () => index.put(odd))
    expect(await index.find(all)).toEqual([{ ...odd, admittedMs: 5, spent: false }])
  })

  test('keeps the time at which a batch came first, and that it is spent', async () => {
    await submission(5, () => index.put(batch()))
    await submission(6, () => index.markSpent(batch(), txids[1] ?? ''))
    await submission(7, () => index.put(batch()))
    expect(await index.find(all)).toEqual([{ ...batch(), admittedMs: 5, spent: true }])
  })

  test('lists a batch as spent that is admitted and spent within one submission, in either order', async () => {
    const [first, second] = [batch(), batch({ vout: 1 })]
    const spend = (of: EventBatchEntry) => index.markSpent(of, txids[1] ?? '')
    await submission(
      5,
      () => index.put(first),
      () => spend(first),
      () => spend(second),
      () => index.put(second),
    )
    expect((await index.find(all)).map(({ spent }) => spent)).toEqual([true, true])
  })

  test('lists a batch once, and as spent, when two submissions bring it at the same time and one spends it', async () => {
    for (let vout = 0; vout < 20; vout++) {
      const one = batch({ vout })
      await Promise.all([
        submission(5, () => index.put(one)),
        submission(
          5,
          () => index.put(one),
          () => index.markSpent(one, txids[1] ?? ''),
        ),
        submission(5, () => index.put(one)),
      ])
    }
    const listed = await index.find(all)
    expect(listed.map(({ vout, spent }) => [vout, spent])).toEqual(listed.map((_, vout) => [vout, true]))
    expect(listed).toHaveLength(20)
  })

  test('takes no notice of the spend of what is not listed', async () => {
    await submission(5, () => index.markSpent(batch(), txids[1] ?? ''))
    expect(await index.find(all)).toEqual([])
  })

  test('takes a spend back only for the transaction that it was by', async () => {
    await submission(
      5,
      () => index.put(batch()),
      () => index.markSpent(batch(), txids[1] ?? ''),
    )
    await submission(6, () => index.markUnspent(batch(), txids[2] ?? ''))
    expect(await index.find({ ...all, spent: true })).toHaveLength(1)
    await submission(7, () => index.markUnspent(batch(), txids[1] ?? ''))
    expect(await index.find({ ...all, spent: true })).toEqual([])
  })

  test('can be taken back to before its migration and on again', async () => {
    await eventsIndex.down(database.knex)
    await expect(index.find(all)).rejects.toThrow(/gitdata_events/)
    await eventsIndex.up(database.knex)
    expect(await index.find(all)).toEqual([])
  })

  test('refuses to be written when nothing is being judged', async () => {
    await expect(index.put(batch())).rejects.toThrow(/while a submission is judged/)
  })

  test('answers as the shortest index does, whatever came, in whatever submissions', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anySubmission, { maxLength: 8 }),
        fc.array(anyQuery, { minLength: 5 }),
        async (submissions, queries) => {
          await index.reset()
          let now = 0
          const plain = inMemoryEventsIndex(() => now)
          for (const { steps, nowMs } of submissions) {
            now = nowMs
            await submission(now, ...steps.map(step => () => step(index)))
            for (const step of steps) await step(plain)
          }
          for (const query of queries) expect(await index.find(query)).toEqual(await plain.find(query))
        },
      ),
      { numRuns: 60 },
    )
  })

  test('has an order of its own for every kind of page: nothing read is left out or sorted', async () => {
    const client = await database.pool.connect()
    try {
      // Of few rows the planner may sort what it has found. Whether it could do without does not depend on how many.
      for (const way of ['sort', 'bitmapscan', 'seqscan']) await client.query(`set enable_${way} = off`)
      for (const query of pages) {
        const { text, values } = findStatement(query)
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
        const plan = rows.map(row => row['QUERY PLAN']).join('\n')
        expect(plan).toMatch(/Index (Only )?Scan/)
        expect(plan).not.toMatch(/Sort|Seq Scan|Bitmap|Filter/)
      }
    } finally {
      // Not back to the pool: it is set up in its own way.
      client.release(true)
    }
  })
})

const outpoint = fc.record({ txid: fc.constantFrom(...txids), vout: fc.nat(1) })
const spender = fc.constantFrom(...txids)
type Step = (index: EventsIndex) => Promise<void>

const putting = outpoint.map(
  ({ txid, vout }): Step =>
    index =>
      // What an outpoint says never changes, so it is made from the outpoint.
      index.put(
        batch({
          txid,
          vout,
          publisher: publishers[vout] ?? '',
          streamId: `stream ${txid[0]}`,
          count: vout + 1,
        }),
      ),
)
const spending = fc.tuple(outpoint, spender).map(
  ([of, by]): Step =>
    index =>
      index.markSpent(of, by),
)
const unspending = fc.tuple(outpoint, spender).map(
  ([of, by]): Step =>
    index =>
      index.markUnspent(of, by),
)
const removing = outpoint.map(
  (of): Step =>
    index =>
      index.remove(of),
)

/** A submission admits and then spends, each outpoint once at most; what is evicted or not spent any more comes alone. */
const admitting = fc
  .tuple(
    fc.uniqueArray(outpoint, { maxLength: 4, selector: ({ txid, vout }) => `${txid}.${vout}` }),
    fc.array(putting, { maxLength: 4 }),
    spender,
  )
  .map(([spends, puts, by]): Step[] => [
    ...puts,
    ...spends.map(
      (of): Step =>
        index =>
          index.markSpent(of, by),
    ),
  ])
const anySubmission = fc.record({
  steps: fc.oneof(admitting, fc.tuple(fc.oneof(putting, spending, unspending, removing))),
  nowMs: fc.nat(3),
})
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const anyQuery: fc.Arbitrary<EventsQuery> = fc.record({
  publisher: maybe(fc.constantFrom(...publishers)),
  streamId: maybe(fc.constantFrom(...txids.map(txid => `stream ${txid[0]}`))),
  txid: maybe(fc.constantFrom(...txids)),
  admittedFromMs: maybe(fc.nat(3)),
  admittedToMs: maybe(fc.nat(3)),
  spent: maybe(fc.boolean()),
  order: fc.constantFrom('asc', 'desc'),
  limit: fc.integer({ min: 1, max: 4 }),
  after: maybe(fc.record({ txid: fc.constantFrom(...txids), vout: fc.nat(1), admittedMs: fc.nat(3) })),
})

const pages: EventsQuery[] = [
  {},
  { publisher: publishers[0] },
  { streamId: 'greenhouse' },
  { sourceId: 'sensor-1' },
  { subject: sha256Hex('batch') },
  { publisher: publishers[0], streamId: 'greenhouse' },
  { publisher: publishers[0], sourceId: 'sensor-1' },
  { spent: true },
  { spent: false },
  { admittedFromMs: 5_000, admittedToMs: 6_000 },
  { publisher: publishers[0], admittedFromMs: 5_000 },
].flatMap(filter =>
  (['asc', 'desc'] as const).flatMap(order => [
    { ...filter, order, limit: 50 },
    { ...filter, order, limit: 50, after: { admittedMs: 5_500, txid: txids[0] ?? '', vout: 0 } },
  ]),
)
