import { describe, expect, test } from 'vitest'
import type { OperatorRecord } from '../../src/core/rounds/coordinating/operators.ts'
import type { PacketStanding } from '../../src/core/rounds/coordinating/standing.ts'
import { chooseSeats } from '../../src/jobs/choose-seats.ts'
import { chooseRounds } from '../../src/jobs/plan-rounds.ts'
import type { CandidatePacket, Directory } from '../../src/jobs/ports.ts'
import type { Rules } from '../core/rounds/simulator/rules.ts'
import { simulate } from '../core/rounds/simulator/simulate.ts'
import { sumOf, type World } from '../core/rounds/simulator/world.ts'
import { party } from '../support/pipeline.ts'
import { partition } from './candidates.ts'
import { agent, anybody, NOW_MS, need, operatorOf, planBounds } from './known-agents.ts'

// ASSAY_SIM_SCHEDULES=20000 npx vitest run test/jobs/event-job-coordination.test.ts runs as many by hand.
const schedules = Number(process.env['ASSAY_SIM_SCHEDULES'] ?? 0) || 20

describe('event job coordination, with seats and rounds as a node chooses them', () => {
  test.each([
    ['crashes, liars, silence and double spends', 1, {}],
    ['dead transactions that come back', 30_000_000, { reorg: true }],
  ] as const)(
    `keeps every promise in ${schedules} schedules of %s`,
    (_, from, options) => {
      const figures = Array.from({ length: schedules }, (_, i) => {
        const run = simulate(from + i, { ...options, plant: asNodesDo })
        if (run.failure !== undefined)
          expect.fail(`seed ${from + i}: ${run.failure.kind}, ${run.failure.what}\n${run.trace.join('\n')}`)
        return run.figures
      })
      const { packets, split } = sumOf(figures)
      expect(packets - split).toBeGreaterThan(schedules / 2)
      expect(split).toBeGreaterThan(0)
    },
    120_000,
  )
})

/** The simulator's world has no agents, headers or keys: these stand in for them. */
function asNodesDo(rules: Rules, world: World): Partial<Rules> {
  const nameOf = new Map(world.operators.map(({ name }) => [operatorOf(name).identityKey, name]))
  const agents = world.operators.map(({ name }) => agent(name))
  const listed = (records: readonly OperatorRecord[]): Directory => ({
    agents: () => agents,
    operators: () =>
      records.map(record => ({ ...record, operator: operatorOf(record.operator).identityKey })),
  })
  return {
    chooseOperators: (records, level, rotation) =>
      chooseSeats(need({ level, rotation }), listed(records), anybody)?.map(
        ({ word }) => nameOf.get(word.operator) ?? '',
      ),
    planRounds(packets, seatable, limits) {
      const means = {
        directory: listed(world.records),
        log: party('log'),
        locations: ['https://node.example/rounds'],
        bounds: { ...planBounds, plan: limits ?? planBounds.plan },
      }
      const candidates = packets.map(candidate)
      const view = { packets: candidates, aggregates: [], rotation: 0, nowMs: NOW_MS }
      const { openings } = chooseRounds(view, means, Number.MAX_SAFE_INTEGER)
      const plain = rules.planRounds(packets, seatable, limits)
      const idsOf = (plans: typeof plain) => plans.map(({ roundId }) => roundId).sort()
      const plans = openings.map(({ plan }) => plan)
      expect(idsOf(plans)).toEqual(idsOf(plain))
      return plans
    },
  }
}

const [sample] = partition(0, 1)

function candidate(standing: PacketStanding): CandidatePacket {
  if (sample === undefined) throw new Error('there is no header to go by')
  const { level, audience, packetNo } = standing
  const header = { ...sample.header, level, audience, packetNo, partition: 0 }
  return { standing, header, operators: [] }
}
