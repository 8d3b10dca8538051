import { fromHex } from '../core/bytes.ts'
import { isObject, type Json, type JsonObject, parseCanonicalJson } from '../core/canonical-json.ts'
import { type CertifiedManifest, readCertifiedManifest } from '../core/certificate/manifest.ts'
import {
  anything,
  type Check,
  closedObject,
  closedReader,
  hex,
  integer,
  listOf,
  misfit,
  oneOf,
  text,
} from '../core/closed-object.ts'
import { accepted, type Fault, type Outcome, refused } from '../core/fault.ts'
import { PACKET_EVENTS_MAX, type PacketHeader, readPacketHeader } from '../core/log/packet-header.ts'
import { ROUND_PACKETS_MAX } from '../core/rounds/round.ts'
import { BEEF_BYTES_MAX } from './beef.ts'

const PROOF_BYTES_MAX = 16 * 1024 * 1024
/** The path of one transaction up 32 levels is shorter. */
const BLOCK_PROOF_BYTES_MAX = 2048
/** Deepest tree that a 53-bit count can have. */
const PATH_LENGTH_MAX = 53

/** What proofs of one packet have in common. */
type SharedMembers = {
  /** The certificate transaction with all its pipeline ancestors: BEEF in history form, minimal, hex. */
  readonly beef: string
  /** The certificate's own block proof (BUMP, hex), once it is mined. The rest of the file does not change by it. */
  readonly block?: string
  /** Reserved for a transparency log's checkpoint and its witnesses. Not checked by this version. */
  readonly log?: JsonObject
  readonly manifest: CertifiedManifest
  readonly packet: { readonly header: PacketHeader; readonly index: number; readonly path: readonly string[] }
  readonly round: { readonly count: number; readonly try: number }
  readonly v: 1
}

/**
 * Everything that ties one event to its certificate, in one file (`*.assay.json`). Each member is committed by
 * another or recomputed and compared; what the certificate's transactions already say (who answered, who
 * dissented, which operators) is not said again. docs/formats.md has the layout member by member.
 */
export type ProofFile = SharedMembers & {
  /** What was certified about the event: the output line that answers its line. */
  readonly certified: { readonly line: string; readonly path: readonly string[] }
  readonly event: { readonly index: number; readonly line: string; readonly path: readonly string[] }
  readonly format: 'assay-proof'
}

/** The same for a whole packet, whose lines and output stand under the hashes that header and manifest name. */
export type PacketProof = SharedMembers & { readonly format: 'assay-packet-proof' }

/** Refuses a text that is not the canonical form of a proof: what has two spellings cannot be compared by hash. */
export function readProof(text: string): Outcome<ProofFile> {
  return readWith(readFile, text)
}

export function readPacketProof(text: string): Outcome<PacketProof> {
  return readWith(readPacketFile, text)
}

/** As a sender's text inside of a proof has its quotes escaped, these bytes stand where they are meant. */
export function isPacketProof(text: string): boolean {
  return text.includes('"format":"assay-packet-proof"')
}

function readWith<More>(
  read: (json: Json) => Outcome<UnreadMembers & More>,
  text: string,
): Outcome<SharedMembers & More> {
  const json = parseCanonicalJson(text, PROOF_BYTES_MAX)
  if (!json.ok) return unreadable(json.fault)
  const file = read(json.value)
  if (!file.ok) return file
  const { packet, manifest } = file.value
  const certified = readCertifiedManifest(manifest)
  if (!certified.ok) return unreadable(certified.fault, '/manifest')
  const header = readPacketHeader(packet.header)
  if (!header.ok) return unreadable(header.fault, '/packet/header')
  return accepted({
    ...file.value,
    manifest: certified.value,
    packet: { ...packet, header: header.value },
  })
}

function unreadable({ detail, pointer = '' }: Fault, under = ''): Outcome<never> {
  return refused('proof-unreadable', `not a proof file of version 1: ${detail}`, under + pointer)
}

/** Manifest and header have readers of their own, which say more than a shape can. */
type UnreadMembers = Omit<SharedMembers, 'manifest' | 'packet'> & {
  readonly manifest: Json
  readonly packet: Omit<SharedMembers['packet'], 'header'> & { readonly header: Json }
}
type OfEvent = Omit<ProofFile, keyof SharedMembers>
type OfPacket = Omit<PacketProof, keyof SharedMembers>

const path = listOf(hex(32), PATH_LENGTH_MAX)
const line = text(PROOF_BYTES_MAX)

const sharedMembers = {
  beef: hexUpTo(BEEF_BYTES_MAX),
  manifest: anything,
  packet: closedObject<UnreadMembers['packet']>(
    { header: anything, index: integer(0, ROUND_PACKETS_MAX - 1), path },
    {},
  ),
  // As wide as the fields of a roundId: a greater number would stand for a smaller one.
  round: closedObject<SharedMembers['round']>(
    { count: integer(1, ROUND_PACKETS_MAX), try: integer(1, 0xffff_ffff) },
    {},
  ),
  v: oneOf([1]),
}
const anObject: Check = value => (isObject(value) ? undefined : misfit('an object'))
const optionalMembers = { block: hexUpTo(BLOCK_PROOF_BYTES_MAX), log: anObject }

const readFile = closedReader<UnreadMembers & OfEvent>(
  'not a proof file of version 1',
  'proof-unreadable',
  closedObject<UnreadMembers & OfEvent>(
    {
      ...sharedMembers,
      certified: closedObject<ProofFile['certified']>({ line, path }, {}),
      event: closedObject<ProofFile['event']>({ index: integer(0, PACKET_EVENTS_MAX - 1), line, path }, {}),
      format: oneOf(['assay-proof']),
    },
    optionalMembers,
  ),
)

const readPacketFile = closedReader<UnreadMembers & OfPacket>(
  'not a proof file of version 1',
  'proof-unreadable',
  closedObject<UnreadMembers & OfPacket>(
    { ...sharedMembers, format: oneOf(['assay-packet-proof']) },
    optionalMembers,
  ),
)

function hexUpTo(bytesMax: number): Check {
  const wrong = misfit(`1 to ${bytesMax} bytes in lower-case hex`)
  return value =>
    typeof value === 'string' && value !== '' && value.length <= 2 * bytesMax && fromHex(value) !== undefined
      ? undefined
      : wrong
}
