import { sha256Hex } from '#sha256'
import { toHex } from '../../core/bytes.ts'
import { parseCanonicalJson } from '../../core/canonical-json.ts'
import {
  type CertifiedManifest,
  readCertifiedManifest,
  versionIdOf,
} from '../../core/certificate/manifest.ts'
import type { Outcome } from '../../core/fault.ts'
import { type PacketHeader, packetId } from '../../core/log/packet-header.ts'
import { type RoundDocument, readRoundDocument } from '../../core/rounds/round-document.ts'
import {
  gatherPacketEvidence,
  type OpenedCertificate,
  openCertificate,
  type PacketEvidence,
} from '../evidence.ts'
import type { PacketProof } from '../proof.ts'
import { readTransaction } from '../transaction.ts'
import { type Trust, type Weight, weigh } from '../trust.ts'
import type { Flaw } from './findings.ts'
import type { CertificateRecord, MembershipSaid } from './records.ts'

/** A certificate that several packets share: opened once, however many ask. */
export type KnownCertificate = {
  readonly record: CertificateRecord
  readonly beef: string | null
  open(): Outcome<OpenedCertificate>
  document(): Outcome<RoundDocument> | undefined
}

export function knownCertificate(record: CertificateRecord): KnownCertificate {
  const beef = record.beef === null ? null : toHex(record.beef)
  let opened: Outcome<OpenedCertificate> | undefined
  let document: Outcome<RoundDocument> | undefined
  return {
    record,
    beef,
    open() {
      opened ??= openCertificate(beef ?? '')
      return opened
    },
    document() {
      if (record.document !== null) document ??= readRoundDocument(record.document)
      return document
    },
  }
}

export type CheckedCertificate =
  | {
      readonly kind: 'stands'
      readonly evidence: PacketEvidence
      readonly manifest: CertifiedManifest
      readonly weight: Weight
      /** That its jobs were about. */
      readonly partitions: RoundDocument['partitions']
      /** What else could not be checked of it. */
      readonly open: readonly string[]
    }
  | { readonly kind: 'flawed'; readonly flaw: Flaw }
  /** Nothing speaks against it, and something that it takes to check it is not there. */
  | { readonly kind: 'open'; readonly manifest: CertifiedManifest; readonly open: readonly string[] }

export type CertificateChecks = {
  readonly trust: Trust
  /** With the headers that the export itself brings; undefined where it brings none. */
  readonly said: Trust | undefined
}

/** Whether a certificate stands for a packet, by the functions that check proof files. */
export function checkCertificate(
  header: PacketHeader,
  said: MembershipSaid,
  known: KnownCertificate | undefined,
  { trust, said: brought }: CertificateChecks,
): CheckedCertificate {
  if (known === undefined)
    return forged(`certificate ${said.txid} is named, and none of its transactions are there`)
  const { record, beef } = known
  if (said.manifest === null) return forged(`there is no manifest of version ${said.versionId}`)
  const manifest = readManifest(said.manifest)
  if (!manifest.ok) return forged(`the manifest of version ${said.versionId}: ${manifest.fault.detail}`)
  if (beef === null) return withoutHistory(record, manifest.value, said.versionId)
  const evidence = gatherPacketEvidence(proofOf(header, manifest.value, said, record, beef), known.open)
  if (!evidence.ok) return forged(`certificate ${said.txid}: ${evidence.fault.detail}`)
  const { txid } = evidence.value.beef.subject
  if (txid !== said.txid) return forged(`certificate ${said.txid} is shown with the transactions of ${txid}`)
  if (evidence.value.versionId !== said.versionId)
    return forged(
      `certificate ${txid} certifies version ${evidence.value.versionId}, and ${said.versionId} is shown`,
    )
  const contradicted = againstDocument(known, header, said.index, manifest.value, evidence.value)
  if (contradicted !== undefined) return forged(`certificate ${txid}: ${contradicted}`)
  const byExport = brought && weigh(evidence.value, brought)
  const weight = weigh(evidence.value, trust)
  const lie = byExport?.ok === false ? byExport : weight
  if (!lie.ok)
    return {
      kind: 'flawed',
      flaw: { kind: 'forged-block', detail: `certificate ${txid}: ${lie.fault.detail}` },
    }
  return weight.ok
    ? {
        kind: 'stands',
        evidence: evidence.value,
        manifest: manifest.value,
        weight: weight.value,
        partitions: partitionsOf(known),
        open:
          record.document === null
            ? [
                `the round document of certificate ${txid} is not given: what agents were asked was not compared`,
              ]
            : [],
      }
    : forged(weight.fault.detail)
}

