import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Level } from '../../../../src/core/level.ts'
import {
  areRunsFromFirst,
  type CurrentJob,
  type Decision,
  decideRound,
  type RoundSituation,
} from '../../../../src/core/rounds/coordinating/decide.ts'
import { TRIES_MAX } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { LiveResult } from '../../../../src/core/rounds/coordinating/thread.ts'
import { noLeaf } from '../../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../../src/core/rounds/round.ts'
import { certified, idOf, packet, versionOf } from '../packets.ts'

const X = idOf('x')
const Y = idOf('y')
const Z = idOf('z')

function open(name: string, more: Partial<PacketStanding> = {}): PacketStanding {
  return packet(name, { status: 'open', roundId: 'r', ...more })
}

function job(more: Partial<CurrentJob> = {}, level: Level = 'enhanced'): CurrentJob {
  const seats = [0, 1, 2].map(seat => ({ agentKey: `agent ${seat}`, operator: `operator ${seat}` }))
  return { template: 'packet', stage: 'normalize', level, members: [0, 1], seats, ...more }
}

function says(seat: number, ...leaves: string[]): LiveResult {
  return { txid: `result ${seat}`, seat, status: 'completed', leaves }
}

function situation(more: Partial<RoundSituation>): RoundSituation {
  return {
    roundId: 'r',
    job: job(),
    packets: [open('a0'), open('b0')],
    results: [],
    deadlinePassed: false,
    threadUnspent: true,
    ...more,
  }
}

function leavingOf(decision: Decision) {
  return decision.kind === 'wait' || decision.kind === 'follow' ? [] : decision.leaving
}

describe('event job coordination: a job', () => {
  test('waits while a seat may still change something', () => {
    expect(decideRound(situation({}))).toEqual({ kind: 'wait' })
    expect(decideRound(situation({ results: [says(0, X, X), says(1, X, Y)] }))).toEqual({ kind: 'wait' })
  })

  test('is decided as soon as every member is agreed, and spends what there is', () => {
    expect(decideRound(situation({ results: [says(0, X, Y), says(2, X, Y)] }))).toEqual({
      kind: 'advance',
      stage: 'validate',
      members: [0, 1],
      inputRoot: rootOver([X, Y]),
      spends: ['result 0', 'result 2'],
      leaving: [],
      conduct: ['agreed', 'unheard', 'agreed'],
    })
  })

  test('is decided by the deadline, or once all seats have answered, dissent spent along', () => {
    const results = [says(0, X, X), says(1, X, Y), says(2, X, Z)]
    const decision = decideRound(situation({ results }))
    expect(decision).toMatchObject({
      kind: 'advance',
      members: [0],
      spends: ['result 0', 'result 1', 'result 2'],
    })
    expect(leavingOf(decision)).toMatchObject([
      { member: 1, why: 'dissent', packet: { status: 'sealed', tries: 1 } },
    ])
    const early = decideRound(situation({ results: results.slice(0, 2), deadlinePassed: true }))
    expect(early).toMatchObject({ kind: 'advance', members: [0] })
  })

  test('spends also who agreed with nobody on anything', () => {
    const results = [says(0, X, X), says(1, X, X), says(2, Y, Z)]
    expect(decideRound(situation({ results }))).toMatchObject({
      kind: 'advance',
      members: [0, 1],
      spends: ['result 0', 'result 1', 'result 2'],
      conduct: ['agreed', 'agreed', 'dissenting'],
    })
  })

  test('of the last stage ends in a certificate over each agreed version', () => {
    const results = [says(0, X, Y), says(1, X, Y)]
    expect(decideRound(situation({ job: job({ stage: 'certify' }), results }))).toMatchObject({
      kind: 'certify',
      members: [
        { index: 0, versionId: X },
        { index: 1, versionId: Y },
      ],
    })
  })

  test('of a template with one stage is certified at once', () => {
    const only = job({ template: 'aggregate', stage: 'certify', members: [0] })
    expect(
      decideRound(situation({ job: only, packets: [open('a0')], results: [says(0, X), says(1, X)] })).kind,
    ).toBe('certify')
  })

  test('whose thread the network has spent is followed, whatever its results say', () => {
    expect(decideRound(situation({ threadUnspent: false, results: [says(0, X, Y), says(1, X, Y)] }))).toEqual(
      {
        kind: 'follow',
      },
    )
  })
})

