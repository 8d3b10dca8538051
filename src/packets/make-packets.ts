import { type Outcome, orThrow } from '../core/fault.ts'
import { type SealedPacket, sealPacketInSteps } from '../core/log/packet.ts'
import { type PacketLag, packetLag } from './packet-lag.ts'
import type { KeepPayload, Lease, SealedStream, Sealing, SealingLog } from './ports.ts'
import { sequencesIn } from './source-sequences.ts'

export type MakePacketsDeps = {
  readonly log: Pick<SealingLog, 'readSealing' | 'writePacket'>
  readonly keepPayload: KeepPayload
  streamOf(streamId: string): Promise<SealedStream>
  now(): number
  /** Of each packet: called between its steps, a promise where others go first. Large ones take a while. */
  turns?(): () => Promise<void> | undefined
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
    const { record, because, markedMs } = sealing
    const packet = orThrow(await seal(sealing, deps.turns?.()))

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

async function seal(
  { record, previous, segments, mark }: Sealing,
  rest: () => Promise<void> | undefined = () => undefined,
): Promise<Outcome<SealedPacket>> {
  const steps = sealPacketInSteps(record, previous, segments, mark)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    const turn = rest()
    if (turn !== undefined) await turn
  }
}
