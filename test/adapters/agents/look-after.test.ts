import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startLookingAfter } from '../../../src/adapters/agents/look-after.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { party } from '../../support/pipeline.ts'
import { type SmallServer, smallServer } from '../../support/small-server.ts'
import { until } from '../../support/until.ts'
import { type AgentsAtNode, agentsAtNode } from './agents-at-node.ts'

let node: AgentsAtNode
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  node = await agentsAtNode()
}, 60_000)
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
afterAll(() => node.close())

function healthOf(name: string, change = {}) {
  return {
    ...{ status: 'ready', agentKey: party(name).identityKey, capabilities: ['normalize'], version: '1' },
    ...{ signer: 'native', jobs: { running: 0, completed: 0, failed: 0, rejected: 0 }, startedMs: 0 },
    ...change,
  }
}

async function lookedAfter(name: string, reply: (server: SmallServer) => unknown, processes = 1) {
  let asked = 0
  const server = await smallServer(request => {
    asked += 1
    return { status: request.url === '/health' ? 200 : 404, body: JSON.stringify(reply(server)) }
  })
  closing.push(server.stop)
  await node.advertise({ agent: party(name), url: server.url })
  const directory = node.directory({ everyMs: 20 })
  await directory.start()
  closing.push(directory.stop)
  for (let process = 0; process < processes; process++)
    closing.push(
      startLookingAfter({
        pool: node.bed.database.pool,
        outgoing: openOutgoing({ network: 'local' }),
        agents: () => directory.listed().filter(({ agentKey }) => agentKey === party(name).identityKey),
        now: Date.now,
        onChange: directory.wake,
        onFailure(error) {
          throw error
        },
        checkMs: processes > 1 ? 3_600_000 : 20,
        everyMs: 10,
      }).stop,
    )
  const isReachable = () =>
    directory.agents('normalize').find(({ agentKey }) => agentKey === party(name).identityKey)?.reachable
  return { server, isReachable, asked: () => asked }
}

describe('an agent that nothing is offered to', () => {
  test('is out of reach once it has not answered a few times, and back with its first answer', async () => {
    const { server, isReachable, asked } = await lookedAfter('an agent that restarts', () =>
      healthOf('an agent that restarts'),
    )
    await until(() => asked() > 1)
    expect(isReachable()).toBe(true)
    await server.stop()
    await until(() => isReachable() === false)
    await server.startAgain()
    await until(() => isReachable() === true)
  }, 30_000)

  test.each<[string, unknown]>([
    ['it is going to stop', healthOf('an agent that drains', { status: 'draining' })],
    ['it is somebody else', healthOf('another one')],
    ['nothing that an agent says', 'hello'],
  ])(
    'is out of reach where it answers that it is %s',
    async (what, health) => {
      const name = what.includes('stop') ? 'an agent that drains' : `an agent: ${what}`
      const { isReachable } = await lookedAfter(name, () => health)
      await until(() => isReachable() === false)
    },
    30_000,
  )

  test('is asked by one of many processes', async () => {
    const name = 'an agent of many nodes'
    const { asked } = await lookedAfter(name, () => healthOf(name), 4)
    const { pool } = node.bed.database
    const isChecked = async () =>
      (
        await pool.query(`select from agent_reach where health ->> 'agentKey' = $1`, [
          party(name).identityKey,
        ])
      ).rowCount === 1
    await until(isChecked)
    expect(asked()).toBe(1)
  })
})
