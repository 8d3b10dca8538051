import type { Decision } from '../../../../src/core/rounds/coordinating/decide.ts'
import { type Leaving, TRIES_MAX } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { Rules } from './rules.ts'
import type { World } from './world.ts'

export type PlantedFault = {
  /** The promise that it breaks. */
  readonly kind: string
  /** Where this is seen: schedules from this seed on, few of them. */
  readonly from: number
  readonly reorg?: boolean
  readonly plant: (rules: Rules, world: World) => Partial<Rules>
}

/** Each breaks one rule of the coordinator; a simulation that does not notice would prove nothing. */
export const plantedFaults: Record<string, PlantedFault> = {
  'packets overtake one another within a partition': {
    kind: 'passed-by-undecided',
    from: 69,
    plant: rules => ({
      decideRound: (situation, limits) => {
        const packets = situation.packets.map(packet => ({ ...packet, partition: packet.packetId }))
        return withLeaving(rules.decideRound({ ...situation, packets }, limits), leaving => {
          const partition = situation.packets[leaving.member]?.partition ?? ''
          return { ...leaving, packet: { ...leaving.packet, partition } }
        })
      },
    }),
  },

  'a packet that left a round returns to it': {
    kind: 'two-live-certificates',
    from: 1,
    plant: rules => ({
      decideRound: (situation, limits) =>
        rules.decideRound(
          { ...situation, packets: situation.packets.map(backIn(situation.roundId)) },
          limits,
        ),
      recoverRound: (round, end, network) =>
        rules.recoverRound({ ...round, packets: round.packets.map(backIn(round.roundId)) }, end, network),
    }),
  },

  'a partition is in two open rounds': {
    kind: 'passed-by-undecided',
    from: 3,
    plant: rules => ({
      planRounds: (packets, seatable, limits) =>
        rules.planRounds(
          packets.filter(packet => packet.status !== 'open'),
          seatable,
          limits,
        ),
    }),
  },

  'every leaving packet counts a try': {
    kind: 'needless-split',
    from: 2959,
    plant: rules => ({
      decideRound: (situation, limits) =>
        withLeaving(rules.decideRound(situation, limits), ({ packet, ...rest }) => {
          if (packet.version !== null) return { packet, ...rest }
          const before = situation.packets.find(({ packetId }) => packetId === packet.packetId)
          const tries = (before?.tries ?? 0) + 1
          const status = packet.status === 'sealed' && tries >= TRIES_MAX ? 'split' : packet.status
          return { ...rest, packet: { ...packet, tries, status } }
        }),
    }),
  },

  'a round in which nothing was agreed comes back whole': {
    kind: 'not-halved',
    from: 2,
    plant: rules => ({
      decideRound: (situation, limits) =>
        withLeaving(rules.decideRound(situation, limits), ({ packet, ...rest }) => ({
          ...rest,
          packet: { ...packet, roundPacketsMax: null },
        })),
    }),
  },

  'a rebuild ends with another version': {
    kind: 'other-version',
    from: 1,
    plant: rules => ({
      decideRound: (situation, limits) => {
        const asAgreed = situation.packets.map((packet, index) => {
          const at = situation.job.members.indexOf(index)
          const versionId = situation.results[0]?.leaves[at]
          if (packet.version === null || versionId === undefined) return packet
          return { ...packet, version: { ...packet.version, versionId } }
        })
        return withLeaving(rules.decideRound({ ...situation, packets: asAgreed }, limits), leaving => {
          const version = situation.packets[leaving.member]?.version ?? null
          return { ...leaving, packet: { ...leaving.packet, version } }
        })
      },
    }),
  },

  'packets are retried while the old round can still advance': {
    kind: 'two-live-certificates',
    from: 23,
    plant: (rules, { standings }) => ({
      decideRound: (situation, limits) => {
        const everyoneBack = situation.packets.map(backIn(situation.roundId))
        const decision = rules.decideRound({ ...situation, packets: everyoneBack }, limits)
        if (decision.kind !== 'close') return decision
        for (const { packet } of decision.leaving) standings.set(packet.packetId, packet)
        return { kind: 'wait' }
      },
    }),
  },

  'the coordinator is content with one vote less': {
    kind: 'honest-not-admitted',
    from: 2,
    plant: rules => ({
      decideRound: (situation, limits) => {
        const level = situation.job.level === 'critical' ? 'enhanced' : 'basic'
        return rules.decideRound({ ...situation, job: { ...situation.job, level } }, limits)
      },
    }),
  },

  'state is taken from packets that were only validated': {
    kind: 'state-chain',
    from: 25,
    plant: (rules, { outputs }) => {
      const validated = new Map<string, { packetNo: number; state: string | undefined }>()
      return {
        decideRound: (situation, limits) => {
          const decision = rules.decideRound(situation, limits)
          if (decision.kind === 'advance' && decision.stage === 'certify')
            for (const member of decision.members) {
              const packet = situation.packets[member]
              const at = situation.job.members.indexOf(member)
              const state = situation.results.flatMap(
                ({ leaves }) => outputs.stateOut.get(leaves[at] ?? '') ?? [],
              )[0]
              if (packet !== undefined) validated.set(packet.partition, { packetNo: packet.packetNo, state })
            }
          return decision
        },
        planRounds: (packets, seatable, limits) =>
          rules.planRounds(packets, seatable, limits).map(plan => {
            const partitions = new Map(plan.partitions)
            for (const { partition, packetNo, version } of plan.packets) {
              const start = plan.partitions.get(partition)
              const last = validated.get(partition)
              if (
                start !== undefined &&
                version === null &&
                last?.state !== undefined &&
                last.packetNo < packetNo
              )
                partitions.set(partition, { ...start, stateIn: last.state })
            }
            return { ...plan, partitions }
          }),
      }
    },
  },

  'after a reorganisation the live certificate is not followed': {
    kind: 'two-live-certificates',
    from: 1,
    plant: rules => ({
      endOfThread: (firstJob, network) => {
        const end = rules.endOfThread(firstJob, network)
        return end?.role.kind === 'certificate' ? undefined : end
      },
    }),
  },

  'only the first packet of a partition is halved': {
    kind: 'not-halved',
    from: 2,
    plant: rules => ({
      decideRound: (situation, limits) => {
        const heads = new Set<string>()
        return withLeaving(rules.decideRound(situation, limits), ({ packet, ...rest }) => {
          const isHead = !heads.has(packet.partition)
          heads.add(packet.partition)
          const before = situation.packets.find(({ packetId }) => packetId === packet.packetId)
          const roundPacketsMax = isHead ? packet.roundPacketsMax : (before?.roundPacketsMax ?? null)
          return { ...rest, packet: { ...packet, roundPacketsMax } }
        })
      },
    }),
  },

  'a step leaves out who agreed on nothing': {
    kind: 'answer-hidden',
    from: 5,
    plant: rules => ({
      decideRound: (situation, limits) => {
        const decision = rules.decideRound(situation, limits)
        if (decision.kind === 'wait' || decision.kind === 'follow') return decision
        const spends = decision.spends.filter((_, i) => {
          const { seat } = situation.results[i] ?? {}
          return seat === undefined || decision.conduct[seat] !== 'dissenting'
        })
        return { ...decision, spends }
      },
    }),
  },

  'a critical packet is tried again after dissent': {
    kind: 'dissent-retried',
    from: 60,
    plant: rules => ({
      decideRound: (situation, limits) => {
        const decision = rules.decideRound(situation, limits)
        return withLeaving(decision, ({ why, packet, ...rest }) => {
          const isLost = why !== 'dissent' || packet.tries >= TRIES_MAX
          return { ...rest, why, packet: isLost ? packet : { ...packet, status: 'sealed' } }
        })
      },
    }),
  },

  'what was recorded dead is sent again after a crash': {
    kind: 'dead-resent',
    from: 1,
    plant: () => ({ transactionsToResend: stored => [...stored] }),
  },

  'a certificate that came back is taken over a live one': {
    kind: 'two-live-certificates',
    from: 4,
    reorg: true,
    plant: rules => ({
      recoverRound: (round, end, network) => {
        const packets = round.packets.map(packet => ({ ...packet, certificate: null }))
        return rules.recoverRound({ ...round, packets }, end, network)
      },
    }),
  },
}

function backIn(roundId: string): (packet: PacketStanding) => PacketStanding {
  return packet => ({ ...packet, roundId })
}

function withLeaving(decision: Decision, change: (leaving: Leaving) => Leaving): Decision {
  if (decision.kind === 'wait' || decision.kind === 'follow') return decision
  return { ...decision, leaving: decision.leaving.map(change) }
}
