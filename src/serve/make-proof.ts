import { readBump, trimBump, writeBump } from '../contract/bump.ts'
import type { PacketProof, ProofFile } from '../contract/proof.ts'
import { toHex } from '../core/bytes.ts'
import { parseJson } from '../core/canonical-json.ts'
import { readCertifiedManifest } from '../core/certificate/manifest.ts'
import { orThrow } from '../core/fault.ts'
import { readPacketHeader } from '../core/log/packet-header.ts'
import type { LineTree, ProofParts, ReadLineTree, ReadProofParts, Unproven } from './proof-parts.ts'

export type ProofDeps = {
  readonly readParts: ReadProofParts
  readonly readTree: ReadLineTree
}

/** `busy`: ask again. */
export type Made<Proof> =
  | { readonly kind: 'proof'; readonly proof: Proof }
  | { readonly kind: 'busy' }
  | Unproven

/** Where an event stands. */
export type EventPlace = { readonly packetId: string | null; readonly seq: number }

/** The proof file of one event, from what is stored now. Whoever calls has asked whether its reader may have it. */
export async function proveEvent(
  { packetId, seq }: EventPlace,
  { readParts, readTree }: ProofDeps,
): Promise<Made<ProofFile>> {
  if (packetId === null) return { kind: 'unsealed' }
  const found = await readParts(packetId)
  if (found === undefined) throw new Error(`an event is in packet ${packetId}, and there is none such`)
  if (found.kind !== 'parts') return found
  const shared = sharedMembers(found.parts)
  const { header } = shared.packet
  const index = seq - header.firstSeq
  const event = await lineIn(header.rawHash, index, readTree)
  if (event.kind !== 'line') return event
  const certified = await lineIn(shared.manifest.content.contentHash, index, readTree)
  if (certified.kind !== 'line') return certified
  return {
    kind: 'proof',
    proof: {
      ...shared,
      certified: certified.at,
      event: { index, ...event.at },
      format: 'assay-proof',
    },
  }
}

/** The proof of a packet, of which everybody who has its lines and its output makes those of its events. */
export async function provePacket(
  packetId: string,
  { readParts }: Pick<ProofDeps, 'readParts'>,
): Promise<Made<PacketProof> | undefined> {
  const found = await readParts(packetId)
  if (found?.kind !== 'parts') return found
  return { kind: 'proof', proof: { ...sharedMembers(found.parts), format: 'assay-packet-proof' } }
}

function sharedMembers({ beef, bump, header, index, manifestJson, path, round, txid }: ProofParts) {
  return {
    beef: toHex(beef),
    ...(bump !== undefined && { block: toHex(pathOf(txid, bump)) }),
    manifest: orThrow(readCertifiedManifest(orThrow(parseJson(manifestJson)))),
    packet: { header: orThrow(readPacketHeader(orThrow(parseJson(header)))), index, path },
    round: { count: round.count, try: round.attempt },
    v: 1 as const,
  }
}

/** Whoever sent the proof may have put the paths of others into it. */
function pathOf(txid: string, bump: Uint8Array): Uint8Array {
  return writeBump(trimBump(orThrow(readBump(bump)), new Set([txid])))
}

type FoundLine =
  | { readonly kind: 'line'; readonly at: { readonly line: string; readonly path: readonly string[] } }
  | { readonly kind: 'busy' }
  | { readonly kind: 'gone'; readonly sha256: string }

async function lineIn(sha256: string, index: number, readTree: ReadLineTree): Promise<FoundLine> {
  const tree: LineTree | 'busy' | undefined = await readTree(sha256)
  if (tree === 'busy') return { kind: 'busy' }
  const line = await tree?.line(index)
  if (tree === undefined || line === undefined) return { kind: 'gone', sha256 }
  return { kind: 'line', at: { line, path: tree.path(index) } }
}
