import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { writeWork } from '../../src/contract/work.ts'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { canonicalHash, isObject, type Json, parseJson } from '../../src/core/canonical-json.ts'
import { namesOf, qualityFlags } from '../../src/core/event/quality-flags.ts'
import { orThrow } from '../../src/core/fault.ts'
import { policyDigest } from '../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import { type Conduct, type Liar, startLiar } from '../agents/liars/liar.ts'
import { agentOf, operatorNames, operatorOf } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { outcomesOf, type Recomputed, recompute } from '../support/recompute.ts'
import { until } from '../support/until.ts'

/** Nothing here is decided by a deadline, however slow the machine. */
const settings = {
  EVENT_PROCESSING_TIMEOUT_MS: '60000',
  INGEST_RETRY_MAX: '2',
  INGEST_BACKOFF_BASE_MS: '50',
}
const beds: AgentsBed[] = []
const agents: Liar[] = []
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop()
  for (const bed of beds.splice(0)) await bed.stop()
}, 60_000)

async function open(options: Parameters<typeof agentsBed>[0]): Promise<AgentsBed> {
  const bed = await agentsBed(options)
  beds.push(bed)
  onTestFailed(async () => void process.stderr.write(await bed.describe()))
  return bed
}

describe('a packet that honest agents answer differently', () => {
  test('is passed by with its reason, and the five behind it are certified over the gap', {
    timeout: 240_000,
  }, async () => {
    const normalizers = operatorNames.map(name => `${name}/normalize` as const)
    const bed = await open({ settings, absent: normalizers })
    for (const [n, operator] of operatorNames.entries())
      agents.push(
        await startLiar({
          agent: agentOf(`${operator}/normalize`),
          operator: operatorOf(operator),
          stage: 'normalize',
          nodeUrl: bed.url,
          conduct: eachItsOwn(n),
        }),
      )
    const packetCount = async () => (await recompute(bed.pool, bed.url)).length
    const seal = async (celsius: number) => {
      const before = await packetCount()
      await bed.publish(bedSource, [{ eventType: 'reading', data: { celsius } }])
      await until(async () => (await packetCount()) > before)
    }
    await seal(1)
    await bed.allAnchored()
    await seal(POISON)
    for (let n = 2; n < 7; n++) await seal(n)
    const shown = await until(async () => {
      const { events, anchored, split } = await bed.progress()
      return anchored + split === events && { anchored, split }
    })
    expect(shown).toEqual({ anchored: 6, split: 1 })
    await until(() => isAtRest(bed.pool))

    const { rows } = await bed.pool.query<{ id: string; reason: string | null; said: string | null }>(
      `select encode(standing.packet_id, 'hex') as id, letter.reason, became.last_error as said
        from packet_standings as standing left join dead_letters as letter on letter.packet_id = standing.packet_id
        left join packet_states as became on became.partition_id = standing.partition_id
          and became.packet_no = standing.packet_no
        where standing.status = 'split'`,
    )
    expect(rows).toHaveLength(1)
    expect(rows[0]?.reason ?? '').not.toBe('')
    expect(rows[0]?.said).toBe(rows[0]?.reason)
    const passedBy = new Set(rows.map(({ id }) => id))
    expect(await auditAtRest(bed.pool, bed, { passedBy })).toEqual([])

    const packets = await recompute(bed.pool, bed.url, { passedBy })
    const [before, , first, ...others] = packets
    expect(first?.certified.manifest.provenance.assay.parent).toBe(before?.packetId)
    expect(first && flagsIn(first)).toContain('STATE_GAP')
    for (const packet of others) expect(flagsIn(packet)).not.toContain('STATE_GAP')
  })
})

/** An event of this reading is answered otherwise by everybody. */
const POISON = 99

function eachItsOwn(n: number): Conduct {
  return {
    async work(job) {
      const [honest, ids] = [await job.honestWork(), await job.packetIds()]
      const work = honest.map((member, i) => {
        const text = fromUtf8(member.output) ?? ''
        if (!text.includes(`"celsius":${POISON}`)) return member
        const output = utf8(text.replaceAll(`"celsius":${POISON}`, `"celsius":${100 + n}`))
        return { ...member, output, leaf: outcomeLeaf(ids[i] ?? '', sha256Hex(output), null) }
      })
      await job.upload(writeWork(work))
      await job.submit(job.result(job.said(work)))
    },
  }
}

function flagsIn({ validated }: Recomputed): string[] {
  return linesOf(validated.bytes).flatMap(line => namesOf(Number(line['qualityFlags'])))
}

function linesOf(bytes: Uint8Array): Record<string, unknown>[] {
  return (fromUtf8(bytes) ?? '')
    .split('\n')
    .slice(0, -1)
    .map(line => {
      const json = orThrow(parseJson(line))
      if (!isObject(json)) throw new Error(`${line} is not an object`)
      return json
    })
}

