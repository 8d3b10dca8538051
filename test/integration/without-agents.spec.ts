import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import type { AgentName } from '../support/agents-bed/operators.ts'
import { agentNames } from '../support/agents-bed/operators.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

/** Enough for a stream at basic. */
const asked: readonly AgentName[] = ['north/normalize', 'north/validate', 'north/certify']

describe('a node without agents', () => {
  let certifier: ChildProcess
  let address: string
  let bed: AgentsBed
  beforeAll(async () => {
    const port = await freePort()
    address = `http://127.0.0.1:${port}/certify`
    bed = await agentsBed({
      absent: agentNames,
      settings: {
        BRC22_JOB_ORCHESTRATION_ENABLED: 'false',
        EVENT_PROCESSING_TIMEOUT_MS: '3000',
        CERTIFIER_WEBHOOK_URL: address,
      },
    })
    certifier = await startExample(port, bed.url)
  }, 120_000)
  afterAll(async () => {
    await bed.stop()
    certifier.kill('SIGKILL')
  })

  let sent = 0
  const publish = async () => {
    const events = Array.from({ length: 5 }, () => ({ eventType: 'reading', data: { celsius: sent++ } }))
    const taken = await bed.publish(bedSource, events, { level: 'basic' })
    return taken.map(({ eventId }) => eventId)
  }
  const shown = async (eventId: string) => {
    const response = await fetch(`${bed.url}/ingest/events/${eventId}`)
    return z.record(z.string(), z.unknown()).parse(await response.json())
  }
  const becomes = async (eventIds: readonly string[], orchestration: string, states: readonly string[]) => {
    for (const eventId of eventIds)
      await until(async () => {
        const event = await shown(eventId)
        return event['orchestration'] === orchestration && states.includes(String(event['state']))
      })
  }
  const degraded = async () => {
    const text = await (await fetch(`${bed.url}/metrics`)).text()
    return Number(/^assay_degraded (\d)$/m.exec(text)?.[1])
  }
  const views = async () => {
    const { rows } = await bed.pool.query<{ said: string[] }>(
      `select distinct array[overlay_events.state, validation_status, orchestration, ingest_events.status,
          (certified_at is not null)::text, (overlay_events.version_id is not null)::text] as said
        from overlay_events join ingest_events using (event_id)`,
    )
    return rows.map(({ said }) => said)
  }
  const certified = ['anchored', 'proven']
  const local: string[] = []

  test('processes packets up to validated, shows that nobody else has, and certifies nothing', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    local.push(...(await publish()))
    await becomes(local, 'local', ['validated'])
    expect(await views()).toEqual([['validated', 'valid', 'local', 'normalized', 'false', 'false']])
    for (const eventId of local)
      expect(await shown(eventId)).toMatchObject({ status: 'normalized', versionId: null, evidence: [] })
    expect((await bed.pool.query('select from rounds')).rowCount).toBe(0)
    expect(await degraded()).toBe(1)
  }, 60_000)

  test('shows what a certifier outside says of them, and counts it for nothing', async () => {
    for (const eventId of local) {
      const event = await until(async () => {
        const found = await shown(eventId)
        return JSON.stringify(found['outside']).includes('"answered"') && found
      })
      expect(event).toMatchObject({
        ...{ state: 'validated', versionId: null, evidence: [] },
        outside: [
          {
            ...{ provider: address, state: 'answered', versionId: expect.stringMatching(/^[0-9a-f]{64}$/) },
            ...{ isKnownVersion: false, attempts: 1, lastError: null },
          },
        ],
      })
    }
  }, 60_000)

  test('has them certified by a quorum once there are agents', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await bed.node().kill()
    await bed.restartNode({ BRC22_JOB_ORCHESTRATION_ENABLED: 'true' })
    await bed.startAgents(asked)
    await becomes(local, 'quorum', certified)
    await until(async () => (await degraded()) === 0)
    const said = await views()
    for (const [state = '', ...more] of said) {
      expect(certified).toContain(state)
      expect(more).toEqual(['certified', 'quorum', 'certified', 'true', 'true'])
    }
  }, 120_000)

  test.each(['local', 'wait'])(
    'whose agents vanish says so, and does what EVENT_DEGRADED_MODE=%s says',
    async mode => {
      onTestFailed(async () => void process.stderr.write(await bed.describe()))
      await bed.node().kill()
      await bed.restartNode({ BRC22_JOB_ORCHESTRATION_ENABLED: 'true', EVENT_DEGRADED_MODE: mode })
      await becomes(await publish(), 'quorum', certified)
      for (const agent of bed.agents.values()) await agent.child().kill()
      const left = await publish()
      await until(async () => (await degraded()) === 1)
      if (mode === 'local') await becomes(left, 'local', ['validated'])
      else
        for (const eventId of left)
          expect(await shown(eventId)).toMatchObject({ state: 'received', versionId: null })

      for (const agent of bed.agents.values()) agent.restart()
      await becomes(left, 'quorum', certified)
      await until(async () => (await degraded()) === 0)
    },
    180_000,
  )

  test('has everything certified in the end as honest work makes it', async () => {
    await bed.allAnchored()
    expect(await auditAtRest(bed.pool, bed)).toEqual([])
  }, 60_000)
})

/** The certifier of the examples, as a program of its own. */
async function startExample(port: number, nodeUrl: string): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('../../examples/certify-outside/certifier.ts', import.meta.url))
  const { PATH, HOME, TMPDIR } = process.env
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', program], {
    env: { PATH, HOME, TMPDIR, NODE_URL: nodeUrl, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}
