import { describe, expect, test } from 'vitest'
import { levels } from '../../../../src/core/level.ts'
import { decideRound } from '../../../../src/core/rounds/coordinating/decide.ts'
import { type PlanLimits, planRounds, type RoundPlan } from '../../../../src/core/rounds/coordinating/plan.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import { roundId } from '../../../../src/core/rounds/round.ts'
import { certified, idOf, packet, versionOf } from '../packets.ts'

const all = new Set(levels)
const limits: PlanLimits = { roundPackets: 4, roundBytes: 1_000_000, roundDocBytes: 1_000_000 }

function planned(packets: PacketStanding[], more: Partial<PlanLimits> = {}): string[][] {
  const names = new Map(packets.map(one => [one.packetId, `${one.partition.at(-1)}${one.packetNo}`]))
  return planRounds(packets, all, { ...limits, ...more }).map(plan =>
    plan.packets.map(one => names.get(one.packetId) ?? '?'),
  )
}

/** Where its packets stand once its deadline has passed. */
function nobodyAnswers({ roundId, packets }: RoundPlan): PacketStanding[] {
  const seats = [0, 1, 2].map(seat => ({ agentKey: `agent ${seat}`, operator: `operator ${seat}` }))
  const members = packets.map((_, i) => i)
  const decision = decideRound({
    roundId,
    job: { template: 'packet', stage: 'normalize', level: 'enhanced', members, seats },
    packets,
    results: [],
    deadlinePassed: true,
    threadUnspent: true,
  })
  return decision.kind === 'close' ? decision.leaving.map(({ packet }) => packet) : []
}

