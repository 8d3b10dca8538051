import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { followInThread } from '../../src/node/follow-in-thread.ts'
import { openLog } from '../../src/runtime/log.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { openStops } from '../../src/runtime/stops.ts'
import { type LogBed, openLogBed } from '../support/log-bed.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

let bed: LogBed
let folder: string
beforeEach(async () => {
  bed = await openLogBed()
  folder = await mkdtemp(path.join(os.tmpdir(), 'assay-followers-'))
})
afterEach(async () => {
  await bed.end()
  await rm(folder, { recursive: true, force: true })
})

const settings = () =>
  readSettings({
    ...{ ASSAY_DATA_DIR: folder, UHRP_FREE_BYTES_MIN: '0', ASSAY_MASTER_KEY: '11'.repeat(32) },
    EVENT_BUFFER_MS: '20',
  })

const send = () => bed.send([{ eventType: 'reading', timestamp: bed.clock.ms, data: 1 }])

describe('the thread that follows the log', () => {
  test('makes packets and projections, tells of them and shows what it counts, until it is stopped', async () => {
    const stops = openStops(silentLog)
    let packets = 0
    const followers = await followInThread(settings(), {
      ...{ databaseUrl: bed.url, logKey: undefined, log: silentLog, stops },
      onPacket: () => {
        packets += 1
      },
    })
    await send()
    followers.wake()
    await until(() => packets > 0)
    await until(async () =>
      (await followers.metrics.metrics()).split('\n').includes('assay_projected_events_total 1'),
    )
    const shown = await followers.metrics.metrics()
    expect(shown).toMatch(/^assay_packet_events_count 1$/m)
    const names = (await followers.metrics.getMetricsAsJSON()).map(each => 'name' in each && each.name)
    expect(names).toContain('assay_packets_total')

    await stops.run()
    const { pool } = bed.database
    const { rows } = await pool.query('select sealer from partition_heads')
    expect(rows).toEqual([{ sealer: null }])
  })

  test('writes to the log of its node', async () => {
    const lines: string[] = []
    const log = openLog('info', { write: line => void lines.push(line) })
    const stops = openStops(log)
    const followers = await followInThread(settings(), {
      ...{ databaseUrl: bed.url, logKey: undefined, log, stops },
    })
    await send()
    await bed.database.pool.query('alter table packets rename to lost_packets')
    followers.wake()
    const line = await until(() => lines.find(each => each.includes('sealing failed')))
    expect(JSON.parse(line)).toMatchObject({
      level: 50,
      err: { message: expect.stringContaining('packets') },
      message: 'sealing failed, and is tried again',
    })
    await bed.database.pool.query('alter table lost_packets rename to packets')
    await stops.run()
  })

  test('says why it cannot start', async () => {
    const url = new URL(bed.url)
    url.pathname = '/no_such_database'
    const starting = followInThread(settings(), {
      ...{ databaseUrl: url.href, logKey: undefined, log: silentLog, stops: openStops(silentLog) },
    })
    await expect(starting).rejects.toThrow(/no_such_database/)
  })
})