describe('event job coordination: of a partition', () => {
  const packets = [open('a0'), open('a1'), open('a2'), open('b0')]
  const four = job({ members: [0, 1, 2, 3] })

  test('only the longest agreed run from its first packet goes on', () => {
    const results = [says(0, X, X, X, X), says(1, X, Y, X, X), says(2, X, Z, X, X)]
    const decision = decideRound(situation({ packets, job: four, results }))
    expect(decision).toMatchObject({ kind: 'advance', members: [0, 3] })
    expect(leavingOf(decision)).toMatchObject([
      { member: 1, why: 'dissent', packet: { tries: 1, roundId: null } },
      { member: 2, why: 'behind', packet: { tries: 0, status: 'sealed' } },
    ])
  })

  test('a packet that has left stays outside, and those behind it too', () => {
    const left = [packet('a0'), open('a1'), open('a2'), open('b0')]
    const results = [says(0, X, X, X, X), says(1, X, X, X, X)]
    const decision = decideRound(situation({ packets: left, job: four, results }))
    expect(decision).toMatchObject({ kind: 'advance', members: [3] })
    expect(leavingOf(decision).map(({ member, why }) => [member, why])).toEqual([
      [1, 'behind'],
      [2, 'behind'],
    ])
  })
})

describe('event job coordination: the members of a job', () => {
  const partitions = ['a', 'a', 'a', 'b', 'c', 'b']

  test('are refused where a packet comes without the one before it, or is none of the round', () => {
    for (const members of [[0], [0, 1, 2, 3, 4, 5], [4], [0, 3, 5]])
      expect(areRunsFromFirst(members, partitions)).toBe(true)
    for (const members of [[1], [0, 2], [0, 5], [0, 6], [0, -1], [0.5]])
      expect(areRunsFromFirst(members, partitions)).toBe(false)
  })

  test('that go on are always such runs', () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const round = fc.array(fc.record({ name, agrees: fc.boolean(), hasLeft: fc.boolean() }), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(round, each => {
        const packets = each.map(({ name, hasLeft }, i) =>
          hasLeft ? packet(`${name}${i}`) : open(`${name}${i}`),
        )
        const leaves = (own: string) => each.map(({ agrees }) => (agrees ? X : own))
        const decision = decideRound(
          situation({
            packets,
            job: job({ members: packets.map((_, i) => i) }),
            results: [says(0, ...leaves(Y)), says(1, ...leaves(Z))],
            deadlinePassed: true,
          }),
        )
        if (decision.kind !== 'advance') return
        expect(
          areRunsFromFirst(
            decision.members,
            packets.map(({ partition }) => partition),
          ),
        ).toBe(true)
      }),
    )
  })
})

