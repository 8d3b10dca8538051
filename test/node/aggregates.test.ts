import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { answerAggregate } from '../../agents/certifier/aggregate.ts'
import { certifier } from '../../agents/certifier/certifier.ts'
import { type AnswerAggregate, readAggregateTask } from '../../agents/kit/aggregate-task.ts'
import { readAgentSettings } from '../../agents/kit/settings.ts'
import { type RunningAgent, startAgent } from '../../agents/kit/start-agent.ts'
import { baseLookupServices } from '../../src/contract/names.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { parseCanonicalJson } from '../../src/core/canonical-json.ts'
import {
  aggregateId,
  certifyAggregate,
  readAggregateDocument,
  readAggregateManifest,
} from '../../src/core/certificate/aggregate.ts'
import { MANIFEST_BYTES_MAX } from '../../src/core/certificate/dlm-version.ts'
import { accepted, orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { heldAgainst } from '../agents/liars/held-against.ts'
import { type AgentName, agentOf, operatorOf, partsOf, wordFor } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { type Recomputed, recompute } from '../support/recompute.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'

/** Nothing here is decided by a deadline, however slow the machine. */
const settings = { EVENT_PROCESSING_TIMEOUT_MS: '60000', INGEST_BACKOFF_BASE_MS: '50' }
const WINDOW_MS = 1_000

/** Two of the three certifiers are this test's: honest about packets, and about statements as it has them be. */
describe('a stream with windows and rollups', () => {
  let bed: AgentsBed
  let startMs: number
  const certifiers: RunningAgent[] = []
  const conduct: { [name in AgentName]?: AnswerAggregate } = {}
  beforeAll(async () => {
    const ours = ['east/certify', 'south/certify'] as const
    bed = await agentsBed({ settings, absent: ours })
    for (const name of ours) certifiers.push(await startCertifier(bed, name, conduct))
    startMs = Math.floor((Date.now() - 60_000) / WINDOW_MS) * WINDOW_MS
    await publishAt(0)
    const plan = { windowMs: WINDOW_MS, rollupEvery: 2 }
    await bed.pool.query('update streams set aggregate = $1', [JSON.stringify(plan)])
  }, 120_000)
  afterAll(async () => {
    for (const agent of certifiers) await agent.stop()
    await bed.stop()
  })

  /** One event in a packet of its own. */
  async function publishAt(afterMs: number): Promise<void> {
    const sealed = await sealedCount(bed)
    await bed.publish(bedSource, [
      { eventType: 'reading', timestamp: startMs + afterMs, data: { celsius: afterMs } },
    ])
    await until(async () => (await sealedCount(bed)) > sealed)
  }

  test('has ten packets in two windows and those in a rollup, each certified by its own quorum, whoever lies', {
    timeout: 240_000,
  }, async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    conduct['south/certify'] = withoutItsFirstParent
    for (let n = 1; n < 10; n++) await publishAt(n * 200)
    // Late enough that both windows are over.
    await publishAt(4_100)
    const shown = await until(async () => {
      const rows = await statements(bed)
      return rows.length === 3 && rows.every(({ state }) => state === 'certified') && rows
    })
    await until(() => isAtRest(bed.pool))
    const packets = await recompute(bed.pool, bed.url)
    expect(shown.map(({ kind }) => kind)).toEqual(['window', 'window', 'rollup'])
    expect(shown.map(parentsOf)).toEqual([
      versionsOf(packets.slice(0, 5)),
      versionsOf(packets.slice(5, 10)),
      versionsOf(packets.slice(0, 10)),
    ])
    for (const { id, document, versionId, operators } of shown) {
      const honest = orThrow(certifyAggregate(orThrow(readAggregateDocument(document))))
      expect(versionId).toBe(honest.versionId)
      expect(operators).toEqual(expect.arrayContaining(honestOperators))
      const [listed] = await lookUp(bed.url, { roundId: id })
      expect(listed).toMatchObject({
        template: 'aggregate',
        packetId: id,
        versionId,
        contentHash: honest.manifest.content.contentHash,
        streamId: bedSource,
        spent: false,
      })
      expect(listed).not.toHaveProperty('forked')
      const manifest = await bytesOf(`${bed.url}/rounds/manifest/${versionId}`)
      expect(sha256Hex(manifest)).toBe(versionId)
      const json = orThrow(parseCanonicalJson(new TextDecoder().decode(manifest), MANIFEST_BYTES_MAX))
      expect(orThrow(readAggregateManifest(json))).toEqual(honest.manifest)
      const content = await bytesOf(`${bed.url}/uhrp/${honest.manifest.content.contentHash}`)
      expect(content).toEqual(honest.content)
    }
    const rollup = shown[2]?.versionId ?? ''
    const verdict = await until(async () => {
      const told = await jsonOf(`${bed.url}/ready?versionId=${rollup}`)
      return told['ready'] === true && told
    })
    expect(verdict).toMatchObject({ reason: null, assay: { versions: 11 } })
    expect(await jsonOf(`${bed.url}/bundle?versionId=${rollup}&depth=1`)).toMatchObject({
      graph: { nodes: [rollup, ...versionsOf(packets.slice(0, 10))].map(versionId => ({ versionId })) },
      assay: { beyond: [] },
    })

    const { evidence } = await heldAgainst(bed.pool, agentOf('south/certify').identityKey)
    expect(['dissent', 'late'].some(kind => evidence.has(kind))).toBe(true)
    expect(await auditAtRest(bed.pool, bed)).toEqual([])
  })

  test('is asked again for a window on which no quorum agreed', { timeout: 120_000 }, async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    let times = 0
    conduct['east/certify'] = task => {
      times += 1
      return times === 1 ? otherwise(task) : answerAggregate(task)
    }
    conduct['south/certify'] = noAnswer
    await publishAt(8_100)
    const window = await until(async () => {
      const last = (await statements(bed)).find(({ firstPacket }) => firstPacket === 10)
      return last?.state === 'certified' && last
    })
    await until(() => isAtRest(bed.pool))
    const { rows } = await bed.pool.query<{ outcome: string; rebuild: number }>(
      `select outcome, rebuild from round_jobs where round_id = $1 order by made_ms`,
      [Buffer.from(window.id, 'hex')],
    )
    expect(rows).toEqual([
      { outcome: 'closed', rebuild: 0 },
      { outcome: 'certified', rebuild: 1 },
    ])
    expect([window.rounds, window.tries]).toEqual([2, 1])
    expect(await auditAtRest(bed.pool, bed)).toEqual([])
  })
})