describe('event job coordination: the next rounds', () => {
  test('hold the next packets of every partition, in order, up to the size of a round', () => {
    expect(planned([packet('a1'), packet('a0'), packet('b0')])).toEqual([['a0', 'a1', 'b0']])
    expect(planned(['a0', 'a1', 'a2', 'b0', 'b1', 'c0'].map(name => packet(name)))).toEqual([
      ['a0', 'a1', 'a2', 'b0'],
      ['c0'],
    ])
  })

  test('leave out a partition that is in an open round', () => {
    const open = packet('a0', { status: 'open', roundId: 'r' })
    expect(planned([open, packet('a1'), packet('b0')])).toEqual([['b0']])
  })

  test('go on where a certificate is being rebuilt, since its version is fixed', () => {
    const rebuilding = certified('a0', { status: 'rebuilding', certificate: null })
    expect(planned([rebuilding, packet('a1')])).toEqual([['a1']])
  })

  test('hold one level and one audience each', () => {
    const packets = [packet('a0'), packet('b0', { level: 'basic' }), packet('c0', { audience: 'restricted' })]
    expect(planned(packets)).toEqual([['a0'], ['b0'], ['c0']])
  })

  test('are not made for a level that cannot be seated now', () => {
    const packets = [packet('a0'), packet('b0', { level: 'basic' })]
    expect(planRounds(packets, new Set(['basic'] as const), limits)).toHaveLength(1)
  })

  test('are no larger than any of their packets may be part of', () => {
    const bounded = (name: string, roundPacketsMax: number) => packet(name, { roundPacketsMax })
    expect(planned([bounded('a0', 2), bounded('a1', 2), bounded('a2', 2)])).toEqual([['a0', 'a1']])
    expect(planned([packet('a0'), bounded('b0', 1), packet('c0')])).toEqual([['a0', 'c0'], ['b0']])
    expect(planned([bounded('a0', 1), packet('b0')])).toEqual([['a0'], ['b0']])
    expect(planned([bounded('a0', 9), ...['b0', 'c0', 'd0', 'e0'].map(name => packet(name))])).toEqual([
      ['a0', 'b0', 'c0', 'd0'],
      ['e0'],
    ])
  })

  test('are halved after each in which nothing was agreed: eight packets are alone in the fourth', () => {
    const sizes: number[][] = []
    let waiting = ['a0', 'b0', 'c0', 'd0', 'e0', 'f0', 'g0', 'h0'].map(name => packet(name))
    while (waiting.every(({ tries }) => tries === 0)) {
      const plans = planRounds(waiting, all)
      sizes.push(plans.map(plan => plan.packets.length))
      waiting = plans.flatMap(nobodyAnswers)
    }
    expect(sizes).toEqual([[8], [4, 4], [2, 2, 2, 2], [1, 1, 1, 1, 1, 1, 1, 1]])
  })

  test('are halved from what they were, not from the limit: two packets are alone in the second', () => {
    const [first] = planRounds([packet('a0'), packet('b0')], all)
    const back = first === undefined ? [] : nobodyAnswers(first)
    expect(planned(back, { roundPackets: 64 })).toEqual([['a0'], ['b0']])
  })

  test('are bounded by bytes, but a packet always goes', () => {
    const packets = ['a0', 'a1', 'b0'].map(name => packet(name, { bytes: 600 }))
    expect(planned(packets, { roundBytes: 1_200 })).toEqual([['a0', 'a1'], ['b0']])
    expect(planned(packets, { roundBytes: 100 })).toEqual([['a0'], ['b0']])
  })

  test('are bounded by the bytes of their document', () => {
    const packets = ['a0', 'a1', 'b0'].map(name => packet(name, { documentBytes: 600 }))
    expect(planned(packets, { roundDocBytes: 1_200 })).toEqual([['a0', 'a1'], ['b0']])
    expect(planned(packets, { roundDocBytes: 100 })).toEqual([['a0'], ['b0']])
  })

  test('give a packet that was passed by a round of its own', () => {
    const split = packet('a1', { status: 'split' })
    expect(planned([packet('a0'), split, packet('a2')])).toEqual([['a0']])
    expect(planned([packet('a0', { status: 'open', roundId: 'r' }), split, packet('a2')])).toEqual([])
  })

  test('go on with what comes next while a packet that was overtaken waits for its own, or is in it', () => {
    const others = [certified('a1'), packet('a2'), packet('b0')]
    expect(planned([packet('a0'), ...others])).toEqual([['a0'], ['a2', 'b0']])
    expect(planned([packet('a0', { status: 'open', roundId: 'r' }), ...others])).toEqual([['a2', 'b0']])
  })

  test('start from the certified packet with the greatest number below, not from one merely passed', () => {
    const packets = [
      certified('a0'),
      certified('a2'),
      packet('a1'),
      packet('a3', { status: 'split' }),
      packet('a4'),
    ]
    const late = planRounds(packets, all, limits)[0]
    expect(late?.partitions.get('stream/a')).toEqual({
      parent: { packetId: idOf('a0'), versionId: versionOf('a0').versionId },
      stateIn: versionOf('a0').stateOut,
    })
    const next = planRounds(
      [certified('a2'), certified('a0'), packet('a3', { status: 'split' }), packet('a4')],
      all,
      limits,
    )[0]
    expect(next?.partitions.get('stream/a')?.parent?.packetId).toBe(idOf('a2'))
    expect(planRounds([packet('a0')], all, limits)[0]?.partitions.get('stream/a')).toEqual({
      parent: null,
      stateIn: null,
    })
  })

  test('rebuild a dead certificate alone, from the parent and state it was certified with', () => {
    const version = {
      ...versionOf('a1'),
      parent: { packetId: idOf('a0'), versionId: idOf('v') },
      stateIn: idOf('s'),
    }
    const lost = certified('a1', { status: 'unanchored', certificate: null, roundId: null, version })
    const [rebuild, next] = planRounds([certified('a0'), lost, packet('a2')], all, limits)
    expect(rebuild?.packets).toMatchObject([{ packetId: idOf('a1'), status: 'rebuilding', rebuilds: 1 }])
    expect(rebuild?.partitions.get('stream/a')).toEqual({ parent: version.parent, stateIn: version.stateIn })
    expect(next?.partitions.get('stream/a')?.parent?.packetId).toBe(idOf('a1'))
  })

  test('are other rounds each time, though their packets be the same', () => {
    const [first] = planRounds([packet('a0'), packet('b0')], all, limits)
    expect(first).toMatchObject({ attempt: 1, roundId: roundId(1, [idOf('a0'), idOf('b0')]) })
    const back = first?.packets.map(one => ({ ...one, status: 'sealed' as const, roundId: null })) ?? []
    expect(planRounds(back, all, limits)[0]).toMatchObject({ attempt: 2 })
    const [older, newer] = [packet('a0', { rounds: 5 }), packet('b0', { rounds: 1 })]
    expect(planRounds([older, newer], all, limits)[0]?.attempt).toBe(6)
  })

  test('are planned for a thousand partitions at once', () => {
    const packets = Array.from({ length: 1_000 }, (_, i) =>
      packet('a0', { packetId: idOf(`${i}`), partition: `${i}` }),
    )
    expect(planned(packets, { roundPackets: 64 })).toHaveLength(16)
  })
})
