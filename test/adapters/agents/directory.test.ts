import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noteAnswered, noteSilent, UNREACHABLE_AFTER } from '../../../src/adapters/agents/reach.ts'
import { withoutAgents } from '../../../src/adapters/agents/without-agents.ts'
import { postgresHostAdvertsIndex } from '../../../src/adapters/indexes/host-adverts-index.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { agentSubject, spendingKey } from '../../../src/contract/tokens.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { purpose } from '../fuel/fuel-bed.ts'
import { type AgentsAtNode, agentsAtNode, hourMs, operatorOf } from './agents-at-node.ts'

let node: AgentsAtNode
beforeAll(async () => {
  node = await agentsAtNode()
}, 60_000)
afterAll(() => node.close())

const keysOf = (agents: readonly { agentKey: string }[]) => agents.map(({ agentKey }) => agentKey)

describe('the directory of agents', () => {
  test('has an agent for the stages that it advertises a host for, with its operator’s word', async () => {
    const agent = party('an agent for two stages')
    await node.advertise({ agent, stages: ['normalize', 'validate'] })
    const directory = node.directory()
    await directory.refresh()
    const [found] = directory.agents('normalize').filter(each => each.agentKey === agent.identityKey)
    expect(found).toMatchObject({
      word: { operator: operatorOf(agent).identityKey },
      endpoints: ['http://127.0.0.1:9'],
      reachable: true,
      reputation: 100,
      latencyMs: null,
    })
    expect(keysOf(directory.agents('validate'))).toContain(agent.identityKey)
    expect(keysOf(directory.agents('certify'))).not.toContain(agent.identityKey)
  })

  test('has none that nobody could submit to: it advertises itself and no host', async () => {
    const agent = party('an agent without a host')
    await node.advertise({ agent, stages: [], capabilities: ['normalize'] })
    const directory = node.directory()
    await directory.refresh()
    expect(keysOf(directory.listed())).not.toContain(agent.identityKey)
  })

  test('has none of an operator who is not listed', async () => {
    const [ours, theirs] = [party('an agent of ours'), party('an agent of others')]
    for (const agent of [ours, theirs]) await node.advertise({ agent })
    const directory = node.directory({ operators: [operatorOf(ours).identityKey] })
    await directory.refresh()
    expect(keysOf(directory.agents('normalize'))).toEqual([ours.identityKey])
    expect(directory.operators().map(({ operator }) => operator)).toEqual([operatorOf(ours).identityKey])
  })

  test('has none whose advert has expired, also between two looks', async () => {
    const agent = party('an agent for an hour')
    await node.advertise({ agent })
    let nowMs = Date.now()
    const directory = node.directory({ now: () => nowMs })
    await directory.refresh()
    expect(keysOf(directory.agents('normalize'))).toContain(agent.identityKey)
    nowMs += 2 * hourMs
    expect(directory.agents('normalize')).toEqual([])
    await directory.refresh()
    expect(directory.listed()).toEqual([])
  })

  test('loses an agent with its advert, and keeps its operator', async () => {
    const agent = party('an agent that goes')
    const txid = await node.advertise({ agent })
    const advert = (await until(() => node.fuel.find(txid))).outputs[0]
    if (advert === undefined) throw new Error('the first output is the advert')
    const privateKey = spendingKey('GDA1', agentSubject(agent.identityKey), agent.privateKey)
    const directory = node.directory({ everyMs: 20 })
    await directory.start()
    expect(keysOf(directory.agents('normalize'))).toContain(agent.identityKey)
    const spend = { txid, vout: 0, spent: advert, privateKey }
    orThrow(
      await node.fuel.write(purpose('withdrawal', 'agents'), {
        spends: [spend],
        outputs: [],
        topics: [baseTopics.agents],
      }),
    )
    await until(() => !keysOf(directory.agents('normalize')).includes(agent.identityKey))
    await directory.stop()
    expect(directory.operators()).toContainEqual({
      operator: operatorOf(agent).identityKey,
      reachable: false,
      failurePoints: 0,
      doubleSpends: 0,
    })
  })

  test('counts an agent as out of reach after so many failures, until it answers', async () => {
    const agent = party('an agent that falls silent')
    const { pool } = node.bed.database
    await node.advertise({ agent })
    const directory = node.directory()
    const isReachable = async () => {
      await directory.refresh()
      const operator = directory
        .operators('normalize')
        .find(each => each.operator === operatorOf(agent).identityKey)
      return operator?.reachable
    }
    let atMs = Date.now()
    for (let failure = 1; failure <= UNREACHABLE_AFTER; failure++) {
      expect(await isReachable()).toBe(true)
      // Another call at the same moment says nothing new.
      await Promise.all([1, 2].map(() => noteSilent(pool, agent.identityKey, atMs, new Error('hung up'))))
      atMs += hourMs
    }
    expect(await isReachable()).toBe(false)
    await noteAnswered(pool, agent.identityKey, atMs)
    expect(await isReachable()).toBe(true)
  })

  test('has an agent that is connected instead, and calls it reachable', async () => {
    const agent = party('an agent without an address')
    const { pool } = node.bed.database
    await node.advertise({ agent, stages: [], capabilities: ['certify'] })
    const directory = node.directory()
    await pool.query(
      `insert into agent_subscriptions (agent_key, topic, node, until_ms, since_ms) values ($1, $2, 'here', $3, 0)`,
      [bytea(agent.identityKey), baseTopics.certify, Date.now() + hourMs],
    )
    await noteSilent(pool, agent.identityKey, Date.now(), 'x')
    await directory.refresh()
    expect(directory.agents('certify')).toMatchObject([{ agentKey: agent.identityKey, reachable: true }])
  })

  test('tells agents from the hosts of their topics', async () => {
    const agent = party('an agent among hosts')
    await node.advertise({ agent })
    const { pool } = node.bed.database
    const { hostsOf } = postgresHostAdvertsIndex(pool)
    const all = await hostsOf(baseTopics.normalize)
    expect(all.map(({ identityKey }) => identityKey)).toContain(agent.identityKey)
    const hosts = withoutAgents(hostsOf, { pool, now: Date.now })
    const others = (await hosts(baseTopics.normalize)).map(({ identityKey }) => identityKey)
    expect(others).not.toContain(agent.identityKey)
    const later = withoutAgents(hostsOf, { pool, now: () => Date.now() + 2 * hourMs })
    expect(await later(baseTopics.normalize)).toEqual(all)
  })
})