async function jsonOf(url: string): Promise<Record<string, unknown>> {
  return Object(await (await fetch(url)).json())
}

/** Its first parent, it says, has no version. */
const withoutItsFirstParent: AnswerAggregate = task => {
  const document = orThrow(readAggregateTask(task))
  const [first, ...parents] = document.parents
  const gaps = [...document.gaps, first?.packetNo ?? 0].sort((a, b) => a - b)
  return manifestOf({ ...document, parents, gaps })
}

const otherwise: AnswerAggregate = task => manifestOf({ ...orThrow(readAggregateTask(task)), kind: 'rollup' })

const noAnswer: AnswerAggregate = () => {
  throw new Error('it has none')
}

function manifestOf(document: Parameters<typeof certifyAggregate>[0]): ReturnType<AnswerAggregate> {
  const { manifestJson, versionId } = orThrow(certifyAggregate(document))
  return accepted({ leaf: versionId, output: utf8(manifestJson), state: new Uint8Array(0) })
}

async function startCertifier(
  bed: AgentsBed,
  name: AgentName,
  conduct: { readonly [name in AgentName]?: AnswerAggregate },
): Promise<RunningAgent> {
  const key = agentOf(name)
  const agent = await startAgent({
    kind: 'certify',
    answer: certifier,
    answerAggregate: task => (conduct[name] ?? answerAggregate)(task),
    key,
    operator: wordFor(operatorOf(partsOf(name).operator), key.identityKey),
    settings: readAgentSettings({ AGENT_NODES: bed.url, AGENT_HOST: '127.0.0.1', AGENT_PORT: '0' }),
    log: silentLog,
    now: Date.now,
  })
  await agent.advertise()
  return agent
}

type Statement = {
  readonly id: string
  readonly kind: string
  readonly firstPacket: number
  readonly document: string
  readonly state: string
  readonly rounds: number
  readonly tries: number
  readonly versionId: string | null
  /** Of those whose answers agreed. */
  readonly operators: readonly string[]
}

async function statements({ pool }: AgentsBed): Promise<Statement[]> {
  const { rows } = await pool.query<Statement>(
    `select encode(aggregate_id, 'hex') as id, kind, first_packet::int as "firstPacket", document, state, rounds, tries,
        encode(version_id, 'hex') as "versionId",
        array(select encode(operator, 'hex') from outcomes join round_results as result on result.txid = outcomes.result_tx
          where outcomes.packet_id = aggregate_id and outcomes.is_agreed) as operators
      from aggregates order by kind desc, first_packet`,
  )
  return rows
}

function parentsOf({ document, id }: Statement): string[] {
  const read = orThrow(readAggregateDocument(document))
  expect(aggregateId(read)).toBe(id)
  return read.parents.map(({ versionId }) => versionId)
}

function versionsOf(packets: readonly Recomputed[]): string[] {
  return packets.map(({ certified }) => certified.versionId)
}

const honestOperators = [operatorOf('north').identityKey, operatorOf('east').identityKey]

async function sealedCount({ pool }: AgentsBed): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('select count(*)::int as count from packets')
  return rows[0]?.count ?? 0
}

async function bytesOf(url: string): Promise<Uint8Array> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

/** What is said beside each certificate. */
async function lookUp(nodeUrl: string, query: object): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${nodeUrl}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service: baseLookupServices.certificates, query }),
  })
  if (!response.ok) throw new Error(`the lookup answered ${response.status}: ${await response.text()}`)
  return outputList
    .parse(await response.json())
    .outputs.map(({ context }) =>
      z.record(z.string(), z.unknown()).parse(JSON.parse(new TextDecoder().decode(Uint8Array.from(context)))),
    )
}

const outputList = z.object({ outputs: z.array(z.object({ context: z.array(z.number()) })) })
