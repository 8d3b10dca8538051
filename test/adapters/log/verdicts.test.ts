import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { recount } from '../../../src/adapters/log/recount.ts'
import { watchCounts } from '../../../src/adapters/log/watch-counts.ts'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { inTransaction } from '../../../src/adapters/postgres/sql.ts'
import { writeNewStandings } from '../../../src/adapters/rounds/new-standings.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'
import { until } from '../../support/until.ts'
import { writeLog } from '../../support/written-log.ts'

let database: Database
let pool: pg.Pool
beforeAll(async () => {
  database = await migratedDatabase()
  pool = database.pool
})
afterAll(() => database.close())
beforeEach(async () => {
  await damage('truncate partitions, streams, event_ids, native_ids cascade')
  await writeLog(pool, [
    { accepted: 3, mark: true },
    { accepted: 2, rejected: 1, mark: true },
    { accepted: 4, mark: true },
    { accepted: 1 },
  ])
})

async function damage(sql: string) {
  await pool.query(`set session_replication_role = replica; ${sql}; reset session_replication_role`)
}

const setOut = () => inTransaction(pool, db => writeNewStandings(db, 1))
const split = (packetNo: number) =>
  pool.query(`update packet_standings set status = 'split' where packet_no = $1`, [packetNo])
/** Without the certificate, as after its packets' standings were written and nothing else. */
const certify = (packetNo: number, status = 'unanchored') =>
  pool.query(`update packet_standings set status = $2, version_id = sha256('version') where packet_no = $1`, [
    packetNo,
    status,
  ])
const found = async () => (await recount(pool)).discrepancy

describe('what becomes of accepted events', () => {
  test('is counted by its verdict, and all of it is in one place', async () => {
    await setOut()
    await certify(0)
    await split(1)
    expect(await recount(pool)).toMatchObject({
      ...{ events: 10, certified: 3, split: 2, inFlight: 5 },
      discrepancy: undefined,
    })
  })

  test.each<[string, string, string]>([
    [
      'a packet has not set out, and those behind it have',
      'delete from packet_standings where packet_no = 1',
      'packet 1 stands nowhere on the way to a certificate, and packets behind it do',
    ],
    [
      'events were lost on the way',
      'update packet_standings set events = 1 where packet_no = 1',
      'packet 1 is counted with 1 events on the way to a certificate, and holds 2',
    ],
    [
      'a packet goes another one’s way',
      `update packet_standings set packet_id = sha256('other') where packet_no = 2`,
      'packet 2 is on the way to a certificate as d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa',
    ],
    [
      'a packet has set out, and would do so again',
      'update partition_rounds set next_packet = 2',
      'packet 2 is on the way to a certificate, and nothing says that it has set out',
    ],
    [
      'a packet counts as certified without a certificate',
      `update packet_standings set status = 'certified', version_id = sha256('') where packet_no = 0`,
      'packet 0 is certified, and there is no certificate of it that counts',
    ],
    [
      'what was followed ends elsewhere than the marks',
      'delete from partition_rounds; delete from packet_standings where packet_no > 0',
      'packet 0 is on the way to a certificate, and nothing says that it has set out',
    ],
  ])('is named by a recount where %s', async (_, change, said) => {
    await setOut()
    await damage(change)
    expect(await found()).toContain(`stream "sensors.temperature", partition 0: ${said}`)
  })

  test('is watched from where it stands, and each new packet must set out', async () => {
    await setOut()
    await certify(0)
    const said: string[] = []
    const failures: unknown[] = []
    const watch = watchCounts({
      pool,
      everyMs: 5,
      onDiscrepancy: sentence => void said.push(sentence),
      onFailure: error => void failures.push(error),
    })
    await until(() => watch.verdicts().certified === 3)
    expect(watch.verdicts()).toEqual({ certified: 3, split: 0, inFlight: 7 })
    await split(2)
    await until(() => watch.verdicts().split === 4)
    await certify(2)
    await until(() => watch.verdicts().certified === 7)
    expect([watch.discrepancies(), said]).toEqual([0, []])

    await writeLog(
      pool,
      [
        { accepted: 2, mark: true },
        { accepted: 5, mark: true },
      ],
      'other',
    )
    await until(() => watch.verdicts().inFlight === 10)
    await inTransaction(pool, async db => {
      await writeNewStandings(db, 1)
      await db.query(
        `delete from packet_standings using partitions where id = partition_id and stream_id = 'other' and packet_no = 0`,
      )
    })
    await until(() => watch.discrepancies() === 1)
    expect(said).toEqual([
      'stream "other", partition 0: of packets 0 to 1, 1 stand somewhere on the way to a certificate, and 2 should',
    ])
    await watch.stop()
    expect(failures).toEqual([])
  })
})
