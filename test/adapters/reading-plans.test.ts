import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { explaining, type Plan } from '../../bench/search/plans.ts'
import { preloadEvents } from '../../bench/search/preload.ts'
import { questionsOf } from '../../bench/search/questions.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { readOldest } from '../../src/adapters/reading/live/read-oldest.ts'
import { readPacketEnds, readPackets } from '../../src/adapters/reading/live/read-packets.ts'
import type { LiveStage } from '../../src/core/live/track.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

const EVENTS = 60_000
/** So large here that reading through them would cost more; others are a few pages. */
const growing = ['projected_events', 'search_terms', 'native_ids']
/** What is looked at for a page, in the 24 places that anybody may read, and what is looked up of it. */
const ROWS_MAX = 8_000

describe('among 60,000 events', () => {
  let database: Database
  let plans: Map<string, Plan[]>
  beforeAll(async () => {
    database = await migratedDatabase()
    const preloaded = await preloadEvents(database.pool, EVENTS)
    plans = new Map()
    for (const { name, ask } of questionsOf(preloaded)) {
      const nodes: Plan[] = []
      await ask(
        explaining(database.pool, plan => nodes.push(...plan)),
        1,
      )
      plans.set(name, nodes)
    }
  })
  afterAll(() => database.close())

  test('no kind of question reads through a table that grows with them', () => {
    const scans = [...plans].flatMap(([name, nodes]) =>
      nodes
        .filter(({ node, table }) => node === 'Seq Scan' && growing.includes(table ?? ''))
        .map(({ table }) => `${name}: ${table}`),
    )
    expect([plans.size, scans]).toEqual([23, []])
  })

  test('no kind of question looks at more of them than its bound', () => {
    const large = [...plans].flatMap(([name, nodes]) =>
      nodes
        .filter(({ table, rows }) => growing.includes(table ?? '') && rows > ROWS_MAX)
        .map(({ table, rows }) => `${name}: ${rows} of ${table}`),
    )
    expect(large).toEqual([])
  })
})

describe('among 30,000 packets of a partition', () => {
  const PACKETS = 30_000
  let database: Database
  beforeAll(async () => {
    database = await migratedDatabase()
    await preloadEvents(database.pool, 25_000)
  })
  afterAll(() => database.close())

  test.each([
    ['normalized', 1, ['validated', 'certified', 'proven']],
    ['anchored', 2, ['proven']],
  ] satisfies [string, number, LiveStage[]][])(
    'that are all %s, where others begin is found without reading through them',
    async (state, partitionId, stages) => {
      await fill(database, partitionId, { state, packets: PACKETS })
      const tracks = stages.map(stage => ({ partitionId, stage }))
      const nodes: Plan[] = []
      const deps = {
        pool: explaining(database.pool, plan => nodes.push(...plan)),
        signaturesOf: async () => new Map<string, string>(),
        nowMs: Date.now(),
      }
      const beginnings = stages.map(() => ({ at: 0, line: 0 }))
      expect(await readPacketEnds(tracks, deps)).toEqual(beginnings)
      const wanted = tracks.map(track => ({ track, from: { at: 0, line: 0 }, withEvents: false }))
      expect((await readPackets(wanted, deps)).flatMap(({ steps }) => steps)).toEqual([])
      expect(nodes.filter(({ table, looked }) => table === 'packet_states' && looked > 10)).toEqual([])
    },
  )

  test('whose bytes are all gone, what is left is looked for among the oldest of them', async () => {
    const partitionId = 3
    await fill(database, partitionId, { state: 'anchored', packets: PACKETS })
    await database.pool.query('insert into given_up_lines values ($1, $2)', [partitionId, PACKETS + 1])
    const nodes: Plan[] = []
    const ask = (nowMs: number) =>
      readOldest(
        (['received', 'certified'] as const).map(stage => ({
          track: { partitionId, stage },
          withEvents: true,
        })),
        { pool: explaining(database.pool, plan => nodes.push(...plan)), nowMs },
      )
    const { rows } = await database.pool.query<{ behind: number }>(
      'select first_seq + count as behind from packets where partition_id = $1 and packet_no = 999',
      [partitionId],
    )
    const behind = rows[0]?.behind ?? 0
    expect(await ask(0)).toEqual([
      { at: behind, line: 0 },
      { at: 1_000, line: 0 },
    ])
    // Of each of the two tracks a thousand.
    const large = nodes.filter(
      ({ table, looked }) => ['packets', 'packet_states'].includes(table ?? '') && looked > 2_000,
    )
    expect(large).toEqual([])

    await database.pool.query(`insert into uhrp_objects values (sha256('raw'), 3, 'held', 0)`)
    await database.pool.query(
      `insert into uhrp_retentions (sha256, holder, audience, readers, content_type, stored_ms, retain_until_ms)
        values (sha256('raw'), 'node', 'public', '{}', 'text/plain', 0, 10)`,
    )
    await database.pool.query(
      `update packet_states set content_hash = sha256('raw') where partition_id = $1 and packet_no = 7`,
      [partitionId],
    )
    // All packets say that they have these bytes.
    expect(await ask(9)).toEqual([
      { at: 0, line: 0 },
      { at: 7, line: 0 },
    ])
    expect((await ask(10))[1]).toEqual({ at: 1_000, line: 0 })
  })
})

/** Puts that many more packets into a partition; all it has are at that state then. */
async function fill(
  { pool }: Database,
  partitionId: number,
  { state, packets }: { readonly state: string; readonly packets: number },
): Promise<void> {
  await pool.query(
    `insert into seal_marks
      select $1::integer, n, 1000 + n, 1, 0, sha256('policy'), sha256('roster'), 1000 + n, 0, 0, 0, 0, 'size', 0
        from generate_series(1, $2::integer) as n`,
    [partitionId, packets],
  )
  await pool.query(
    `insert into packets select $1::integer, n, sha256(('many ' || $1::integer || ' ' || n)::bytea), '{}', 999 + n, 1, 1, sha256('raw'), 0
      from generate_series(1, $2::integer) as n`,
    [partitionId, packets],
  )
  await pool.query(
    `insert into packet_states (partition_id, packet_no, state, ingested_at, changed_at)
      select partition_id, packet_no, $2, now(), now() from packets where partition_id = $1`,
    [partitionId, state],
  )
  for (const table of ['packets', 'packet_states']) await pool.query(`vacuum (analyze) ${table}`)
}
