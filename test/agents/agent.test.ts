import { afterEach, describe, expect, test } from 'vitest'
import { certifier } from '../../agents/certifier/certifier.ts'
import { readAgentSettings } from '../../agents/kit/settings.ts'
import { type RunningAgent, startAgent } from '../../agents/kit/start-agent.ts'
import { normalizer } from '../../agents/normalizer/normalizer.ts'
import { validator } from '../../agents/validator/validator.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { judgeBeef } from '../../src/contract/judge-beef.ts'
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
      const history = jobHistory(round, stage, key, { locations: [`${node.url}/rounds`] })

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

async function started(round: Parameters<typeof askingNode>[0]): Promise<AskingNode> {
  const node = await askingNode(round)
  running.push({ stop: node.close })
  return node
}

async function startedAgent(
  stage: Stage,
  node: AskingNode,
  env: Record<string, string> = {},
): Promise<RunningAgent> {
  const agent = await startAgent({
    kind: stage,
    answer: answers[stage],
    key,
    operator: operatorWordFor(party('operator north'), key.identityKey),
    settings: readAgentSettings({ AGENT_NODES: node.url, ...env }),
    log: silentLog,
    now: Date.now,
  })
  running.push(agent)
  return agent
}

async function submit(agent: RunningAgent, stage: Stage, beef: Uint8Array) {
  const response = await fetch(`${agent.url}/submit`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'x-topics': `["tm_gitdata_events_${stage}"]` },
    body: beef,
  })
  const body: unknown = await response.json()
  return { status: response.status, body }
}
