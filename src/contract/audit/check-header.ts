import { canonicalJson, parseCanonicalJson } from '../../core/canonical-json.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import { type PacketHeader, packetId, readPacketHeader } from '../../core/log/packet-header.ts'
import { continues } from '../../core/log/succession.ts'
import type { Flaw } from './findings.ts'
import type { Extent, SealMarkSaid } from './records.ts'

/** The packet before, as the next one has to name it. */
export type Link = { readonly header: PacketHeader; readonly packetId: string }

/** `before`: null at the beginning of the partition, undefined where the packet before is missing. */
export function checkHeader(
  header: PacketHeader,
  statedId: string | null,
  extent: Extent,
  packetNo: number,
  before: Link | null | undefined,
): Flaw | undefined {
  const id = packetId(header)
  if (id !== statedId) return forged(`its header has the id ${id}, and it stands as ${statedId ?? 'nothing'}`)
  for (const member of ['log', 'streamId', 'partition', 'level', 'audience', 'network'] as const)
    if (header[member] !== extent[member])
      return forged(`its header has ${member} ${header[member]}, and its partition ${extent[member]}`)
  if (header.packetNo !== packetNo)
    return forged(`its header has number ${header.packetNo}, and it stands at ${packetNo}`)
  if (before === undefined) return undefined
  // One that was changed is found where it stands; here it counts as what it is said to be.
  if (before !== null && packetId(before.header) !== before.packetId)
    return header.previous === before.packetId
      ? undefined
      : forged(`its header names ${header.previous} as the one before, and that stands as ${before.packetId}`)
  const followed = continues(before?.header ?? null, header)
  return followed.ok ? undefined : forged(followed.fault.detail)
}

/** A header says again what its seal mark has decided. */
export function againstMark(header: PacketHeader, mark: SealMarkSaid): Flaw | undefined {
  if (canonicalJson(header.totals) !== canonicalJson(mark.totals))
    return {
      kind: 'wrong-count',
      detail: `its header counts ${canonicalJson(header.totals)}, and its seal mark ${canonicalJson(mark.totals)}`,
    }
  const end = header.firstSeq + header.count
  if (end !== mark.upToSeq)
    return forged(`its header ends at sequence ${end}, and its seal mark at ${mark.upToSeq}`)
  for (const member of ['watermarkMs', 'policyDigest', 'rosterDigest'] as const)
    if (header[member] !== mark[member])
      return forged(`its header has ${member} ${header[member]}, and its seal mark ${mark[member]}`)
  return undefined
}

export function readHeader(text: string): Outcome<PacketHeader> {
  const json = parseCanonicalJson(text)
  if (!json.ok) return json
  const header = readPacketHeader(json.value)
  return header.ok ? accepted(header.value) : header
}

function forged(detail: string): Flaw {
  return { kind: 'forged-header', detail }
}
