import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reindex } from '../../../src/adapters/overlay/reindex.ts'
import { baseLookupServices } from '../../../src/contract/names.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'

describe('a reindex', () => {
  let bed: OverlayBed
  beforeAll(async () => {
    bed = await overlayBed()
  })
  afterAll(() => bed.close())

  test('builds the same index again from what is admitted, times and spends included', async () => {
    const publisher = party('publisher')
    for (const coin of await bed.fund(publisher, 4)) {
      const chain = batchChain(publisher, coin, 4)
      for (const [i, transaction] of chain.entries())
        await bed.overlay.submit(bed.submissionOf(transaction, ...chain.slice(0, i)))
    }
    const before = await listing()
    expect(before).toHaveLength(16)
    await bed.database.pool.query(`delete from gitdata_events where vout = 0 and count = 1`)

    const service = hostedTopics(bed.database).services[baseLookupServices.events]
    if (service === undefined) throw new Error('the service is not hosted')
    expect(await reindex(service, bed.database.pool)).toBe(16)
    expect(await listing()).toEqual(before)
    expect(await findDisagreements(bed.database.pool)).toEqual([])
    expect(one(before)).toMatchObject({ stream_id: 'sensors.temperature' })
  })

  async function listing(): Promise<unknown[]> {
    return (await bed.database.pool.query('select * from gitdata_events order by txid, vout')).rows
  }
})
