import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { certifier } from '../../agents/certifier/certifier.ts'
import { type AgentSettings, readAgentSettings } from '../../agents/kit/settings.ts'
import { type RunningAgent, startAgent } from '../../agents/kit/start-agent.ts'
import { normalizer } from '../../agents/normalizer/normalizer.ts'
import { validator } from '../../agents/validator/validator.ts'
import { agentAdvertIn } from '../../src/contract/agent-advert.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { readHostAdvert } from '../../src/contract/host-advert.ts'
import { judgeBeef } from '../../src/contract/judge-beef.ts'
import { readAgentHealth } from '../../src/contract/messages.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { checkSpends } from '../../src/contract/spend.ts'
import { readWork, verifyUpload, workHash } from '../../src/contract/work.ts'
import { knownHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { type AskingNode, askingNode, jobHistory, leafOf, operatorWordFor } from '../support/asking-node.ts'
import { certifiedRound, fusedEvents, fusedPolicy } from '../support/certified-round.ts'
import { party } from '../support/pipeline.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

const answers = { normalize: normalizer, validate: validator, certify: certifier }
const key = party('the agent')
const running: { stop(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.stop()
})

describe.each(['enhanced', 'critical', 'basic'] as const)('an agent asked at level %s', level => {
  const round = certifiedRound({ level, policy: fusedPolicy, events: fusedEvents })
  test.each(['normalize', 'validate', 'certify'] as const)(
    'answers at %s what was worked out here',
    async stage => {
      const node = await started(round)
      const agent = await startedAgent(stage, node)
      await agent.advertise()
      const history = jobHistory(round, stage, key, at(node.url))

      expect(await submit(agent, stage, writeBeef(history))).toEqual({
        status: 200,
        body: { [`tm_gitdata_events_${stage}`]: { outputsToAdmit: [0], coinsToRetain: [] } },
      })

      const { beef, topics } = await until(() => node.submissions[0])
      expect(topics).toEqual([`tm_gitdata_events_${stage}`])
      expect(judgeBeef(beef, { templates: ['packet'] })).toMatchObject({ ok: true, value: { topic: stage } })
      const { subject, ...result } = orThrow(readBeef(beef))
      expect(checkSpends({ subject, ...result })).toEqual({ ok: true, value: 'satisfied' })
      const { role } = pipelineTransaction(subject)
      if (role.kind !== 'result') throw new Error(`a ${role.kind} was submitted`)
      expect(role.status).toBe('completed')
      expect(role.leaves).toEqual(round.packets.map(packet => leafOf(packet, stage)))
      const [upload] = node.uploads
      if (upload === undefined) throw new Error('nothing was uploaded')
      const work = orThrow(readWork(upload.body, round.packets.length, 10_000_000))
      expect(work.map(({ leaf }) => leaf)).toEqual(role.leaves)
      const announced = {
        jobOutpoint: role.jobOutpoint,
        sha256: upload.query.get('sha256') ?? '',
        length: upload.body.length,
      }
      expect(verifyUpload(key.identityKey, announced, knownHex(upload.query.get('signature') ?? ''))).toBe(
        true,
      )
      expect(workHash(key.identityKey, role.jobOutpoint, upload.body)).toHaveLength(64)
    },
  )
})

describe('an agent', () => {
  const round = certifiedRound({ level: 'basic' })

  test('shows itself and its topic, and takes both back when it is stopped', async () => {
    const node = await started(round)
    const agent = await startedAgent('validate', node)
    await agent.advertise()
    const [scripts = []] = node.adverts
    const [advert, host] = scripts.map(knownHex)
    expect(agentAdvertIn(advert ?? none)?.body).toMatchObject({
      capabilities: ['validate'],
      endpoints: [agent.url],
      operator: party('operator north').identityKey,
    })
    expect(readHostAdvert(host ?? none)).toMatchObject({
      ok: true,
      value: {
        kind: 'SHIP',
        domain: agent.url,
        name: 'tm_gitdata_events_validate',
        identityKey: key.identityKey,
      },
    })

    await agent.stop()
    const [{ topics, beef: bytes } = { topics: [], beef: none }] = node.submissions
    expect(topics).toEqual(['tm_gitdata_agents', 'tm_ship'])
    const beef = orThrow(readBeef(bytes))
    expect(checkSpends(beef)).toEqual({ ok: true, value: 'satisfied' })
    expect(beef.subject.inputs.map(({ vout }) => vout)).toEqual([0, 1])
    await expect(fetch(agent.url)).rejects.toThrow()
  })

  test('shows itself anew when half of the time is over, and only then takes back what it showed before', async () => {
    const node = await started(round)
    const asked: string[] = []
    let refusals = 0
    node.otherwise = ({ url = '' }) => {
      const isRefused = node.adverts.length === 3 && refusals < 2 && url === '/agents/adverts'
      if (isRefused) refusals += 1
      else if (url === '/agents/adverts' || url === '/submit') asked.push(url)
      return isRefused ? 503 : undefined
    }
    // A second: less than the setting allows.
    const agent = await startedAgent('validate', node, { AGENT_ADVERT_HOURS: 1 / 3600 })
    await agent.advertise()
    await until(() => node.adverts.length >= 5)
    await agent.stop()

    expect(refusals).toBe(2)
    const ends = node.adverts.map(([script]) => agentAdvertIn(knownHex(script ?? ''))?.body.expiresMs ?? 0)
    expect(ends).toEqual([...new Set(ends)].sort((a, b) => a - b))
    const again = Array.from({ length: ends.length - 1 }, () => ['/agents/adverts', '/submit'])
    expect(asked).toEqual(['/agents/adverts', ...again.flat(), '/submit'])
    const takenBack = node.submissions.map(({ beef }) => orThrow(readBeef(beef)).subject.inputs[0]?.txid)
    expect(new Set(takenBack).size).toBe(ends.length)
  })

  test('answers a job that it has taken before alike, and works on it once', async () => {
    const node = await started(round)
    const agent = await startedAgent('normalize', node)
    await agent.advertise()
    const beef = writeBeef(jobHistory(round, 'normalize', key, at(node.url)))
    const first = await submit(agent, 'normalize', beef)
    await until(() => node.submissions.length === 1)
    expect(await submit(agent, 'normalize', beef)).toEqual(first)
    const health = orThrow(readAgentHealth(await (await fetch(`${agent.url}/health`)).json()))
    expect(health).toMatchObject({ status: 'ready', capabilities: ['normalize'], agentKey: key.identityKey })
    await agent.stop()
    expect(node.uploads).toHaveLength(1)
  })

  test('says the same after a restart', async () => {
    const node = await started(round)
    const beef = writeBeef(jobHistory(round, 'normalize', key, at(node.url)))
    for (const i of [0, 2]) {
      const agent = await startedAgent('normalize', node)
      await agent.advertise()
      await submit(agent, 'normalize', beef)
      await until(() => node.submissions.length === i + 1)
      await agent.stop()
    }
    expect(node.submissions[2]?.beef).toEqual(node.submissions[0]?.beef)
    expect(node.uploads[1]).toEqual(node.uploads[0])
  })

  test('tries again what has failed, until its result is taken', async () => {
    const node = await started(round)
    const agent = await startedAgent('normalize', node)
    await agent.advertise()
    const failed = new Set<string>()
    node.otherwise = ({ url = '' }) => {
      const part = url.split(/[/?]/)[1] ?? ''
      if (failed.has(part)) return undefined
      failed.add(part)
      return 503
    }
    await submit(agent, 'normalize', writeBeef(jobHistory(round, 'normalize', key, at(node.url))))
    await until(() => node.submissions.length === 1)
    expect([...failed].sort()).toEqual(['rounds', 'submit', 'uhrp'])
  })

  test('lets a job go at its deadline, whoever keeps it waiting', async () => {
    const silent = http.createServer(() => {})
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    running.push({ stop: async () => silent.close().closeAllConnections() })
    const { port } = silent.address() as AddressInfo
    const agent = await startedAgent('normalize', await started(round))
    await agent.advertise()
    const change = at(`http://127.0.0.1:${port}`, Date.now() + 1_000)
    expect(await submit(agent, 'normalize', writeBeef(jobHistory(round, 'normalize', key, change)))).toEqual({
      status: 200,
      body: { tm_gitdata_events_normalize: { outputsToAdmit: [0], coinsToRetain: [] } },
    })
    await until(async () => {
      const { jobs } = orThrow(readAgentHealth(await (await fetch(`${agent.url}/health`)).json()))
      return jobs.running === 0 && jobs.failed === 1
    })
  })

  test('sends no result where its bytes are refused, as those of a seat that has others are', async () => {
    const node = await started(round)
    const agent = await startedAgent('normalize', node)
    await agent.advertise()
    node.otherwise = ({ url = '' }) => (url.startsWith('/uhrp/') ? 409 : undefined)
    await submit(agent, 'normalize', writeBeef(jobHistory(round, 'normalize', key, at(node.url))))
    await until(async () => {
      const { jobs } = orThrow(readAgentHealth(await (await fetch(`${agent.url}/health`)).json()))
      return jobs.failed === 1
    })
    expect(node.submissions).toEqual([])
  })

  test('rejects a job that contradicts itself, so that nobody waits for it', async () => {
    const node = await started(round)
    const agent = await startedAgent('normalize', node)
    await agent.advertise()
    const change = { ...at(node.url), members: [1] }
    await submit(agent, 'normalize', writeBeef(jobHistory(round, 'normalize', key, change)))
    const { beef } = await until(() => node.submissions[0])
    const { role } = pipelineTransaction(orThrow(readBeef(beef)).subject)
    expect(role).toMatchObject({ kind: 'result', status: 'rejected', leaves: ['0'.repeat(64)] })
  })

  test('admits nothing of a job that is not for it, and refuses what is no BEEF', async () => {
    const node = await started(round)
    const agent = await startedAgent('normalize', node)
    await agent.advertise()
    expect(
      await submit(agent, 'normalize', writeBeef(jobHistory(round, 'normalize', party('another')))),
    ).toEqual({
      status: 200,
      body: { tm_gitdata_events_normalize: { outputsToAdmit: [], coinsToRetain: [] } },
    })
    expect((await submit(agent, 'normalize', new Uint8Array(100))).status).toBe(400)
    expect((await submit(agent, 'certify', new Uint8Array(100))).status).toBe(400)
    expect((await submit(agent, 'normalize', new Uint8Array(2 * 1024 * 1024))).status).toBe(413)
  })
})

const none = new Uint8Array(0)

/** A job with its parts there, and a while to go. */
function at(nodeUrl: string, deadlineMs = Date.now() + 60_000) {
  return { locations: [`${nodeUrl}/rounds`], deadlineMs }
}

async function started(round: Parameters<typeof askingNode>[0]): Promise<AskingNode> {
  const node = await askingNode(round)
  running.push({ stop: node.close })
  return node
}

async function startedAgent(
  stage: Stage,
  node: AskingNode,
  settings: Partial<AgentSettings> = {},
): Promise<RunningAgent> {
  const agent = await startAgent({
    kind: stage,
    answer: answers[stage],
    key,
    operator: operatorWordFor(party('operator north'), key.identityKey),
    settings: { ...readAgentSettings({ AGENT_NODES: node.url }), ...settings },
    log: silentLog,
    now: Date.now,
  })
  running.push(agent)
  return agent
}

async function submit(agent: Pick<RunningAgent, 'url'>, stage: Stage, beef: Uint8Array) {
  const response = await fetch(`${agent.url}/submit`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'x-topics': `["tm_gitdata_events_${stage}"]` },
    body: beef,
  })
  const body: unknown = await response.json()
  return { status: response.status, body }
}
