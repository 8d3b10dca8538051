import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { recount } from '../../../src/adapters/log/recount.ts'
import type { Database } from '../../../src/adapters/postgres/database.ts'
import { migratedDatabase } from '../../support/migrated-database.ts'
import { writeLog } from '../../support/written-log.ts'

let database: Database
let pool: pg.Pool
beforeAll(async () => {
  database = await migratedDatabase()
  pool = database.pool
  await pool.query('alter table segments drop constraint segments_check, drop constraint segments_check1')
})
afterAll(() => database.close())
beforeEach(async () => {
  await damage('truncate partitions, streams, event_ids, native_ids cascade')
  await writeLog(pool, soundLog)
})

const soundLog = [
  { accepted: 3, duplicate: 1 },
  { accepted: 2, rejected: 1, mark: true },
  { quarantined: 3 },
  { accepted: 4 },
  { accepted: 1, mark: true },
  { quarantined: -1, waived: 1 },
  { accepted: 2, quarantined: -1 },
  { accepted: 1, unmade: true },
  { accepted: 2 },
] as const

/** As nobody does to a database whose guards stand. */
async function damage(sql: string) {
  await pool.query(`set session_replication_role = replica; ${sql}; reset session_replication_role`)
}

const found = async (deep = true) => (await recount(pool, { deep })).discrepancy

describe('a log that adds up', () => {
  test.each([false, true])('shows nothing to a recount (deep: %s)', async deep => {
    await releaseOne()
    expect(await recount(pool, { deep })).toEqual({
      partitions: 1,
      appends: 9,
      events: 15,
      packets: 3,
      held: 1,
      certified: 0,
      split: 0,
      inFlight: 15,
      discrepancy: undefined,
    })
  })
})

async function releaseOne() {
  await pool.query(
    `update quarantine set state = 'released' where id = (select max(id) from quarantine where state = 'held')`,
  )
}

describe('a recount', () => {
  test.each<[string, string, string]>([
    ['an append is missing', 'delete from segments where append_no = 2', 'append 2 is missing'],
    [
      'an append begins elsewhere',
      'update segments set first_seq = 6 where append_no = 3',
      'append 3 begins at sequence 6, and 5 was wanted',
    ],
    [
      'an append does not say what became of an item',
      'update segments set received = 5 where append_no = 0',
      'append 0 received 5 items, and says of 4',
    ],
    [
      'more leave quarantine than entered it',
      'update segments set quarantined = -4, received = -2 where append_no = 6',
      'append 6 takes more out of quarantine',
    ],
    ['a mark is missing', 'delete from seal_marks where packet_no = 2', 'seal mark 2 is missing'],
    [
      'a mark counts otherwise',
      'update seal_marks set rejected = 0 where packet_no = 1',
      'seal mark 1 counts 0 rejected, and the appends up to it 1',
    ],
    [
      'a mark ends elsewhere',
      'update seal_marks set up_to_seq = 9 where packet_no = 1',
      'seal mark 1 ends at sequence 9, and the appends before it at 10',
    ],
    [
      'a mark stands elsewhere',
      'update seal_marks set up_to_append = 3 where packet_no = 1',
      'seal mark 1 ends at sequence 10, and the appends before it at 5',
    ],
    [
      'a watermark goes back',
      'update seal_marks set watermark_ms = 1 where packet_no = 1',
      'seal mark 1 takes the watermark back',
    ],
    [
      'a packet holds other sequences',
      'update packets set count = 4 where packet_no = 1',
      'packet 1 has sequences 5 to 9, and its mark wants 5 to 10',
    ],
    [
      'the head goes on elsewhere',
      'update partition_heads set next_seq = 16',
      'the head goes on at sequence 16, and the appends end at 15',
    ],
    [
      'the head counts otherwise',
      'update partition_heads set duplicate = 2',
      'the head counts 2 duplicate, and the appends up to it 1',
    ],
    [
      'the head has more appends',
      'update partition_heads set next_append = 10',
      'append 9 is missing: the head counts 10',
    ],
    [
      'something left quarantine without being counted',
      `update quarantine set state = 'released' where state = 'held'`,
      '0 held rows stand in quarantine, and the appends count 1',
    ],
    [
      'something was waived without being counted',
      `update quarantine set state = 'waived' where state = 'held'`,
      '0 held rows stand in quarantine',
    ],
    ['a partition has no head', 'delete from partition_heads', 'it has no head'],
  ])('names it where %s', async (_, change, said) => {
    await releaseOne()
    await damage(change)
    for (const deep of [false, true])
      expect(await found(deep)).toMatch(`stream "sensors.temperature", partition 0: ${said}`)
  })

  test.each<[string, string, string]>([
    [
      'a line is missing in an append',
      `update segments set lines = substr(lines, 1, position('\\x0a'::bytea in lines)) where append_no = 3`,
      'append 3 counts 4 events, and holds 1 lines',
    ],
    [
      'a byte of a line has changed',
      `update segments set lines = set_byte(lines, position('"value"'::bytea in lines), 65) where append_no = 3`,
      'packet 1 was given out as',
    ],
    [
      'the lines of an append are gone that no packet holds',
      'update segments set lines = null where append_no = 8',
      'the lines of append 8 are missing, and no packet holds them',
    ],
    [
      'the lines of a packet are gone that was never made',
      'update segments set lines = null where append_no = 7',
      'the lines of packet 2 are missing, and it was never made',
    ],
    [
      'a packet stands under another id',
      `update packets set packet_id = sha256('') where packet_no = 1`,
      'packet 1 has a header whose id is',
    ],
    [
      'a mark names another policy than its appends',
      `update seal_marks set policy_digest = sha256('') where packet_no = 1`,
      'packet 1 cannot be made again',
    ],
    [
      'a mark names another roster than its packet',
      `update seal_marks set roster_digest = sha256('') where packet_no = 1`,
      'packet 1 was given out as',
    ],
  ])('reads the lines too where it is asked to, and names it where %s', async (_, change, said) => {
    await releaseOne()
    await damage(change)
    expect(await found(false)).toBeUndefined()
    expect(await found()).toMatch(`stream "sensors.temperature", partition 0: ${said}`)
  })

  test('finds nothing wrong where retention has taken the lines of packets away', async () => {
    await releaseOne()
    await damage('update segments set lines = null where append_no < 5')
    expect(await found()).toBeUndefined()
  })

  test('names an event that is in the log twice', async () => {
    await releaseOne()
    await writeLog(pool, [{ accepted: 1 }], 'other')
    await damage(
      `update segments set lines = (select lines from segments where append_no = 7) where partition_id = (
          select max(id) from partitions)`,
    )
    expect(await found()).toMatch(/^event [0-9a-f]{64} is in the log 2 times/)
  })

  test.each(['event_ids', 'native_ids'])(
    'names an event that %s tells repetitions of, and that is nowhere',
    async table => {
      await releaseOne()
      await pool.query(
        table === 'event_ids'
          ? `insert into event_ids values (0, sha256('lost'))`
          : `insert into native_ids values ('farm-1', 'a', '', sha256('lost'), 0, 0)`,
      )
      expect(await found()).toMatch(new RegExp(`^event [0-9a-f]{64} is in ${table} as accepted`))
    },
  )

  test('stops at the first, partition by partition', async () => {
    await releaseOne()
    await writeLog(pool, soundLog, 'other')
    await damage('update partition_heads set received = 0')
    expect(await found()).toContain('stream "sensors.temperature"')
  })
})
