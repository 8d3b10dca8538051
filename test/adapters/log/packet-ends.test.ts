import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recount } from '../../../src/adapters/log/recount.ts'
import { namesOf } from '../../../src/core/event/quality-flags.ts'
import { PACKET_SOURCES_MAX } from '../../../src/core/log/packet-header.ts'
import { policyOf, sampleSource } from '../../support/log-bed.ts'
import { openSealingBed, type SealingBed } from '../../support/sealing-bed.ts'
import { until } from '../../support/until.ts'

let bed: SealingBed
beforeEach(async () => {
  bed = await openSealingBed()
})
afterEach(() => bed.end())

describe('a stream with more sources than a packet can name', () => {
  test('is sealed all the same', async () => {
    const sources = Array.from({ length: PACKET_SOURCES_MAX + 10 }, (_, i) => ({
      ...sampleSource,
      sourceId: `sensor-${i}`,
    }))
    const half = sources.length / 2
    for (const some of [sources.slice(0, half), sources.slice(0, half), sources, sources.slice(half)])
      await Promise.all(some.map((source, i) => bed.send([{ eventType: 'r', data: i }], { source })))
    bed.clock.ms += 60_000
    const sealer = bed.sealer()
    const sealed = await until(async () => {
      const headers = await bed.headers()
      const events = headers.reduce((sum, { count }) => sum + count, 0)
      return (events === 5 * half || bed.failures.length > 0) && headers
    })
    expect(bed.failures).toEqual([])
    expect(sealed.length).toBeLessThan(8)
    await sealer.stop()
    expect((await recount(bed.database.pool, { deep: true })).discrepancy).toBeUndefined()
  })
})

describe('an append that ends the packet before it', () => {
  test('marks what is late by that end', async () => {
    const constants = policyOf({ v: 1, constants: ['sourceId'] })
    await bed.putStream({ streamId: 'readings', ...constants, policyNo: 2 })
    const now = bed.clock.ms
    const timed = (timestamp: number) => ({ eventType: 'reading', timestamp, data: 1 })
    await bed.send([timed(now)])
    const source = { ...sampleSource, sourceId: 'sensor-2' }
    const answers = await bed.send([timed(now - 60_000), timed(now)], { source })
    expect(answers.map(answer => ('flags' in answer ? namesOf(answer.flags) : answer.status))).toEqual([
      ['LATE'],
      [],
    ])
  })
})
