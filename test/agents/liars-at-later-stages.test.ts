import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { agentOf, operatorOf } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { until } from '../support/until.ts'
import { answersHonestly } from './liars/conducts.ts'
import { heldAgainst, namedIn } from './liars/held-against.ts'
import { laterLies } from './liars/later-lies.ts'
import { type Liar, startLiar } from './liars/liar.ts'
import { takeBack } from './liars/take-back.ts'
import {
  allNamed,
  outvote,
  reading,
  settings,
  sources,
  splitOne,
  type Told,
  unnamed,
} from './liars/trials.ts'

const laterStages = ['validate', 'certify'] as const

describe('an operator whose agents lie, beside two others', () => {
  let bed: AgentsBed
  let liars: Readonly<Record<Stage, Liar>>
  beforeAll(async () => {
    bed = await agentsBed({
      absent: ['south/normalize', 'south/validate', 'south/certify'],
      settings: { ...settings, LOCAL_CHAIN_CONTROL: 'true' },
      sources,
    })
    const start = (stage: Stage) =>
      startLiar({
        agent: agentOf(`south/${stage}`),
        operator: operatorOf('south'),
        stage,
        nodeUrl: bed.url,
        conduct: answersHonestly,
      })
    liars = {
      normalize: await start('normalize'),
      validate: await start('validate'),
      certify: await start('certify'),
    }
    // Asked from the first round on.
    await bed.publish(bedSource, [reading()])
    await until(() => stages.every(stage => liars[stage].jobs.length > 0))
    await bed.allAnchored()
  }, 120_000)
  afterAll(async () => {
    for (const stage of stages) await liars[stage].stop()
    await bed.stop()
  })

  const told: Told[] = []

  describe.each(laterStages)('at %s', stage => {
    test.each(laterLies[stage])('with $name: the two others certify the right bytes', async lie => {
      onTestFailed(async () => void process.stderr.write(await bed.describe()))
      told.push(await outvote(bed, liars[stage], lie))
    })
  })

  test('has nothing put on the record of anybody else', async () => {
    for (const name of ['north/validate', 'east/validate', 'north/certify', 'east/certify'] as const) {
      const { evidence } = await heldAgainst(bed.pool, agentOf(name).identityKey)
      expect([...evidence.keys()]).toEqual([])
    }
  })

  const takenBack: [roundId: string, stage: Stage][] = []

  describe('that double-spends its own result once the certificate is there', () => {
    test.each([
      { stage: 'normalize', again: ['validate', 'certify'] },
      { stage: 'validate', again: ['certify'] },
      { stage: 'certify', again: [] },
    ] as const)(
      'at $stage: the round is built again from there, to the same version',
      async ({ stage, again }) => {
        onTestFailed(async () => void process.stderr.write(await bed.describe()))
        const liar = liars[stage]
        const asked = liar.jobs.length
        await withoutEast(stage, async () => {
          // So its answer is one of the two that were enough.
          await bed.publish(bedSource, [reading()])
          await bed.allAnchored()
        })
        await until(() => isAtRest(bed.pool))
        const taken = liar.jobs.slice(asked).at(-1)
        if (taken === undefined) throw new Error('the liar was not asked')
        const roundId = taken.facts.subject
        const [first, ...none] = await certificatesOf(roundId)
        expect(none).toEqual([])

        await takeBack(bed, taken)
        const [dead, live] = await until(async () => {
          const both = await certificatesOf(roundId)
          return both.length > 1 && both.at(-1)?.counts === true && both
        })
        await until(() => isAtRest(bed.pool))
        expect(dead).toEqual({ ...first, counts: false })
        expect(live?.version).toBe(first?.version)
        expect(await askedAgain(roundId)).toEqual([...again])
        expect(await auditAtRest(bed.pool, bed)).toEqual([])
        expect(liar.failures).toEqual([])
        takenBack.push([roundId, stage])
      },
    )
  })

  test('is named in the evidence of every lie that says something, or owes it', {
    timeout: 120_000,
  }, async () => {
    onTestFailed(async () => void process.stderr.write(`not named: ${await unnamed(bed, told)}\n`))
    await allNamed(bed, told)
    for (const stage of laterStages) {
      const { badTerms } = await heldAgainst(bed.pool, liars[stage].agent.identityKey)
      expect(badTerms).toBeGreaterThan(0)
    }
  })

  test('alone is named as the one that has taken back what it said', async () => {
    for (const [roundId, stage] of takenBack) {
      const named = await until(async () => {
        const found = await namedIn(bed.pool, roundId, ['double-spend', 'seat-answered-twice'])
        return found.length > 0 && found
      })
      expect(named).toEqual([liars[stage].agent.identityKey])
    }
    expect(takenBack).toHaveLength(stages.length)
  })

  test.each(laterStages)(
    'at %s of level critical splits the one packet of a round that it touches, and nothing else',
    async stage => {
      onTestFailed(async () => void process.stderr.write(await bed.describe()))
      await splitOne(bed, liars[stage])
    },
  )

  /** That agent hears nothing, and says nothing, meanwhile. */
  async function withoutEast(stage: Stage, meanwhile: () => Promise<void>): Promise<void> {
    const agent = bed.agents.get(`east/${stage}`)?.child()
    agent?.signal('SIGSTOP')
    try {
      await meanwhile()
    } finally {
      agent?.signal('SIGCONT')
    }
  }

  /** Of the one packet of the round, in the order that they were made in. */
  async function certificatesOf(roundId: string) {
    const { rows } = await bed.pool.query<{ txid: string; version: string; round: string; counts: boolean }>(
      `select encode(txid, 'hex') as txid, encode(version_id, 'hex') as version,
          encode(certificate.round_id, 'hex') as round, state in ('anchored', 'proven') as counts
        from certificates as certificate join round_members as member using (packet_id)
        where member.round_id = $1 order by written_ms`,
      [Buffer.from(roundId, 'hex')],
    )
    return rows
  }

  /** Stages of the round for which there was more than one job, in their order. */
  async function askedAgain(roundId: string): Promise<Stage[]> {
    const { rows } = await bed.pool.query<{ stage: string }>(
      `select stage from round_jobs where round_id = $1 group by stage having count(*) > 1`,
      [Buffer.from(roundId, 'hex')],
    )
    return stages.filter(stage => rows.some(row => row.stage === stage))
  }
})
