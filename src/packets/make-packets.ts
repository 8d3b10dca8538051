import { orThrow } from '../core/fault.ts'
import { type SealedPacket, sealPacket } from '../core/log/packet.ts'
import { type PacketLag, packetLag } from './packet-lag.ts'
import type { KeepPayload, Lease, SealedStream, SealingLog } from './ports.ts'
import { sequencesIn } from './source-sequences.ts'

export type MakePacketsDeps = {
  readonly log: Pick<SealingLog, 'readSealing' | 'writePacket'>
  readonly keepPayload: KeepPayload
  streamOf(streamId: string): Promise<SealedStream>
  now(): number
  onPacket(packet: MadePacket): void
}

export type MadePacket = SealedPacket & {
  readonly partitionId: number
  readonly because: string
  readonly markedMs: number
  readonly lag: PacketLag
}

/** One partition does not keep the others waiting for longer than this takes. */
const PACKETS_AT_ONCE = 8

/**
 * Makes the packets whose ends are marked, one after another. Resolves with what is left: `more` where others have to
 * go first, `lost` where somebody else seals the partition by now.
 */
export async function makePackets(lease: Lease, deps: MakePacketsDeps): Promise<'done' | 'more' | 'lost'> {
  for (let made = 0; made < PACKETS_AT_ONCE; made++) {
    const sealing = await deps.log.readSealing(lease.partitionId)
    if (sealing === undefined) return 'done'
    const { record, previous, segments, mark, because, markedMs } = sealing
    const packet = orThrow(sealPacket(record, previous, segments, mark))

    // Before the row that names it: a packet without its bytes could not be certified, nor given up.
    if (packet.header.count > 0) await deps.keepPayload(packet, await deps.streamOf(record.streamId))
    const sequences = sequencesIn(packet)
    const written = await deps.log.writePacket(lease, packet, sequences, deps.now())
    if (written === 'lost') return 'lost'
    if (written === 'written')
      deps.onPacket({
        ...packet,
        ...{ partitionId: lease.partitionId, because, markedMs },
        lag: packetLag(packet.bytes),
      })
  }
  return 'more'
}
