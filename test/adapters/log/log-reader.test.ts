import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { forgetLines } from '../../../src/adapters/log/forget-lines.ts'
import { openKeptLines } from '../../../src/adapters/log/kept-lines.ts'
import { logCopyIn, packetIdIn } from '../../../src/adapters/log/log-copy.ts'
import { envelopeAt, openLogReader } from '../../../src/adapters/log/log-reader.ts'
import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { paceBounds } from '../../../src/packets/pace.ts'
import { recheckPackets, resealLog } from '../../../src/packets/reseal-log.ts'
import { temporaryDatabase } from '../../support/database.ts'
import { policyOf } from '../../support/log-bed.ts'
import { openSealingBed, type SealingBed } from '../../support/sealing-bed.ts'
import { silentLog } from '../../support/silent-log.ts'
import { until } from '../../support/until.ts'

let bed: SealingBed
beforeEach(async () => {
  bed = await openSealingBed()
})
afterEach(() => bed.end())

const timed = (timestamp: number, value: number): Json => ({
  eventType: 'reading',
  timestamp,
  data: { value },
})
const kept = () => openKeptLines(bed.database.pool, async rawHash => bed.payloads.get(rawHash))
const reader = () => openLogReader({ pool: bed.database.pool, keptLines: kept() })
const ids = async () => {
  const { rows } = await bed.database.pool.query<{ id: string }>(
    `select encode(packet_id, 'hex') as id from packets order by partition_id, packet_no`,
  )
  return rows.map(({ id }) => id)
}

/** Twelve events in appends of three, two appends to a packet, in each of two streams; and one packet without any. */
async function fill(): Promise<void> {
  await bed.putStream({
    streamId: 'fused',
    shards: { by: 'key', count: 1 },
    ...policyOf({ v: 1, fusion: { strategy: 'quorum', windowMs: 100 } }),
  })
  const sealer = bed.sealer({ bounds: { ...paceBounds, live: { eventsMax: 4, bytesMax: 1_000_000 } } })
  const source = { ...bed.source, streams: ['readings', 'fused'] as [string, ...string[]] }
  const sealed = async () => (await bed.headers()).reduce((sum, { count }) => sum + count, 0)
  for (let n = 0; n < 12; n += 3) {
    for (const streamId of ['readings', 'fused'])
      await bed.send(
        [n, n + 1, n + 2, n].map(value => timed(1_000 + value, value)),
        { streamId, source },
      )
    if (n % 2 === 1) await until(async () => (await sealed()) === 2 * (n + 3))
  }
  // The window of the last event closes by itself.
  bed.clock.ms += 60_000
  await until(async () => (await bed.headers()).some(({ count }) => count === 0))
  await sealer.stop()
}

describe('the log', () => {
  test('is read from any place, in order, with its ends and partitions', async () => {
    await fill()
    const log = reader()
    const [view] = await log.partitions('readings')
    if (view === undefined) throw new Error('there is no partition')
    expect(view.record).toMatchObject({ streamId: 'readings', partition: 0, level: 'basic' })
    expect(await log.head(view.partitionId)).toMatchObject({ nextSeq: 12, sealedSeq: 12 })
    for (const [from, limit] of [
      [0, 100],
      [0, 1],
      [4, 5],
      [11, 9],
      [12, 9],
      [0, 0],
    ] as const) {
      const read = await log.readEvents(view.partitionId, from, limit)
      const seqs = Array.from({ length: Math.min(limit, 12 - from) }, (_, i) => from + i)
      expect(read.map(({ seq }) => seq)).toEqual(seqs)
      expect(read.map(each => envelopeAt(each, 0).payload)).toEqual(seqs.map(value => ({ value })))
    }
    expect((await log.readEvent(view.partitionId, 7))?.line).toContain('"value":7')
    expect(await log.readEvent(view.partitionId, 12)).toBeUndefined()
    expect(await log.head(999)).toBeUndefined()
  })

  test('gives every packetId again, bit for bit, from a copy of records, segments and marks', async () => {
    await fill()
    const temporary = await temporaryDatabase()
    const copy = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'copy' })
    await copyLog(bed.database, copy)
    const again: string[] = []
    for await (const { packet } of resealLog(logCopyIn(copy.pool))) again.push(orThrow(packet).packetId)
    expect(again).toEqual(await ids())
    expect(again).toHaveLength(5)
    await copy.close()
    await temporary.drop()
  })

  test('is what it was when its lines are given up: they come from the packets then', async () => {
    await fill()
    const [before, packets] = [await reader().readEvents(1, 0, 100), await ids()]
    const { pool } = bed.database
    const deps = {
      pool,
      sealedBeforeMs: bed.clock.ms + 1,
      readPayload: async (rawHash: string) => bed.payloads.get(rawHash),
      isSettled: async () => true,
    }
    await expect(forgetLines({ ...deps, readPayload: async () => undefined })).rejects.toThrow(/is missing/)
    expect(await forgetLines({ ...deps, isSettled: async () => false })).toBe(0)
    expect(await forgetLines({ ...deps, sealedBeforeMs: 0 })).toBe(0)
    while ((await forgetLines(deps)) > 0);
    const { rows } = await pool.query<{ left: number }>(
      'select count(lines)::int as left from segments where count > 0',
    )
    expect(rows[0]?.left).toBe(0)
    expect(await reader().readEvents(1, 0, 100)).toEqual(before)
    const again: string[] = []
    for await (const { packet } of resealLog(logCopyIn(pool, kept()))) again.push(orThrow(packet).packetId)
    expect(again).toEqual(packets)
  })

  test('names the first packet that is not what it makes', async () => {
    await fill()
    const { pool } = bed.database
    const recheck = async () => {
      const found = []
      const idOf = (id: number, no: number) => packetIdIn(pool, id, no)
      for await (const each of recheckPackets(logCopyIn(pool), idOf)) found.push(each)
      return found.map(({ partitionId, packetNo, kind }) => [partitionId, packetNo, kind])
    }
    expect(await recheck()).toEqual([])
    await pool.query('alter table segments disable trigger all')
    await pool.query(
      `update segments set lines = convert_to(replace(convert_from(lines, 'UTF8'), '"value":4', '"value":5'), 'UTF8')
        where partition_id = 1 and first_seq = 3`,
    )
    expect((await recheck())[0]).toEqual([1, 0, 'another'])
  })
})

async function copyLog(from: Database, to: Database): Promise<void> {
  for (const table of ['policy_sets', 'streams', 'partitions', 'segments', 'seal_marks']) {
    const { rows } = await from.pool.query(
      `select string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns
        from information_schema.columns where table_name = $1`,
      [table],
    )
    const columns: string = rows[0]?.columns
    const read = await from.pool.query({ text: `select ${columns} from ${table}`, rowMode: 'array' })
    for (const row of read.rows)
      await to.pool.query(
        `insert into ${table} (${columns}) overriding system value
          values (${row.map((_: unknown, i: number) => `$${i + 1}`).join(', ')})`,
        row.map((value: unknown) =>
          typeof value === 'object' && value !== null && value.constructor === Object
            ? JSON.stringify(value)
            : value,
        ),
      )
  }
}