describe('two sources that disagree', () => {
  test('in different packets make one canonical result, and the trail says why and by which policy', {
    timeout: 240_000,
  }, async () => {
    const sources = ['feed-a', 'feed-b'].map(id => ({
      id,
      type: 'webhook',
      shape: 'overlay',
      streams: ['match'],
    }))
    // Whoever speaks first is not right because of that.
    const fusion = { strategy: 'priority', key: 'match', windowMs: 10_000, priority: ['feed-b', 'feed-a'] }
    const rules = [{ kind: 'divergence', field: 'goals', key: 'match', withinMs: 1_000 }]
    const bed = await open({
      settings: {
        ...settings,
        FUSION_POLICY_JSON: JSON.stringify(fusion),
        NORMALIZE_POLICY_JSON: JSON.stringify({ rules }),
      },
      sources,
    })
    const start = Math.floor(Date.now() / 10_000 - 6) * 10_000
    const observe = async (sourceId: string, atMs: number, goals: number) => {
      const before = (await recompute(bed.pool, bed.url)).length
      const [item] = await bed.publish(sourceId, [
        { eventType: 'score', timestamp: atMs, data: { match: 'final', goals } },
      ])
      await until(async () => (await recompute(bed.pool, bed.url)).length > before)
      return item?.eventId
    }
    const first = await observe('feed-a', start + 100, 3)
    const second = await observe('feed-b', start + 200, 2)
    // Another window, late enough that the first one closes.
    const third = await observe('feed-a', start + 30_000, 4)
    await bed.allAnchored()
    // One without events closes that window too, by the clock: then nothing is left to come.
    await until(async () => {
      const { rows } = await bed.pool.query<{ count: number; state: string | null }>(
        `select count, state from packets left join packet_states using (partition_id, packet_no) order by packet_no`,
      )
      return rows.at(-1)?.count === 0 && rows.every(({ state }) => state === 'anchored' || state === 'proven')
    })
    await until(() => isAtRest(bed.pool))
    expect(await auditAtRest(bed.pool, bed)).toEqual([])

    const proofs = await Promise.all(
      [first, second, third].map(async id => proofShape.parse(await served(bed, `/events/${id}/proof`))),
    )
    const packetIds = proofs.map(({ manifest }) => manifest.provenance.assay.packetId)
    expect(new Set(packetIds).size).toBe(3)
    // That of the packet which closed the window.
    const { content, provenance } = manifestShape.parse(proofs[2]?.manifest)
    const output = await (await fetch(`${bed.url}/uhrp/${content.contentHash}`)).arrayBuffer()
    const records = linesOf(new Uint8Array(output)).filter(line => line['windowStartMs'] === start)
    expect(records).toEqual([
      {
        fused: true,
        decision: 'agreed',
        strategy: 'priority',
        key: 'final',
        windowStartMs: start,
        windowEndMs: start + 10_000,
        value: { match: 'final', goals: 2 },
        chosen: second,
        from: [{ eventId: second, sourceId: 'feed-b', eventTimeMs: start + 200 }],
        overruled: [{ eventId: first, sourceId: 'feed-a', eventTimeMs: start + 100, reason: 'outranked' }],
        dropped: 0,
        qualityFlags: qualityFlags.SOURCE_DIVERGENCE,
      },
    ])
    const { policyDigest: named } = provenance.assay
    const policy = orThrow(readPolicySet(await served(bed, `/rounds/policy/${named}`)))
    expect(policy.fusion).toMatchObject({ ...fusion, key: '/match' })
    expect(policyDigest(policy)).toBe(named)

    // The same, as a table.
    const { rows: relations } = await bed.pool.query(
      `select event_id, source_id, relation, observation_id, reason, version_id from event_source_relations_of($1)
        where relation <> 'observed' order by relation`,
      [second],
    )
    const versionId = orThrow(canonicalHash(orThrow(parseJson(JSON.stringify(proofs[2]?.manifest)))))
    const decided = { event_id: second, version_id: versionId }
    expect(relations).toEqual([
      { ...decided, source_id: 'feed-b', relation: 'fused', observation_id: second, reason: null },
      { ...decided, source_id: 'feed-a', relation: 'overruled', observation_id: first, reason: 'outranked' },
    ])
    // The second event, which the first contradicts, and the record that both are in.
    const metrics = await (await fetch(`${bed.url}/metrics`)).text()
    expect(metrics).toMatch(/^assay_source_divergences_total 2$/m)
    expect(metrics).toMatch(/^source_divergence_count 2$/m)
  })
})

const manifestShape = z.looseObject({
  content: z.looseObject({ contentHash: z.string() }),
  provenance: z.looseObject({
    assay: z.looseObject({ packetId: z.string(), policyDigest: z.string() }),
  }),
})
const proofShape = z.object({ manifest: manifestShape })

async function served(bed: AgentsBed, path: string): Promise<Json> {
  return orThrow(parseJson(await (await fetch(bed.url + path)).text()))
}

describe('the same log, with its verdicts', () => {
  test('makes the same packets, outputs and versions, whoever makes them again', async () => {
    const bed = await open({ settings })
    for (let n = 0; n < 4; n++) {
      await bed.publish(bedSource, [{ eventType: 'reading', data: { celsius: n } }])
      await bed.allAnchored()
    }
    const once = outcomesOf(await recompute(bed.pool, bed.url))
    await bed.node().kill()
    await bed.restartNode()
    expect(outcomesOf(await recompute(bed.pool, bed.url))).toBe(once)
    await until(() => isAtRest(bed.pool))
    expect(await auditAtRest(bed.pool, bed)).toEqual([])
  })
})
