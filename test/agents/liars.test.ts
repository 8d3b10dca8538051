import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import type { StageOutput } from '../../src/core/work/stage-output.ts'
import { agentOf, operatorOf } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { party } from '../support/pipeline.ts'
import { readChain } from '../support/read-chain.ts'
import { until } from '../support/until.ts'
import { alteredWork, altersBytes, answersHonestly, lies } from './liars/conducts.ts'
import { heldAgainst } from './liars/held-against.ts'
import { type Liar, startLiar } from './liars/liar.ts'
import {
  allNamed,
  anySplit,
  outvote,
  reading,
  settings,
  sources,
  splitOne,
  type Told,
  unnamed,
} from './liars/trials.ts'

describe('one liar among three operators', () => {
  let bed: AgentsBed
  let liar: Liar
  beforeAll(async () => {
    bed = await agentsBed({ absent: ['south/normalize'], settings, sources })
    liar = await startLiar({
      agent: agentOf('south/normalize'),
      operator: operatorOf('south'),
      stage: 'normalize',
      nodeUrl: bed.url,
      conduct: answersHonestly,
    })
    // Asked from the first round on.
    await bed.publish(bedSource, [reading()])
    await until(async () => liar.jobs.length > 0)
    await bed.allAnchored()
  }, 120_000)
  afterAll(async () => {
    await liar.stop()
    await bed.stop()
  })

  const told: Told[] = []

  test.each(lies)('that answers with $name: two others certify the right bytes', async lie => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    told.push(await outvote(bed, liar, lie))
  })

  test('nobody else has anything on record, however often two others were quicker', async () => {
    for (const name of ['north/normalize', 'east/normalize', 'north/validate', 'east/certify'] as const) {
      const { evidence } = await heldAgainst(bed.pool, agentOf(name).identityKey)
      expect([...evidence.keys()]).toEqual([])
    }
  })

  test('is named in the evidence of every lie that says something, or owes it', {
    timeout: 120_000,
  }, async () => {
    onTestFailed(async () => void process.stderr.write(`not named: ${await unnamed(bed, told)}\n`))
    await allNamed(bed, told)
    const { badTerms } = await heldAgainst(bed.pool, liar.agent.identityKey)
    expect(badTerms).toBeGreaterThan(0)
  })

  test('at critical splits the one packet of a round that it touches, and nothing else', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await splitOne(bed, liar)
  })
})

describe('two liars of three who agree', () => {
  let bed: AgentsBed
  const liars: Liar[] = []
  beforeAll(async () => {
    bed = await agentsBed({ absent: ['east/normalize', 'south/normalize'], settings, sources })
    for (const name of ['east', 'south'] as const)
      liars.push(
        await startLiar({
          agent: agentOf(`${name}/normalize`),
          operator: operatorOf(name),
          stage: 'normalize',
          nodeUrl: bed.url,
          conduct: altersBytes.conduct,
        }),
      )
  }, 120_000)
  afterAll(async () => {
    for (const liar of liars) await liar.stop()
    await bed.stop()
  })

  test('have their bytes certified at enhanced, and the record shows who dissented', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await bed.publish(bedSource, [reading(), reading()])
    await bed.allAnchored()
    const altered = new Map<string, Uint8Array>()
    for (const job of liars[0]?.jobs ?? []) {
      const [work, ids] = [await alteredWork(job, () => true), await job.packetIds()]
      for (const [i, { output }] of work.entries()) altered.set(ids[i] ?? '', output)
    }
    const normalizedAs = (packetId: string, output: StageOutput): StageOutput => ({
      ...output,
      bytes: altered.get(packetId) ?? output.bytes,
    })
    await until(() => isAtRest(bed.pool))
    expect(await auditAtRest(bed.pool, bed, { normalizedAs })).toEqual([])
    expect(await auditAtRest(bed.pool, bed)).not.toEqual([])
    // The third one was heard, or came when it was decided: either way it is on record that it said something else.
    await until(async () => {
      const { evidence } = await heldAgainst(bed.pool, agentOf('north/normalize').identityKey)
      return (evidence.get('dissent') ?? 0) > 0
    })
  })

  test('split at critical', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await bed.publish(bedSource, [reading()], { level: 'critical' })
    const split = await until(() => anySplit(bed, 'critical'))
    expect(split.size).toBe(1)
    const { certificates } = await readChain(bed.pool)
    expect(certificates.filter(({ token }) => split.has(token.body.packetId))).toEqual([])
  })
})

describe('two agents of one operator', () => {
  test('are never in one job, and make no quorum by themselves', async () => {
    const bed = await agentsBed({
      absent: ['east/normalize', 'south/normalize'],
      settings,
    })
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    const others: Liar[] = []
    try {
      for (const [name, operator, conduct] of [
        ['a second normalizer', 'north', answersHonestly],
        ['a silent one', 'east', {}],
        ['another silent one', 'south', {}],
      ] as const)
        others.push(
          await startLiar({
            agent: party(name),
            operator: operatorOf(operator),
            stage: 'normalize',
            nodeUrl: bed.url,
            conduct,
          }),
        )
      await bed.publish(bedSource, [reading()])
      const split = await until(() => anySplit(bed, 'enhanced'))
      expect(split.size).toBe(1)
      const { rows } = await bed.pool.query<{ seats: number; operators: number }>(
        `select count(*)::int as seats, count(distinct operator)::int as operators from round_seats group by job_tx`,
      )
      expect(rows.length).toBeGreaterThan(0)
      for (const { seats, operators } of rows) expect(operators).toBe(seats)
    } finally {
      for (const other of others) await other.stop()
      await bed.stop()
    }
  }, 120_000)
})
