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

/**
 * Everything that ties one event to its certificate, in one file (`*.assay.json`). Each member is committed by
 * another or recomputed and compared; what the certificate's transactions already say (who answered, who
 * dissented, which operators) is not said again. docs/formats.md has the layout member by member.
 */
export type ProofFile = {
  /** The certificate transaction with all its pipeline ancestors: BEEF in history form, minimal, hex. */
  readonly beef: string
  /** The certificate's own block proof (BUMP, hex), once it is mined. The rest of the file does not change by it. */
  readonly block?: string
  /** What was certified about the event: the output line that answers its line. */
  readonly certified: { readonly line: string; readonly path: readonly string[] }
  readonly event: { readonly index: number; readonly line: string; readonly path: readonly string[] }
  readonly format: 'assay-proof'
  /** Reserved for a transparency log's checkpoint and its witnesses. Not checked by this version. */
  readonly log?: JsonObject
  readonly manifest: CertifiedManifest
  readonly packet: { readonly header: PacketHeader; readonly index: number; readonly path: readonly string[] }
  readonly round: { readonly count: number; readonly try: number }
  readonly v: 1
}

/** Refuses a text that is not the canonical form of a proof: what has two spellings cannot be compared by hash. */
export function readProof(text: string): Outcome<ProofFile> {
  const json = parseCanonicalJson(text, PROOF_BYTES_MAX)
  if (!json.ok) return unreadable(json.fault)
  const file = readFile(json.value)
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
type UnreadFile = Omit<ProofFile, 'manifest' | 'packet'> & {
  readonly manifest: Json
  readonly packet: Omit<ProofFile['packet'], 'header'> & { readonly header: Json }
}

const path = listOf(hex(32), PATH_LENGTH_MAX)
const line = text(PROOF_BYTES_MAX)

const readFile = closedReader<UnreadFile>(
  'not a proof file of version 1',
  'proof-unreadable',
  closedObject<UnreadFile>(
    {
      beef: hexUpTo(BEEF_BYTES_MAX),
      certified: closedObject<ProofFile['certified']>({ line, path }, {}),
      event: closedObject<ProofFile['event']>({ index: integer(0, PACKET_EVENTS_MAX - 1), line, path }, {}),
      format: oneOf(['assay-proof']),
      manifest: anything,
      packet: closedObject<UnreadFile['packet']>(
        { header: anything, index: integer(0, ROUND_PACKETS_MAX - 1), path },
        {},
      ),
      // As wide as the fields of a roundId: a greater number would stand for a smaller one.
      round: closedObject<ProofFile['round']>(
        { count: integer(1, ROUND_PACKETS_MAX), try: integer(1, 0xffff_ffff) },
        {},
      ),
      v: oneOf([1]),
    },
    {
      block: hexUpTo(BLOCK_PROOF_BYTES_MAX),
      log: value => (isObject(value) ? undefined : misfit('an object')),
    },
  ),
)

function hexUpTo(bytesMax: number): Check {
  const wrong = misfit(`1 to ${bytesMax} bytes in lower-case hex`)
  return value =>
    typeof value === 'string' && value !== '' && value.length <= 2 * bytesMax && fromHex(value) !== undefined
      ? undefined
      : wrong
}
