import { describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { outputsOf } from '../../src/contract/unpaid.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Version } from '../../src/core/rounds/coordinating/standing.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import { readRoundDocument, roundIdOf } from '../../src/core/rounds/round-document.ts'
import { chooseRounds, type PlanMeans, seatableLevels } from '../../src/jobs/plan-rounds.ts'
import type { CandidatePacket, Opening } from '../../src/jobs/ports.ts'
import { coins, p2pkhSpend, party } from '../support/pipeline.ts'
import { partition, view } from './candidates.ts'
import { agent, directory, NOW_MS, operatorOf, planBounds } from './known-agents.ts'

const log = party('log')
const means: PlanMeans = {
  directory: directory([agent('north'), agent('east'), agent('south')]),
  log,
  locations: ['https://node.example/rounds'],
  bounds: planBounds,
}

describe('a plan of rounds', () => {
  test('puts what is alike into one round, with a document that reads back as that round', () => {
    const packets = [...partition(0, 3), ...partition(1, 2)]
    const { openings } = chooseRounds(view(packets), means, 16)
    expect(openings).toHaveLength(1)
    const [{ plan, document, job }] = only(openings)
    const read = orThrow(readRoundDocument(document))
    expect(read.headers).toHaveLength(5)
    expect(roundIdOf(read)).toBe(plan.roundId)
    expect(read.policies).toEqual([
      { digest: packets[0]?.header.policyDigest, locations: ['https://node.example/rounds'] },
    ])
    expect(job.facts).toMatchObject({
      ...{ subject: plan.roundId, stage: 'normalize', level: 'enhanced', members: [0, 1, 2, 3, 4] },
      ...{ inputHash: sha256Hex(document), inputRoot: noLeaf, deadlineMs: NOW_MS + 30_000 },
    })
    expect(job.purpose).toEqual({ subject: plan.roundId, stage: 'normalize', rebuild: 0 })
    expect(job.unpaid.topics).toEqual(['tm_gitdata_events_normalize'])
  })

  test('begins with a job that is one once it is paid for', () => {
    const [{ job }] = only(chooseRounds(view(partition(0, 2)), means, 16).openings)
    const spend = p2pkhSpend(coins(log, 'fuel', 1), 0, log)
    const { role } = pipelineTransaction(signTransaction([spend], outputsOf(job.unpaid, [spend])))
    const seats = job.seats.map(({ agentKey, operator }) => ({ agentKey, operator }))
    expect(role).toEqual({ kind: 'job', facts: job.facts, seats })
  })

  test('builds on the version that was certified last, and on none that only lost its anchor', () => {
    const version: Version = {
      versionId: '7'.repeat(64),
      parent: null,
      stateIn: null,
      stateOut: '5'.repeat(64),
    }
    const before = partition(0, 3, packetNo =>
      packetNo > 0 ? {} : { standing: { status: 'unanchored', version, rounds: 1 } },
    )
    const { openings } = chooseRounds(view(before), means, 16)
    expect(openings.map(({ plan }) => plan.packets.map(({ packetNo }) => packetNo))).toEqual([[0], [1, 2]])
    expect(only(openings.slice(1))[0].plan.partitions.get('sensors.temperature/0')).toEqual({
      parent: { packetId: before[0]?.standing.packetId, versionId: version.versionId },
      stateIn: version.stateOut,
    })
    expect(openings.map(({ plan }) => plan.packets[0]?.status)).toEqual(['rebuilding', 'open'])
    expect(openings.map(({ plan }) => plan.attempt)).toEqual([2, 1])
  })

  test('keeps levels apart, restricted streams, and rosters', () => {
    const basic = partition(1, 1, () => ({ header: { level: 'basic' } }))
    const roster = partition(2, 1, () => ({ header: { rosterDigest: 'a'.repeat(64) } }))
    const secret = partition(3, 1, () => ({ header: { audience: 'restricted' } }))
    const other = partition(4, 1, () => ({
      header: { audience: 'restricted', streamId: 'other', constants: { streamId: 'other' } },
    }))
    const all = [...partition(0, 1), ...basic, ...roster, ...secret, ...other, ...partition(5, 1)]
    const { openings } = chooseRounds(view(all), means, 16)
    expect(openings.map(({ plan }) => plan.packets.length).sort()).toEqual([1, 1, 1, 1, 2])
    for (const { document } of openings) expect(readRoundDocument(document)).toHaveProperty('value')
  })

  test('has restricted streams share a round where the same may read them, and only there', () => {
    const secret = (number: number, streamId: string, readers: readonly string[]) =>
      partition(number, 1, () => ({
        header: { audience: 'restricted', streamId, constants: { streamId } },
        readers,
      }))
    const all = [
      ...secret(0, 'a', ['no tenant', 'anna']),
      ...secret(1, 'b', ['no tenant', 'anna', 'ben']),
      ...secret(2, 'c', ['no tenant', 'anna']),
      ...secret(3, 'd', ['tenant x', 'anna']),
    ]
    const { openings } = chooseRounds(view(all), means, 16)
    const shared = openings.map(({ plan }) => plan.packets.map(({ partition }) => partition.split('/')[0]))
    expect(shared.map(streams => streams.sort().join(' ')).sort()).toEqual(['a c', 'b', 'd'])
  })

  test('cuts a partition before the first packet of another roster, which waits for its own round', () => {
    const packets = partition(0, 4, packetNo =>
      packetNo < 2 ? {} : { header: { rosterDigest: 'a'.repeat(64) } },
    )
    const [{ plan }] = only(chooseRounds(view(packets), means, 16).openings)
    expect(plan.packets.map(({ packetNo }) => packetNo)).toEqual([0, 1])
  })

  test('asks the operators that the stream names', () => {
    const operators = ['north', 'east', 'south'].map(name => operatorOf(name).identityKey)
    const four = {
      ...means,
      directory: directory(['north', 'east', 'south', 'west'].map(name => agent(name))),
    }
    for (let rotation = 0; rotation < 4; rotation++) {
      const [{ job }] = only(
        chooseRounds(
          view(
            partition(0, 1, () => ({ operators })),
            rotation,
          ),
          four,
          16,
        ).openings,
      )
      expect(job.seats.map(({ operator }) => operator).sort()).toEqual([...operators].sort())
    }
  })

  test('opens no more than there is room for, and somebody else first the next time', () => {
    const secrets = Array.from({ length: 4 }, (_, i) =>
      partition(i, 1, () => ({ header: { audience: 'restricted', streamId: `stream-${i}` } })),
    ).flat()
    const firsts = [0, 1, 2, 3].map(
      rotation =>
        only(chooseRounds(view(secrets, rotation), means, 1).openings)[0].plan.packets[0]?.partition,
    )
    expect(new Set(firsts).size).toBe(4)
  })

  test('shares the room among all that waits, whoever comes first and however much of it there is', () => {
    const version: Version = { versionId: '7'.repeat(64), parent: null, stateIn: null, stateOut: null }
    const lost = partition(0, 5, () => ({ standing: { status: 'unanchored', version, rounds: 1 } }))
    const alone = (number: number, streamId: string) =>
      partition(number, 1, () => ({
        header: { audience: 'restricted', streamId, constants: { streamId } },
        standing: { roundPacketsMax: 1 },
      }))
    const one = [1, 2, 3, 4, 5].flatMap(number => alone(number, 'one'))
    const packets = [...lost, ...one, ...alone(6, 'two')]
    for (let rotation = 0; rotation < 4; rotation++) {
      const { openings } = chooseRounds(view(packets, rotation), means, 4)
      const kinds = openings.map(({ plan: { packets } }) =>
        packets[0]?.version === null ? packets[0].partition.split('/')[0] : 'lost',
      )
      expect(kinds).toHaveLength(4)
      expect(new Set(kinds)).toEqual(new Set(['lost', 'one', 'two']))
    }
  })

  test('makes up for a split packet in a round of its own, from what was certified below it', () => {
    const version: Version = { versionId: '7'.repeat(64), parent: null, stateIn: null, stateOut: null }
    const packets = partition(0, 5, packetNo =>
      packetNo === 0 || packetNo === 2 ? { standing: { status: 'certified', version } } : {},
    )
    const { openings } = chooseRounds(view(packets), means, 16)
    expect(openings.map(({ plan }) => plan.packets.map(({ packetNo }) => packetNo))).toEqual([[1], [3, 4]])
    const parents = openings.map(({ plan }) => [...plan.partitions.values()][0]?.parent?.packetId)
    expect(parents).toEqual([packets[0], packets[2]].map(packet => packet?.standing.packetId))
  })

  test('makes rounds as small as the agents who would work on them', () => {
    const small = ['north', 'east', 'south'].map(name => agent(name, { packetsMax: 2 }))
    const { openings } = chooseRounds(
      view([...partition(0, 3), ...partition(1, 3)]),
      { ...means, directory: directory(small) },
      16,
    )
    expect(openings.map(({ plan }) => plan.packets.length)).toEqual([2, 2])
  })

  test('opens nothing that no quorum can be reached for, and says so, while the rest goes on', () => {
    const away = [agent('north'), agent('east', { reachable: false }), agent('south', { reachable: false })]
    const few = { ...means, directory: directory(away) }
    const basic = partition(1, 1, () => ({ header: { level: 'basic' } }))
    const { openings, seatable } = chooseRounds(view([...partition(0, 1), ...basic]), few, 16)
    expect(openings.map(({ job }) => job.facts.level)).toEqual(['basic'])
    expect([...seatable]).toEqual(['basic'])
  })

  test('opens nothing where nobody could fetch it', () => {
    const { openings, seatable } = chooseRounds(view(partition(0, 1)), { ...means, locations: [] }, 16)
    expect([openings, seatable.size]).toEqual([[], 0])
  })

  test('leaves a partition alone that is in a round', () => {
    const packets = partition(0, 3, packetNo =>
      packetNo > 0 ? {} : { standing: { status: 'open', roundId: 'b'.repeat(64), rounds: 1 } },
    )
    expect(chooseRounds(view(packets), means, 16).openings).toEqual([])
  })

  test('asks over an aggregate as over one packet that has its name', () => {
    const [packet] = partition(0, 1)
    const standing = {
      ...knownPacket(packet).standing,
      packetId: 'c'.repeat(64),
      partition: 'aggregate',
      rounds: 1,
    }
    const aggregate = {
      ...{ standing, document: '{"v":1}', rosterDigest: 'd'.repeat(64), operators: [] },
      rebuild: 3,
    }
    const { openings } = chooseRounds({ ...view([]), aggregates: [aggregate] }, means, 16)
    const [{ template, document, job, plan }] = only(openings)
    expect([template, document, plan.roundId]).toEqual(['aggregate', '{"v":1}', standing.packetId])
    expect(job.facts).toMatchObject({ stage: 'certify', members: [0], subject: standing.packetId })
    expect(job.purpose.rebuild).toBe(3)
    expect(plan.attempt).toBe(2)
    expect(job.unpaid.topics).toEqual(['tm_gitdata_events_certify'])
  })

  test('knows of an idle node which levels it could seat', () => {
    expect([...seatableLevels(means, NOW_MS)]).toEqual(['basic', 'enhanced', 'critical'])
    const one = { ...means, directory: directory([agent('north')]) }
    expect([...seatableLevels(one, NOW_MS)]).toEqual(['basic'])
  })
})

function only(openings: readonly Opening[]): [Opening] {
  const [first] = openings
  if (first === undefined || openings.length > 1) throw new Error(`${openings.length} rounds, not one`)
  return [first]
}

function knownPacket(packet: CandidatePacket | undefined): CandidatePacket {
  if (packet === undefined) throw new Error('no packet was made')
  return packet
}
