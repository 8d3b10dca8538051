import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'

const health = z.object({
  status: z.string(),
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), status: z.string(), message: z.string().optional() })),
})

async function fuelOf(node: TestNode) {
  const { status, ready, checks } = health.parse(await (await fetch(`${node.url}/health`)).json())
  return { status, ready, fuel: checks.find(({ name }) => name === 'fuel') }
}

describe('a node', () => {
  test('fills its pool from the faucet of the chain that it follows, and says how long it lasts', async () => {
    const owner = await runningNode()
    const node = await runningNode({
      LOCAL_CHAIN_URL: `${owner.url}/chain`,
      FUEL_HORIZON_S: '12',
      FUEL_LOW_S: '12',
    })
    const { fuel } = await until(async () => {
      const seen = await fuelOf(node)
      return seen.fuel?.status === 'ok' && seen
    })
    expect(fuel?.message).toMatch(/^fuel for 1\d s \(\d+ coins\), \d+ satoshis spent today$/)
    await until(async () => {
      const metrics = await (await fetch(`${node.url}/metrics`)).text()
      return /^assay_fuel_seconds 1\d$/m.test(metrics)
    })
    await node.end()
    await owner.end()
  })

  test('without enough fuel is degraded, and ready all the same', async () => {
    const node = await runningNode({ FUEL_LOW_S: '60', MAX_SATS_PER_DAY: '1000' })
    const { status, ready, fuel } = await fuelOf(node)
    expect([status, ready, fuel?.status]).toEqual(['degraded', true, 'error'])
    expect(fuel?.message).toContain('of 1000 satoshis spent today; under 60 s is low')
    await node.end()
  })
})
