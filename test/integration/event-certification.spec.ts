import { Transaction } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { readBeef } from '../../src/contract/beef.ts'
import { readHistory } from '../../src/contract/judge-beef.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { quorums } from '../../src/core/level.ts'
import { verdicts } from '../../src/core/rounds/agreement.ts'
import { trailOf } from '../../src/core/rounds/judging/trail.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { agentNames, agentOf, operatorNames, operatorOf } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { recompute } from '../support/recompute.ts'
import { headersOf } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'

/** By hand, what is promised: ASSAY_EVENTS=10000 npx vitest run test/integration/event-certification.spec.ts */
const EVENTS = Number(process.env['ASSAY_EVENTS'] ?? 200)
const PER_REQUEST = 100

/**
 * Sources → ingestion → distribution over the overlay → agents → certification → storage, with a process for the node and one
 * for each of nine agents of three operators; every hop seen from outside or in what it leaves behind.
 */
describe('event certification', () => {
  let bed: AgentsBed
  const accepted: string[] = []
  beforeAll(async () => {
    bed = await agentsBed()
    for (let from = 0; from < EVENTS; from += PER_REQUEST) {
      const batch = Array.from({ length: Math.min(PER_REQUEST, EVENTS - from) }, (_, i) => ({
        eventType: 'reading',
        externalId: `reading-${from + i}`,
        data: { celsius: 20 + (i % 7) },
      }))
      const items = await bed.publish(bedSource, batch)
      accepted.push(...items.map(({ eventId }) => eventId))
    }
    await until(async () => {
      const { events, proven } = await bed.progress()
      return events === EVENTS && proven === EVENTS
    }).catch(async error => {
      throw new Error(await bed.describe(), { cause: error })
    })
    await until(() => isAtRest(bed.pool))
  }, 300_000)
  afterAll(() => bed.stop())

  test('takes every event once, and has every one certified, anchored and proven as honest work makes it', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    expect(new Set(accepted).size).toBe(EVENTS)
    expect(await auditAtRest(bed.pool, bed)).toEqual([])
  })

  test('distributes jobs over the overlay: each is admitted by the topic of its stage, and answered by the agents asked', async () => {
    const { rows: jobs } = await bed.pool.query<{ txid: string; stage: string }>(
      `select encode(txid, 'hex') as txid, stage from round_jobs`,
    )
    expect(new Set(jobs.map(({ stage }) => stage))).toEqual(new Set(['normalize', 'validate', 'certify']))
    const { rows: admitted } = await bed.pool.query<{ txid: string; topic: string }>(
      `select distinct encode(txid, 'hex') as txid, topic from outputs`,
    )
    const topics = new Map<string, string>(
      Object.entries(baseTopics).map(([stage, topic]) => [stage, topic] as const),
    )
    for (const { txid, stage } of jobs) expect(admitted).toContainEqual({ txid, topic: topics.get(stage) })
    // Every STEAK on record was an agent's answer; nothing else is called delivered.
    const { rows: seats } = await bed.pool.query<{
      vout: number
      steak: unknown
      at: unknown
      stage: string
    }>(`select vout, steak, acknowledged_ms as at, stage from round_seats where steak is not null`)
    expect(seats.length).toBeGreaterThan(0)
    for (const { vout, steak, stage } of seats)
      expect(steak).toMatchObject({ [topics.get(stage) ?? '']: { outputsToAdmit: [vout] } })
  })

  test('has each stage done by agents of its own, each of another operator', async () => {
    const { rows } = await bed.pool.query<{ stage: string; agent: string; operator: string }>(
      `select distinct job.stage, encode(result.agent_key, 'hex') as agent, encode(result.operator, 'hex') as operator
        from round_results as result join round_jobs as job on job.txid = result.job_tx where result.work = 'held'`,
    )
    for (const { stage, agent, operator } of rows) {
      const name = agentNames.find(each => agentOf(each).identityKey === agent)
      expect(name?.endsWith(`/${stage}`)).toBe(true)
      const [owner] = operatorNames.filter(each => name?.startsWith(each))
      expect(owner && operatorOf(owner).identityKey).toBe(operator)
    }
    expect(rows.length).toBeGreaterThanOrEqual(3 * quorums.enhanced.agreeing)
  })

  test('gives a certificate that the stock SDK verifies, from which the spends lead back to each quorum', async () => {
    const packets = await recompute(bed.pool, bed.url)
    const tracker = headersOf(bed.url)
    for (const { packetId, certified } of packets) {
      const [found] = await lookUp(bed.url, baseLookupServices.certificates, { packetId })
      const transaction = Transaction.fromBEEF(found?.beef ?? [])
      expect(await transaction.verify(tracker)).toBe(true)

      const beef = readBeef(Uint8Array.from(found?.beef ?? []))
      if (!beef.ok) throw new Error(beef.fault.detail)
      const history = readHistory(beef.value)
      if (!history.ok) throw new Error(history.fault.detail)
      const certificate = history.value.get(beef.value.subject.txid)
      if (certificate?.role.kind !== 'certificate') throw new Error('the subject is no certificate')
      const member = certificate.role.members.find(({ versionId }) => versionId === certified.versionId)
      expect(member).toBeDefined()
      const trail = trailOf(certificate, history.value)
      expect(trail.map(({ facts }) => facts.stage)).toEqual(['certify', 'validate', 'normalize'])
      for (const { facts, answers } of trail) {
        const at = facts.members.indexOf(member?.index ?? -1)
        expect(verdicts(facts.level, facts.members.length, answers)[at]).toMatchObject({ kind: 'agreed' })
        const operators = new Set(answers.map(({ operator }) => operator))
        expect(operators.size).toBe(answers.length)
        expect(answers.length).toBeGreaterThanOrEqual(quorums.enhanced.agreeing)
        const inTopic = await lookUp(bed.url, baseLookupServices.jobs, { roundId: facts.subject })
        expect(inTopic.length).toBeGreaterThan(0)
      }
    }
  })

  test('keeps what was certified, by its hash', async () => {
    for (const { validated, certified } of await recompute(bed.pool, bed.url)) {
      expect(certified.manifest.content.contentHash).toBe(validated.outputHash)
      const response = await fetch(`${bed.url}/uhrp/${validated.outputHash}`)
      expect(response.status).toBe(200)
      expect(sha256Hex(new Uint8Array(await response.arrayBuffer()))).toBe(validated.outputHash)
    }
  })

  test('shows each event as proven, and nothing that nobody has counted', async () => {
    const versions = new Set((await recompute(bed.pool, bed.url)).map(({ certified }) => certified.versionId))
    for (const eventId of accepted.slice(0, 5)) {
      const shown = await until(async () => {
        const response = await fetch(`${bed.url}/ingest/events/${eventId}`)
        const body = z.record(z.string(), z.unknown()).parse(await response.json())
        return body['state'] === 'proven' && body
      })
      expect(versions).toContain(shown['versionId'])
      expect(shown).toMatchObject({ status: 'certified' })
    }
    const { rows } = await bed.pool.query<{ said: number | null; operators: number }>(
      `select (overlay_distribution ->> 'consensusNodes')::int as said,
          jsonb_array_length(coalesce(certification_evidence -> 'operators', '[]')) as operators
        from overlay_events`,
    )
    for (const { said, operators } of rows) {
      // Nobody else hosts anything here, so nobody else has acknowledged anything.
      expect(said).toBe(1)
      expect(operators).toBeLessThanOrEqual(operatorNames.length)
    }
  })

  test('traces an event through what real agents did, to the bytes that each of them stands for', async () => {
    const packets = await recompute(bed.pool, bed.url)
    for (const eventId of [accepted[0], accepted.at(-1)]) {
      const response = await fetch(`${bed.url}/events/${eventId}/trace`)
      expect(response.status).toBe(200)
      const trace = tracedHere.parse(await response.json())
      const { sealed, normalized, validated, certified, proven } = trace
      const packet = packets.find(({ packetId }) => packetId === sealed.packetId)
      expect(trace.state).toBe('proven')
      expect(certified).toMatchObject({
        versionId: packet?.certified.versionId,
        leaf: packet?.certified.versionId,
        contentHash: packet?.validated.outputHash,
      })
      const lines = Buffer.from(packet?.validated.bytes ?? [])
        .toString()
        .split('\n')
      expect(certified.line.text).toBe(lines[sealed.index])
      for (const stage of [normalized, validated, certified]) {
        expect(stage.quorum.agreeing).toBeGreaterThanOrEqual(quorums.enhanced.agreeing)
        const named = stage.seats.map(({ agentId }) =>
          agentNames.find(each => agentOf(each).identityKey === agentId),
        )
        for (const name of named) expect(name?.endsWith(`/${stage.stage}`)).toBe(true)
        expect(stage.dissent).toEqual([])
        for (const result of stage.seats.flatMap(({ results }) => results)) {
          expect(result.signature).not.toBeNull()
          expect(result.processingMs).toBeGreaterThanOrEqual(0)
        }
      }
      const raw = await fetch(`${bed.url}/rounds/packet/${sealed.packetId}`)
      expect(sha256Hex(new Uint8Array(await raw.arrayBuffer()))).toBe(sealed.rawHash)
      expect(proven.confirmations).toBeGreaterThan(0)
    }
  })
})

const outputList = z.object({
  outputs: z.array(z.object({ beef: z.array(z.number()), outputIndex: z.number() })),
})

const stageHere = z.object({
  stage: z.string(),
  quorum: z.object({ agreeing: z.number() }),
  dissent: z.array(z.unknown()),
  seats: z.array(
    z.object({
      agentId: z.string(),
      results: z.array(z.object({ signature: z.unknown(), processingMs: z.number() })),
    }),
  ),
})
const tracedHere = z.object({
  state: z.string(),
  sealed: z.object({ packetId: z.string(), index: z.number(), rawHash: z.string() }),
  normalized: stageHere,
  validated: stageHere,
  certified: stageHere.extend({
    versionId: z.string(),
    leaf: z.string(),
    contentHash: z.string(),
    line: z.object({ text: z.string() }),
  }),
  proven: z.object({ confirmations: z.number() }),
})

async function lookUp(nodeUrl: string, service: string, query: object) {
  const response = await fetch(`${nodeUrl}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service, query }),
  })
  if (!response.ok) throw new Error(`${service} answered ${response.status}: ${await response.text()}`)
  return outputList.parse(await response.json()).outputs
}