/** What the manifest names is checked all the same. */
function withoutHistory(
  { txid, raw }: CertificateRecord,
  manifest: CertifiedManifest,
  versionId: string,
): CheckedCertificate {
  if (raw === null)
    return {
      kind: 'flawed',
      flaw: { kind: 'missing-certificate', detail: `nothing of certificate ${txid} is there` },
    }
  const stored = readTransaction(raw)
  if (!(stored.ok && stored.value.txid === txid))
    return forged(`what is stored as certificate ${txid} is another transaction`)
  const made = versionIdOf(manifest)
  if (!made.ok || made.value !== versionId)
    return forged(`the manifest is not the one of version ${versionId}`)
  return {
    kind: 'open',
    manifest,
    open: [
      `certificate ${txid} cannot be checked: something that it descends from is not there. After a reorganisation the next block brings it back`,
    ],
  }
}

function readManifest(text: string): Outcome<CertifiedManifest> {
  const json = parseCanonicalJson(text)
  return json.ok ? readCertifiedManifest(json.value) : json
}

function proofOf(
  header: PacketHeader,
  manifest: CertifiedManifest,
  { index, count, try: attempt, path }: MembershipSaid,
  { block }: CertificateRecord,
  beef: string,
): PacketProof {
  return {
    beef,
    ...(block !== null && { block: toHex(block) }),
    format: 'assay-packet-proof',
    manifest,
    packet: { header, index, path },
    round: { count, try: attempt },
    v: 1,
  }
}

/** What agents were given, which the tokens name by its hash, and a proof file leaves open. */
function againstDocument(
  known: KnownCertificate,
  header: PacketHeader,
  index: number,
  { lineage, provenance: { assay } }: CertifiedManifest,
  { trail }: PacketEvidence,
): string | undefined {
  const document = known.document()
  if (document === undefined) return undefined
  if (!document.ok) return document.fault.detail
  const hash = sha256Hex(known.record.document ?? '')
  if (trail.some(({ facts }) => facts.inputHash !== hash))
    return `its jobs name the round document ${trail[0]?.facts.inputHash}, and the one that is kept has the hash ${hash}`
  const { headers, partitions } = document.value
  const listed = headers[index]
  if (listed === undefined || packetId(listed) !== packetId(header))
    return 'its round document has another packet in the place of this one'
  const isOfPartition = (each: { streamId: string; partition: number }) =>
    each.streamId === header.streamId && each.partition === header.partition
  const before = headers.slice(0, index).filter(isOfPartition).at(-1)
  const start = partitions.find(isOfPartition)
  const parent = before === undefined ? (start?.parent?.packetId ?? null) : packetId(before)
  if (assay.parent !== parent)
    return `its manifest builds on packet ${assay.parent ?? 'none'}, and its round document says ${parent ?? 'none'}`
  if (before !== undefined) return undefined
  if ((lineage.parents[0] ?? null) !== (start?.parent?.versionId ?? null))
    return 'its manifest has another parent than its round document'
  return assay.stateIn === (start?.stateIn ?? null)
    ? undefined
    : 'its manifest builds on another state than its round document'
}

function partitionsOf(known: KnownCertificate): RoundDocument['partitions'] {
  const document = known.document()
  return document?.ok ? document.value.partitions : []
}

function forged(detail: string): CheckedCertificate {
  return { kind: 'flawed', flaw: { kind: 'forged-certificate', detail } }
}
