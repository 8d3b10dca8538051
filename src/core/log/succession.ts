import { accepted, type Outcome, refused } from '../fault.ts'
import { type PacketHeader, packetId } from './packet-header.ts'

/** The header, if it is what comes right after `previous` (null: at the beginning) in its partition. */
export function continues(previous: PacketHeader | null, header: PacketHeader): Outcome<PacketHeader> {
  const broken = previous === null ? brokenStart(header) : brokenLink(previous, header)
  if (broken === undefined) return accepted(header)
  return refused('header-invalid', `packet ${header.packetNo}: ${broken}`)
}

/** Two headers that cannot both be true: one place in one log, two packets. */
export type ForkEvidence = {
  readonly log: string
  readonly streamId: string
  readonly partition: number
  readonly packetNo: number
  /** Ascending, so that the order of discovery makes no difference. */
  readonly packetIds: readonly [string, string]
}

export function forkEvidence(a: PacketHeader, b: PacketHeader): ForkEvidence | undefined {
  const { log, streamId, partition, packetNo } = a
  if (log !== b.log || streamId !== b.streamId) return undefined
  if (partition !== b.partition || packetNo !== b.packetNo) return undefined
  const [idA, idB] = [packetId(a), packetId(b)]
  if (idA === idB) return undefined
  return { log, streamId, partition, packetNo, packetIds: idA < idB ? [idA, idB] : [idB, idA] }
}

function brokenStart(header: PacketHeader): string | undefined {
  return header.packetNo === 0
    ? undefined
    : 'it is not the first of its partition, and the one before is missing'
}

function brokenLink(previous: PacketHeader, header: PacketHeader): string | undefined {
  for (const member of ['log', 'streamId', 'partition', 'level', 'audience', 'network'] as const)
    if (previous[member] !== header[member]) return `its ${member} differs from that of the packet before`
  if (header.packetNo !== previous.packetNo + 1) return `packet ${previous.packetNo + 1} was wanted`
  if (header.previous !== packetId(previous)) return 'its previous is not the id of the packet before'
  if (header.firstSeq !== previous.firstSeq + previous.count)
    return `sequence ${previous.firstSeq + previous.count} was wanted, and it begins at ${header.firstSeq}`
  if (header.watermarkMs < previous.watermarkMs) return 'its watermark lies before that of the packet before'
  if (header.count === 0 && previous.count === 0) return 'an empty packet may only follow one with events'
  return shrinkingTotal(previous, header)
}

/** Release and waiving take events out of quarantine; nothing takes them out of the other counts. */
function shrinkingTotal(previous: PacketHeader, header: PacketHeader): string | undefined {
  for (const total of ['received', 'duplicate', 'rejected', 'waived'] as const)
    if (header.totals[total] < previous.totals[total])
      return `its totals count fewer events ${total} than the packet before`
  return undefined
}
