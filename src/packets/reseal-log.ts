import type { Outcome } from '../core/fault.ts'
import { type SealedPacket, sealPacket } from '../core/log/packet.ts'
import type { PacketHeader } from '../core/log/packet-header.ts'
import type { Sealing } from './ports.ts'

/** Partition records, segments and seal marks, as they are: nothing that was made from them. */
export type LogCopy = {
  partitionIds(): Promise<readonly number[]>
  /** What the packet with this number is made from; undefined after the last mark. */
  readMark(partitionId: number, packetNo: number): Promise<Omit<Sealing, 'previous'> | undefined>
}

export type Resealed = {
  readonly partitionId: number
  readonly packetNo: number
  readonly packet: Outcome<SealedPacket>
}

/**
 * Makes every packet again that the log has a mark for, partition by partition and in order. A partition ends at the first
 * packet that cannot be made: what comes after is chained to it.
 */
export async function* resealLog(copy: LogCopy): AsyncGenerator<Resealed> {
  for (const partitionId of await copy.partitionIds()) {
    let previous: PacketHeader | null = null
    for (let packetNo = 0; ; packetNo++) {
      const sealing = await copy.readMark(partitionId, packetNo)
      if (sealing === undefined) break
      const { record, segments, mark } = sealing
      const packet: Outcome<SealedPacket> = sealPacket(record, previous, segments, mark)
      yield { partitionId, packetNo, packet }
      if (!packet.ok) break
      previous = packet.value.header
    }
  }
}

/** Where the log and the packets that are said to be made from it differ. */
export type Discrepancy = {
  readonly partitionId: number
  readonly packetNo: number
  /** `unmade`: its mark is there, and it is not, which a sealer mends. */
  readonly kind: 'unmade' | 'another' | 'unsealable'
  readonly detail: string
}

/** Compares each packet with what the log makes of it; nothing is to be said of a log that is well. */
export async function* recheckPackets(
  copy: LogCopy,
  packetIdOf: (partitionId: number, packetNo: number) => Promise<string | undefined>,
): AsyncGenerator<Discrepancy> {
  for await (const { partitionId, packetNo, packet } of resealLog(copy)) {
    const place = { partitionId, packetNo }
    if (!packet.ok) {
      yield { ...place, kind: 'unsealable', detail: packet.fault.detail }
      continue
    }
    const { packetId } = packet.value
    const there = await packetIdOf(partitionId, packetNo)
    if (there === undefined) yield { ...place, kind: 'unmade', detail: `packet ${packetId} is not made yet` }
    else if (there !== packetId)
      yield { ...place, kind: 'another', detail: `the log makes ${packetId}, and has ${there}` }
  }
}
