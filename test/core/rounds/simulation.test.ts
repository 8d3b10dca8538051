import { describe, expect, test } from 'vitest'
import { quorums } from '../../../src/core/level.ts'
import { type JobFacts, noLeaf, type Role } from '../../../src/core/rounds/pipeline.ts'
import { honestChain, leafOf } from './chain.ts'
import { shrink } from './simulator/choices.ts'
import { conspire } from './simulator/hostile-coordinator.ts'
import { plantedFaults } from './simulator/planted-faults.ts'
import { type Run, simulate } from './simulator/simulate.ts'
import { certificateWithoutQuorum } from './simulator/votes.ts'
import { type Figures, type RunOptions, sumOf } from './simulator/world.ts'

// ASSAY_SIM_SCHEDULES=20000 npx vitest run test/core/rounds/simulation.test.ts runs as many of each kind by hand.
const byHand = Number(process.env['ASSAY_SIM_SCHEDULES'] ?? 0)
const schedules = byHand || 500
const reorgSchedules = byHand || 500
const conspiracies = byHand || 5_000
const minutes = 60_000 * Math.max(1, byHand / 5_000)

describe('event job coordination, simulated', () => {
  test(
    `${schedules} schedules of crashes, liars, silence and double spends break no promise`,
    () => {
      const figures = runAll(1, schedules, {})
      // The runs are worth something only if all of this happens in them.
      expect(figures.packets - figures.split).toBeGreaterThan(schedules)
      expect(figures.split).toBeGreaterThan(0)
      expect(figures.deadFirstJobs).toBeGreaterThan(schedules / 5)
      expect(figures.deadCloses).toBeGreaterThan(schedules / 5)
      expect(figures.refusedCloses).toBeGreaterThan(schedules / 50)
      expect(figures.followed).toBeGreaterThan(schedules / 100)
    },
    minutes,
  )

  test(
    `${reorgSchedules} schedules in which dead transactions come back break none either`,
    () => {
      const figures = runAll(30_000_000, reorgSchedules, { reorg: true })
      expect(figures.deadFirstJobs).toBeGreaterThan(reorgSchedules / 5)
      expect(figures.returnedCertificates).toBeGreaterThan(reorgSchedules / 50)
      expect(figures.revocations).toBeGreaterThan(reorgSchedules / 100)
      expect(figures.refusedCloses).toBeGreaterThan(reorgSchedules / 50)
    },
    minutes,
  )

  test(
    `${conspiracies} hostile coordinators get no certificate without its quorum at every stage`,
    () => {
      let certificates = 0
      for (let seed = 1; seed <= conspiracies; seed++) {
        const attempt = conspire(seed)
        certificates += attempt.certificates
        if (attempt.failure === undefined) continue
        const shortest = shrink(attempt.choices, list => conspire(list).failure !== undefined)
        expect.fail(`seed ${seed}: ${conspire(shortest).failure}; choices ${JSON.stringify(shortest)}`)
      }
      expect(certificates).toBeGreaterThan(conspiracies / 200)
    },
    minutes,
  )
})

describe('the promise about votes', () => {
  test('is kept by an honest chain', () => {
    expect(promiseAfter(() => undefined)).toBeUndefined()
  })

  const broken: [what: string, sentence: RegExp, change: (chain: Chain) => void][] = [
    [
      'votes that failed',
      /has 0 votes/,
      chain => changeRoles(chain, role => (role.kind === 'result' ? { ...role, status: 'failed' } : role)),
    ],
    [
      'silence that was certified',
      /nobody answered/,
      chain =>
        changeRoles(chain, role => {
          if (role.kind === 'result') return { ...role, leaves: [noLeaf, noLeaf] }
          if (role.kind !== 'certificate') return role
          return { ...role, members: role.members.map(({ index }) => ({ index, versionId: noLeaf })) }
        }),
    ],
    ['another document on the way', /another document/, changeFacts({ inputHash: 'other' }, 'validate')],
    ['another round on the way', /another round/, changeFacts({ subject: 'other' }, 'normalize')],
    ['a lower level on the way', /of level basic/, changeFacts({ level: 'basic' }, 'normalize')],
  ]
  test.each(broken)('is not kept by %s', (_, sentence, change) => {
    expect(promiseAfter(change)).toMatch(sentence)
  })
})

describe('the simulation notices when', () => {
  for (const [fault, { kind, from, ...options }] of Object.entries(plantedFaults))
    test(fault, () => {
      const kinds = Array.from({ length: 5 }, (_, i) => simulate(from + i, options).failure?.kind)
      expect(kinds).toContain(kind)
    })

  test('judges are content with one vote less', () => {
    Object.assign(quorums.enhanced, { agreeing: 1 })
    try {
      const seeds = Array.from({ length: 2_000 }, (_, i) => i)
      expect(seeds.some(seed => conspire(seed).failure !== undefined)).toBe(true)
    } finally {
      Object.assign(quorums.enhanced, { agreeing: 2 })
    }
  })
})

type Chain = ReturnType<typeof honestChain>

/** The promise that every certificate is held against, asked of one whose chain was changed. */
function promiseAfter(change: (chain: Chain) => void): string | undefined {
  const chain = honestChain('enhanced')
  const leaves = (stage: string) => new Map([0, 1].map(member => [member, leafOf(stage, member)]))
  const inputs = new Map([
    ['job validate', leaves('normalize')],
    ['job certify', leaves('validate')],
  ])
  change(chain)
  return certificateWithoutQuorum('certificate', { transaction: txid => chain.get(txid) }, inputs)
}

function changeRoles(chain: Chain, change: (role: Role) => Role): void {
  for (const [txid, transaction] of chain) chain.set(txid, { ...transaction, role: change(transaction.role) })
}

function changeFacts(facts: Partial<JobFacts>, stage: string): (chain: Chain) => void {
  return chain =>
    changeRoles(chain, role =>
      role.kind === 'job' && role.facts.stage === stage
        ? { ...role, facts: { ...role.facts, ...facts } }
        : role,
    )
}

function runAll(from: number, count: number, options: RunOptions): Figures {
  const runs: Figures[] = []
  for (let seed = from; seed < from + count; seed++) {
    const run = simulate(seed, options)
    if (run.failure !== undefined) expect.fail(report(seed, run, options))
    runs.push(run.figures)
  }
  return sumOf(runs)
}

/** The seed, and the shortest run that breaks the same promise, told step by step. */
function report(seed: number, { failure, choices }: Run, options: RunOptions): string {
  const shortest = shrink(choices, list => simulate(list, options).failure?.kind === failure?.kind)
  const { failure: same, trace } = simulate(shortest, options)
  return [`seed ${seed}: ${same?.kind}, ${same?.what}`, `choices ${JSON.stringify(shortest)}`, ...trace].join(
    '\n',
  )
}
