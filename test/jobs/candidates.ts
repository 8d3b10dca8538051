import { type PacketHeader, packetId } from '../../src/core/log/packet-header.ts'
import { newlySealed, type PacketStanding } from '../../src/core/rounds/coordinating/standing.ts'
import type { CandidatePacket, PlanView } from '../../src/jobs/ports.ts'
import { certifiedRound, sampleEvent } from '../support/certified-round.ts'
import { NOW_MS } from './known-agents.ts'

const PACKETS = 6
const chain = certifiedRound({
  events: Array.from({ length: PACKETS }, (_, i) => [sampleEvent(2 * i), sampleEvent(2 * i + 1)]),
}).packets.map(({ header }) => header)

type Change = {
  readonly header?: Partial<PacketHeader>
  readonly standing?: Partial<PacketStanding>
  readonly operators?: readonly string[]
  readonly readers?: readonly string[]
}

/** The first packets of a partition of its own, each built on the one before; sealed, where nothing else is said. */
export function partition(number: number, count: number, change: (packetNo: number) => Change = () => ({})) {
  const packets: CandidatePacket[] = []
  let previous: string | null = null
  for (const sealed of chain.slice(0, count)) {
    const { header: more = {}, standing = {}, operators = [], readers } = change(sealed.packetNo)
    const header: PacketHeader = { ...sealed, partition: number, previous, ...more }
    previous = packetId(header)
    const { streamId, packetNo, level, audience, bytes } = header
    const facts = { packetNo, level, audience, bytes, documentBytes: 2_000 }
    packets.push({
      standing: {
        ...newlySealed({ packetId: previous, partition: `${streamId}/${header.partition}`, ...facts }),
        ...standing,
      },
      header,
      operators,
      ...(readers !== undefined && { readers }),
    })
  }
  return packets
}

export function view(packets: readonly CandidatePacket[], rotation = 0): PlanView {
  return { packets, aggregates: [], rotation, nowMs: NOW_MS }
}
