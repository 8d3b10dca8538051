import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beginAs, findLogRole } from '../../../src/adapters/log/log-role.ts'
import { inTransaction } from '../../../src/adapters/postgres/sql.ts'
import { openSealingBed, type SealingBed } from '../../support/sealing-bed.ts'

let bed: SealingBed
beforeAll(async () => {
  bed = await openSealingBed()
  await bed.send([{ eventType: 'reading', timestamp: 1_000, data: { value: 1 } }])
  const { rows } = await bed.database.pool.query<{ id: number }>('select id from partitions')
  const log = bed.sealing()
  const lease = await bed.lease(log, rows[0]?.id ?? 0)
  await bed.mark(log, lease)
  await bed.make(log, lease)
})
afterAll(() => bed.end())

const tables = ['partitions', 'segments', 'seal_marks', 'packets', 'policy_sets', 'quarantine_steps']
const asRole = (sql: string) => {
  const begin = beginAs('assay_log')
  return inTransaction(bed.database.pool, db => db.query(sql), { begin, keep: () => false })
}
const asOwner = (sql: string) => inTransaction(bed.database.pool, db => db.query(sql), { keep: () => false })
const column: Record<string, string> = {
  partitions: 'network',
  segments: 'lines',
  seal_marks: 'because',
  packets: 'header',
  policy_sets: 'policy',
  quarantine_steps: 'who',
}

describe.each(tables)('what is in %s', table => {
  const changes = [
    `update ${table} set ${column[table]} = null`,
    `update ${table} set ${column[table]} = ${column[table]}`,
    `delete from ${table}`,
    `truncate ${table} cascade`,
  ]

  test.each(changes)('stays, also for the owner who says: %s', async sql => {
    await expect(asOwner(sql)).rejects.toThrow(/is append-only/)
  })

  test.each(changes)('is out of reach for the role that appends and says: %s', async sql => {
    await expect(asRole(sql)).rejects.toThrow(/permission denied/)
  })
})

describe('the role that appends', () => {
  test('is there, and can be taken', async () => {
    expect(await findLogRole(bed.database.pool)).toEqual({ role: 'assay_log' })
  })

  test('may read and add what an append has to', async () => {
    const readable = [...tables, 'streams', 'overlay_event_sources', 'partition_heads', 'event_ids', 'meters']
    for (const table of readable) await asRole(`select from ${table} limit 1`)
    await asRole(`insert into event_ids (ordering, event_id) values (1, '\\x00')`)
    await asRole('select from partition_heads for update')
  })

  test('may neither give lines up nor say that it is', async () => {
    await expect(asRole('select assay_forget_lines(1, 0)')).rejects.toThrow(/permission denied/)
    await expect(
      asRole(`select set_config('assay.forgetting_lines', 'on', true); update segments set lines = null`),
    ).rejects.toThrow(/permission denied/)
  })
})

describe('lines of the log', () => {
  test('can be given up where a packet holds them, and nothing with them', async () => {
    const given = (what: string) =>
      asOwner(`select set_config('assay.forgetting_lines', 'on', true); update segments set ${what}`)
    await given('lines = null')
    await expect(given('lines = null, count = 2')).rejects.toThrow(/append-only/)
    await expect(given(`lines = '\\x00'`)).rejects.toThrow(/append-only/)
    await bed.send([{ eventType: 'reading', timestamp: 2_000, data: { value: 2 } }])
    await expect(given('lines = null where first_seq = 1')).rejects.toThrow(/append-only/)
  })
})