describe('event job coordination: a round in which nothing was agreed', () => {
  const nothing = { results: [says(0, X, X), says(1, Y, noLeaf)], deadlinePassed: true }

  test('is closed before anything is tried again, and comes back in halves', () => {
    const decision = decideRound(situation(nothing))
    expect(decision).toMatchObject({
      kind: 'close',
      spends: [],
      conduct: ['unsettled', 'unsettled', 'silent'],
    })
    expect(leavingOf(decision)).toMatchObject([
      { why: 'dissent', packet: { status: 'sealed', tries: 0, roundPacketsMax: 1 } },
      { why: 'no-answer', packet: { status: 'sealed', tries: 0, roundPacketsMax: 1 } },
    ])
  })

  test('halves the rounds of all of them, also of those behind the first of a partition', () => {
    const packets = ['a0', 'a1', 'a2', 'a3', 'b0'].map(name => open(name))
    const five = situation({ packets, job: job({ members: [0, 1, 2, 3, 4] }), deadlinePassed: true })
    expect(leavingOf(decideRound(five)).map(({ packet }) => packet.roundPacketsMax)).toEqual([2, 2, 2, 2, 2])
  })

  test('counts a try only for a packet that was alone in it', () => {
    const alone = situation({ packets: [open('a0')], job: job({ members: [0] }), deadlinePassed: true })
    expect(leavingOf(decideRound(alone))).toMatchObject([
      { packet: { status: 'sealed', tries: 1, roundPacketsMax: null } },
    ])
  })

  test('splits a packet after its tries, or when its time is over', () => {
    const alone = (more: Partial<PacketStanding>) =>
      leavingOf(
        decideRound(
          situation({ packets: [open('a0', more)], job: job({ members: [0] }), deadlinePassed: true }),
        ),
      )
    expect(alone({ tries: TRIES_MAX - 2 })).toMatchObject([{ packet: { status: 'sealed' } }])
    expect(alone({ tries: TRIES_MAX - 1 })).toMatchObject([{ packet: { status: 'split', tries: TRIES_MAX } }])
    expect(alone({ waitedMs: 3_600_000 })).toMatchObject([{ packet: { status: 'split' } }])
  })

  test('splits a critical packet at the first dissent, but not for silence', () => {
    const critical = (...results: LiveResult[]) =>
      leavingOf(decideRound(situation({ job: job({}, 'critical'), results, deadlinePassed: true })))
    expect(critical(says(0, X, X), says(1, X, X), says(2, Y, X))).toMatchObject([
      { packet: { status: 'split' } },
    ])
    expect(critical(says(0, X, X), says(1, X, X))).toMatchObject([
      { why: 'no-answer', packet: { status: 'sealed' } },
      { why: 'no-answer', packet: { status: 'sealed' } },
    ])
  })
})

describe('event job coordination: a rebuild', () => {
  const rebuilding = certified('a0', { status: 'rebuilding', roundId: 'r', certificate: null, rebuilds: 1 })
  const certify = job({ stage: 'certify', members: [0] })
  const ending = (leaf: string, more: Partial<PacketStanding> = {}) =>
    decideRound(
      situation({
        packets: [{ ...rebuilding, ...more }],
        job: certify,
        results: [says(0, leaf), says(1, leaf)],
      }),
    )

  test('ends with the version that was certified', () => {
    expect(ending(versionOf('a0').versionId).kind).toBe('certify')
  })

  test('that ends otherwise is not certified: the packet stays unanchored, and is tried again', () => {
    const decision = ending(X)
    expect(decision.kind).toBe('close')
    expect(leavingOf(decision)).toMatchObject([
      { why: 'other-version', packet: { status: 'unanchored', version: versionOf('a0'), tries: 0 } },
    ])
  })

  test('is given up after its bound', () => {
    expect(leavingOf(ending(X, { rebuilds: 5 }))).toMatchObject([{ packet: { status: 'abandoned' } }])
  })
})

describe('event job coordination: the conduct of a seat', () => {
  test('is agreed, dissenting, silent or unsettled', () => {
    const results = [says(0, X, X), says(1, X, Y), { ...says(2, Y, Y), status: 'completed' as const }]
    const decision = decideRound(situation({ results, deadlinePassed: true }))
    expect(decision).toMatchObject({ conduct: ['dissenting', 'agreed', 'dissenting'] })
  })

  test('is silent only if its time was over', () => {
    const results = [says(0, X, X), says(1, X, X)]
    const conduct = (deadlinePassed: boolean) => decideRound(situation({ results, deadlinePassed }))
    expect(conduct(true)).toMatchObject({ conduct: ['agreed', 'agreed', 'silent'] })
    expect(conduct(false)).toMatchObject({ conduct: ['agreed', 'agreed', 'unheard'] })
    const excused = decideRound(situation({ results, deadlinePassed: true, excused: new Set([2]) }))
    expect(excused).toMatchObject({ conduct: ['agreed', 'agreed', 'unheard'] })
  })

  test('is dissenting where it failed while others agreed', () => {
    const results = [says(0, X, X), says(1, X, X), { ...says(2, X, X), status: 'failed' as const }]
    expect(decideRound(situation({ results }))).toMatchObject({ conduct: ['agreed', 'agreed', 'dissenting'] })
  })
})
