import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { baseLookupServices } from '../../src/contract/names.ts'
import { operatorNames, operatorOf } from '../support/agents-bed/operators.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'

/** A host that knows the operators, and wants no jobs, no results and no events: certificates alone. */
describe('a host that advertises certificates alone', () => {
  let bed: AgentsBed
  let host: TestNode
  beforeAll(async () => {
    bed = await agentsBed({ settings: { ASSAY_SYNC_MS: '300' } })
  }, 120_000)
  afterAll(async () => {
    await host?.end()
    await bed.stop()
  })

  test('has each of them, with the chain of spends that it stands on, also those from before it was there', {
    timeout: 120_000,
  }, async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await bed.publish(bedSource, [{ eventType: 'reading', data: { celsius: 1 } }])
    await bed.allAnchored()
    host = await runningNode({
      ASSAY_MASTER_KEY: '22'.repeat(32),
      LOCAL_CHAIN_URL: `${bed.url}/chain`,
      EVENT_OPERATORS: operatorNames.map(name => operatorOf(name).identityKey).join(','),
      OVERLAY_EVENT_TOPICS: 'gitdata.events.certified',
      ASSAY_PEERS: bed.url,
      ASSAY_SYNC_MS: '300',
      FUEL_HORIZON_S: '30',
    })
    await until(async () => (await found(bed, baseLookupServices.ship, { domain: host.url })).length > 0)
    await bed.publish(bedSource, [{ eventType: 'reading', data: { celsius: 2 } }])
    await bed.allAnchored()
    const { rows } = await bed.pool.query<{ id: string }>(
      `select encode(packet_id, 'hex') as id from certificates where state in ('anchored', 'proven') order by 1`,
    )
    expect(rows).toHaveLength(2)
    for (const { id } of rows) {
      const [here] = await found(bed, baseLookupServices.certificates, { packetId: id })
      const [there] = await until(async () => {
        const outputs = await found(host, baseLookupServices.certificates, { packetId: id })
        return outputs.length > 0 && outputs
      })
      expect(there?.outputIndex).toBe(here?.outputIndex)
    }
    // It has the jobs that its certificates stand on.
    expect((await found(host, baseLookupServices.jobs, {})).length).toBeGreaterThan(0)
  })
})

const answer = z.object({ outputs: z.array(z.object({ outputIndex: z.number() })) })

async function found({ url }: { readonly url: string }, service: string, query: object) {
  const response = await fetch(`${url}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service, query }),
  })
  return answer.parse(await response.json()).outputs
}
