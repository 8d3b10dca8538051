import * as z from 'zod'
import { bySchema } from '../core/schema.ts'
import { isObject, type Json, type JsonObject, parseCanonicalJson } from '../core/canonical-json.ts'
import { type CertifiedManifest, readCertifiedManifest } from '../core/certificate/manifest.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type PacketHeader, readPacketHeader } from '../core/log/packet-header.ts'

export const PROOF_BYTES_MAX = 16 * 1024 * 1024
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
  if (!json.ok) return unreadable(json.fault.detail, json.fault.pointer)
  const file = bySchema(proofFile, json.value, 'proof-unreadable', 'not a proof file of version 1')
  if (!file.ok) return file
  const { manifest: manifestJson, packet, block, log, ...rest } = file.value
  const manifest = readCertifiedManifest(manifestJson)
  if (!manifest.ok) return unreadable(manifest.fault.detail, `/manifest${manifest.fault.pointer ?? ''}`)
  const header = readPacketHeader(packet.header)
  if (!header.ok) return unreadable(header.fault.detail, `/packet/header${header.fault.pointer ?? ''}`)
  return accepted({
    ...rest,
    ...(block === undefined ? {} : { block }),
    ...(log === undefined ? {} : { log }),
    manifest: manifest.value,
    packet: { ...packet, header: header.value },
  })
}

function unreadable(detail: string, pointer?: string): Outcome<never> {
  return refused('proof-unreadable', `not a proof file of version 1: ${detail}`, pointer)
}

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/, 'wanted lower-case hex')
const path = z
  .array(z.string().regex(/^[0-9a-f]{64}$/, 'wanted 64 lower-case hex digits'))
  .max(PATH_LENGTH_MAX)
const index = z.int().min(0)
const anyJson = z.custom<Json>(value => value !== undefined)

const proofFile = z.strictObject({
  beef: hex,
  block: hex.exactOptional(),
  certified: z.strictObject({ line: z.string(), path }),
  event: z.strictObject({ index, line: z.string(), path }),
  format: z.literal('assay-proof'),
  log: z.custom<JsonObject>(value => isObject(value as Json)).exactOptional(),
  manifest: anyJson,
  packet: z.strictObject({ header: anyJson, index, path }),
  round: z.strictObject({ count: z.int().min(1), try: z.int().min(1) }),
  v: z.literal(1),
})
