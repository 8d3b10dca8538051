import { describe, expect, test } from 'vitest'
import { quorums } from '../../../src/core/level.ts'
import { shrink } from './simulator/choices.ts'
import { conspire } from './simulator/hostile-coordinator.ts'
import { plantedFaults } from './simulator/planted-faults.ts'
import { type Run, simulate } from './simulator/simulate.ts'
import type { RunOptions } from './simulator/world.ts'

// ASSAY_SIM_SCHEDULES=20000 npx vitest run test/core/rounds/simulation.test.ts runs as many of each kind by hand.
const byHand = Number(process.env['ASSAY_SIM_SCHEDULES'] ?? 0)
const schedules = byHand || 1_500
const reorgSchedules = byHand || 500
const conspiracies = byHand || 5_000
const minutes = 60_000 * Math.max(1, byHand / 5_000)

describe('event job coordination, simulated', () => {
  test(
    `${schedules} schedules of crashes, liars, silence and double spends break no promise`,
    () => {
      const { packets, split } = runAll(1, schedules, {})
      // The runs are worth something only if packets are certified and split in them.
      expect(packets - split).toBeGreaterThan(schedules)
      expect(split).toBeGreaterThan(0)
    },
    minutes,
  )

  test(
    `${reorgSchedules} schedules in which dead transactions come back break none either`,
    () => {
      expect(runAll(30_000_000, reorgSchedules, { reorg: true }).packets).toBeGreaterThan(reorgSchedules)
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

describe('the simulation notices when', () => {
  for (const [fault, plant] of Object.entries(plantedFaults))
    test(fault, () => {
      const found = firstFailure(500, { plant }) ?? firstFailure(500, { plant, reorg: true })
      expect(found?.failure).toBeDefined()
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

function firstFailure(count: number, options: RunOptions): Run | undefined {
  for (let seed = 1; seed <= count; seed++) {
    const run = simulate(seed, options)
    if (run.failure !== undefined) return run
  }
  return undefined
}

function runAll(from: number, count: number, options: RunOptions): { packets: number; split: number } {
  const figures = { packets: 0, split: 0 }
  for (let seed = from; seed < from + count; seed++) {
    const run = simulate(seed, options)
    if (run.failure !== undefined) expect.fail(report(seed, run, options))
    figures.packets += run.packets
    figures.split += run.split
  }
  return figures
}

/** The seed, and the shortest run that breaks the same promise, told step by step. */
function report(seed: number, { failure, choices }: Run, options: RunOptions): string {
  const shortest = shrink(choices, list => simulate(list, options).failure?.kind === failure?.kind)
  const { failure: same, trace } = simulate(shortest, options)
  return [`seed ${seed}: ${same?.kind}, ${same?.what}`, `choices ${JSON.stringify(shortest)}`, ...trace].join(
    '\n',
  )
}
