import type { Decision } from '../../../../src/core/rounds/coordinating/decide.ts'
import { type Leaving, TRIES_MAX } from '../../../../src/core/rounds/coordinating/leave.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { Rules } from './rules.ts'
import type { World } from './world.ts'

/** Each breaks one rule of the coordinator; a simulation that does not notice would prove nothing. */
export const plantedFaults: Record<string, (rules: Rules, world: World) => Partial<Rules>> = {
  'packets overtake one another within a partition': rules => ({
    decideRound: (situation, limits) =>
      rules.decideRound({ ...situation, packets: situation.packets.map(inPartitionOfItsOwn) }, limits),
  }),

  'a packet that left a round returns to it': rules => ({
    decideRound: (situation, limits) =>
      rules.decideRound({ ...situation, packets: situation.packets.map(backIn(situation.roundId)) }, limits),
    recoverRound: (roundId, packets, end, network) =>
      rules.recoverRound(roundId, packets.map(backIn(roundId)), end, network),
  }),

  'a partition is in two open rounds': rules => ({
    planRounds: (packets, seatable, limits) =>
      rules.planRounds(
        packets.filter(packet => packet.status !== 'open'),
        seatable,
        limits,
      ),
  }),

  'every leaving packet counts a try': rules => ({
    decideRound: (situation, limits) =>
      withLeaving(rules.decideRound(situation, limits), ({ packet, ...rest }) => {
        const before = situation.packets.find(({ packetId }) => packetId === packet.packetId)
        const tries = (before?.tries ?? 0) + 1
        const status = packet.status === 'sealed' && tries >= TRIES_MAX ? 'split' : packet.status
        return { ...rest, packet: { ...packet, tries, status } }
      }),
  }),

  'a round in which nothing was agreed comes back whole': rules => ({
    decideRound: (situation, limits) =>
      withLeaving(rules.decideRound(situation, limits), ({ packet, ...rest }) => ({
        ...rest,
        packet: { ...packet, halvings: 0 },
      })),
  }),

  'a rebuild ends with another version': (rules, { standings }) => ({
    decideRound: (situation, limits) => {
      const unpinned = situation.packets.map(packet => ({ ...packet, version: null }))
      const decision = rules.decideRound({ ...situation, packets: unpinned }, limits)
      if (decision.kind === 'certify')
        for (const { index } of decision.members) {
          const packet = unpinned[index]
          if (packet !== undefined) standings.set(packet.packetId, packet)
        }
      return decision
    },
  }),

  'packets are retried while the old round can still advance': (rules, { standings }) => ({
    decideRound: (situation, limits) => {
      const everyoneBack = situation.packets.map(backIn(situation.roundId))
      const decision = rules.decideRound({ ...situation, packets: everyoneBack }, limits)
      if (decision.kind !== 'close') return decision
      for (const { packet } of decision.leaving) standings.set(packet.packetId, packet)
      return { kind: 'wait' }
    },
  }),

  'the coordinator is content with one vote less': rules => ({
    decideRound: (situation, limits) => {
      const level = situation.job.level === 'critical' ? 'enhanced' : 'basic'
      return rules.decideRound({ ...situation, job: { ...situation.job, level } }, limits)
    },
  }),

  'state is taken from packets that were only validated': (rules, { outputs }) => {
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

  'after a reorganisation the live certificate is not followed': rules => ({
    endOfThread: (firstJob, network) => {
      const end = rules.endOfThread(firstJob, network)
      return end?.role.kind === 'certificate' ? undefined : end
    },
  }),
}

function inPartitionOfItsOwn(packet: PacketStanding): PacketStanding {
  return { ...packet, partition: packet.packetId }
}

function backIn(roundId: string): (packet: PacketStanding) => PacketStanding {
  return packet => ({ ...packet, roundId })
}

function withLeaving(decision: Decision, change: (leaving: Leaving) => Leaving): Decision {
  if (decision.kind === 'wait' || decision.kind === 'follow') return decision
  return { ...decision, leaving: decision.leaving.map(change) }
}
