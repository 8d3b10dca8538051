import { knownHex, utf8 } from '../core/bytes.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import { readAnchor } from '../core/certificate/anchor.ts'
import { versionIdOf } from '../core/certificate/manifest.ts'
import type { Envelope } from '../core/event/envelope.ts'
import { idFollows } from '../core/event/identity.ts'
import { readLine } from '../core/event/line.ts'
import { accepted, type Fault, type Outcome, refused } from '../core/fault.ts'
import { againstHeader } from '../core/log/packet.ts'
import { packetId } from '../core/log/packet-header.ts'
import { includes, leafHash, rootFromPath } from '../core/merkle.ts'
import { verdicts } from '../core/rounds/agreement.ts'
import { judge } from '../core/rounds/judging/judge.ts'
import { type TrailAnswer, type TrailStage, trailOf } from '../core/rounds/judging/trail.ts'
import type { PipelineTransaction } from '../core/rounds/pipeline.ts'
import { roundIdFromRoot } from '../core/rounds/round.ts'
import { type OutputLine, outcomeLeaf, readOutputLine } from '../core/work/stage-output.ts'
import { type Beef, readBeef } from './beef.ts'
import { readHistory } from './judge-beef.ts'
import type { PacketProof, ProofFile } from './proof.ts'
import { checkSpends } from './spend.ts'
import { readToken } from './tokens.ts'

/** What holds of a packet, whatever the reader trusts. */
export type PacketEvidence = {
  readonly proof: ProofFile | PacketProof
  readonly packetId: string
  readonly versionId: string
  readonly beef: Beef
  readonly trail: readonly TrailStage[]
  /** What the quorum of each stage said about this packet, in the order of `trail`. */
  readonly leaves: readonly string[]
  /** False where a transaction spends a lock that only a full interpreter can judge. */
  readonly spendsJudged: boolean
}

export type Evidence = PacketEvidence & { readonly event: Envelope; readonly certified: OutputLine }

/** Ties the event to the certificate, link by link; the first that does not hold is the answer. */
export function gatherEvidence(proof: ProofFile): Outcome<Evidence> {
  const event = eventInPacket(proof)
  if (!event.ok) return event
  const certificate = certificateBehind(proof)
  if (!certificate.ok) return certificate
  const certified = certifiedLine(proof, event.value)
  if (!certified.ok) return certified
  const packet = spendsBehind(proof, certificate.value)
  return packet.ok ? accepted({ ...packet.value, event: event.value, certified: certified.value }) : packet
}

/** The same from the packet on. Whoever checks many packets of one certificate opens that once. */
export function gatherPacketEvidence(
  proof: PacketProof,
  open: OpenCertificate = openCertificate,
): Outcome<PacketEvidence> {
  const certificate = certificateBehind(proof, open)
  return certificate.ok ? spendsBehind(proof, certificate.value) : certificate
}

/** From the BEEF of a proof, in hex. */
export type OpenCertificate = (beef: string) => Outcome<OpenedCertificate>

/** What the transactions of a certificate say by themselves, whichever of its packets is asked about. */
export type OpenedCertificate = {
  readonly beef: Beef
  readonly role: CertificateRole
  readonly trail: readonly TrailStage[]
  /** Found out when it is first asked, for signatures take the longest. */
  readonly spends: () => ReturnType<typeof checkSpends>
}

type CertificateRole = Extract<PipelineTransaction['role'], { kind: 'certificate' }>

export function openCertificate(hex: string): Outcome<OpenedCertificate> {
  const beef = readBeef(knownHex(hex), { minimal: true })
  if (!beef.ok) return beef
  const history = readHistory(beef.value)
  if (!history.ok) return history
  const { txid } = beef.value.subject
  const admitted = judge(txid, history.value, { templates: ['packet'] })
  if (!admitted.ok) return admitted
  const certificate = history.value.get(txid)
  if (certificate?.role.kind !== 'certificate')
    return invalid('the last transaction is not a certificate', '/beef')
  let spends: ReturnType<typeof checkSpends> | undefined
  return accepted({
    beef: beef.value,
    role: certificate.role,
    trail: trailOf(certificate, history.value),
    spends() {
      spends ??= checkSpends(beef.value)
      return spends
    },
  })
}

type AnyProof = PacketEvidence['proof']

function certificateBehind(
  proof: AnyProof,
  open: OpenCertificate = openCertificate,
): Outcome<Certificate & { readonly leaves: string[] }> {
  const roundId = packetInRound(proof)
  if (!roundId.ok) return roundId
  const certificate = certificateOf(proof, roundId.value, open)
  if (!certificate.ok) return certificate
  const votes = votesBehind(proof, certificate.value)
  if (!votes.ok) return votes
  const manifest = manifestFits(proof, certificate.value.versionId)
  if (!manifest.ok) return manifest
  return accepted({ ...certificate.value, leaves: votes.value })
}

/** Last, for signatures take the longest. */
function spendsBehind(
  proof: AnyProof,
  { spends, ...certificate }: Certificate & { readonly leaves: string[] },
): Outcome<PacketEvidence> {
  const judged = spends()
  if (!judged.ok) return judged
  const spendsJudged = judged.value === 'satisfied'
  return accepted({ proof, packetId: packetId(proof.packet.header), ...certificate, spendsJudged })
}

function eventInPacket({ event, packet: { header } }: ProofFile): Outcome<Envelope> {
  const path = event.path.map(knownHex)
  if (!includes(knownHex(header.root), leafHash(utf8(event.line)), event.index, header.count, path))
    return invalid('the path does not lead from the line to the root of the packet', '/event/path')
  const envelope = readLine(event.line, header.constants)
  if (!envelope.ok) return envelope
  const why = againstHeader(header, envelope.value)
  if (why !== undefined) return invalid(why, '/packet/header')
  // Whoever gave the event away keeps its id: another content may not stand under it.
  if (idFollows(envelope.value) === 'contradicted')
    return invalid('the eventId is not the one that the event’s own members give', '/event/line')
  return envelope
}

function packetInRound({ packet, round }: AnyProof): Outcome<string> {
  const leaf = leafHash(knownHex(packetId(packet.header)))
  const root = rootFromPath(leaf, packet.index, round.count, packet.path.map(knownHex))
  if (root === undefined)
    return invalid('the path of the packet does not fit its place in the round', '/packet/path')
  return accepted(roundIdFromRoot(round.try, round.count, root))
}

type Certificate = Pick<Evidence, 'beef' | 'trail' | 'versionId'> & Pick<OpenedCertificate, 'spends'>

function certificateOf(proof: AnyProof, roundId: string, open: OpenCertificate): Outcome<Certificate> {
  const { header, index } = proof.packet
  const opened = open(proof.beef)
  if (!opened.ok) return opened
  const { beef, role, trail, spends } = opened.value
  if (role.subject !== roundId) return invalid('the certificate is for another round', '/beef')
  if (role.coordinator !== header.log)
    return invalid('the certificate was not issued by the log of the packet', '/beef')
  if (role.level !== header.level)
    return invalid('the certificate has another level than the packet', '/beef')
  const at = role.members.findIndex(member => member.index === index)
  const member = role.members[at]
  if (member === undefined) return invalid('the certificate does not name the packet', '/packet/index')
  const outputs = carriesPacket(proof, beef, at)
  if (!outputs.ok) return outputs
  return accepted({ beef, versionId: member.versionId, trail, spends })
}

/** Outputs 2i and 2i+1: the anchor that names the version's parents, and the token that names the packet. */
function carriesPacket({ packet, manifest }: AnyProof, { subject }: Beef, at: number): Outcome<true> {
  const token = readToken(subject.outputs[2 * at + 1]?.script ?? new Uint8Array())
  if (!token.ok) return token
  if (token.value.tag !== 'GDC1' || token.value.body.packetId !== packetId(packet.header))
    return invalid('the certificate token names another packet', '/packet/header')
  const anchor = readAnchor(subject.outputs[2 * at]?.script ?? new Uint8Array())
  if (!anchor.ok) return anchor
  if (canonicalJson(anchor.value.parents) !== canonicalJson(manifest.lineage.parents))
    return invalid(
      'the certificate anchors other parents than the manifest names',
      '/manifest/lineage/parents',
    )
  return accepted(true)
}

/** The leaf of this packet that each stage agreed on; the judge has made sure that there is one. */
function votesBehind(proof: AnyProof, { trail, versionId }: Certificate): Outcome<string[]> {
  const leaves: string[] = []
  for (const { facts, answers } of trail) {
    const verdict = verdicts(facts.level, facts.members.length, answers)[
      facts.members.indexOf(proof.packet.index)
    ]
    if (verdict?.kind !== 'agreed')
      return invalid(`stage ${facts.stage} did not agree on the packet`, '/beef')
    leaves.push(verdict.leaf)
  }
  const { content, provenance } = proof.manifest
  const validated = outcomeLeaf(packetId(proof.packet.header), content.contentHash, provenance.assay.stateOut)
  const [certified, before] = leaves
  if (certified !== versionId) return invalid('the results certify another version', '/beef')
  if (before !== validated)
    return invalid('the results agree on another output than the manifest names', '/manifest')
  return accepted(leaves)
}

/** Every member of the manifest that the header decides, decided again and compared. */
function manifestFits({ manifest, packet: { header } }: AnyProof, versionId: string): Outcome<true> {
  const id = versionIdOf(manifest)
  if (!id.ok) return id
  if (id.value !== versionId) return invalid('the manifest is not the one that was certified', '/manifest')
  const { assay } = manifest.provenance
  const expected = {
    ...manifest,
    datasetId: `${header.log}/${header.streamId}`,
    content: { ...manifest.content, count: header.count + assay.outcome.fused },
    provenance: {
      ...manifest.provenance,
      assay: {
        ...assay,
        inputRoot: header.root,
        level: header.level,
        log: header.log,
        outcome: { ...assay.outcome, lines: header.count },
        packetId: packetId(header),
        packetNo: header.packetNo,
        partition: header.partition,
        policyDigest: header.policyDigest,
        sources: header.sources,
        streamId: header.streamId,
        totals: header.totals,
      },
    },
  }
  if (canonicalJson(expected) !== canonicalJson(manifest))
    return invalid('the manifest describes another packet than the header does', '/manifest')
  return accepted(true)
}

function certifiedLine(
  { certified, event, manifest, packet }: ProofFile,
  { eventId, sourceId }: Envelope,
): Outcome<OutputLine> {
  const { merkleRoot, count } = manifest.content
  const path = certified.path.map(knownHex)
  if (!includes(knownHex(merkleRoot), leafHash(utf8(certified.line)), event.index, count, path))
    return invalid(
      'the path does not lead from the certified line to the root of the output',
      '/certified/path',
    )
  const line = readOutputLine(certified.line, packet.header.constants)
  if (!line.ok) return line
  if (!answersEvent(line.value, { eventId, sourceId }))
    return invalid('the certified line answers another event', '/certified/line')
  return line
}

/** Whether a line of an output is about this event. */
export function answersEvent(
  line: OutputLine,
  { eventId, sourceId }: Pick<Envelope, 'eventId' | 'sourceId'>,
): boolean {
  const answered = line.kind === 'event' ? line.event : line.entry
  return answered.eventId === eventId && answered.sourceId === sourceId
}

/** Who said what the quorum said about this packet. */
export function agreeingAnswers(
  { facts, answers }: TrailStage,
  proof: AnyProof,
  leaf: string | undefined,
): TrailAnswer[] {
  const at = facts.members.indexOf(proof.packet.index)
  return answers.filter(({ status, leaves }) => status === 'completed' && leaves[at] === leaf)
}

export function invalid(detail: string, pointer: string): { ok: false; fault: Fault } {
  return refused('proof-invalid', detail, pointer)
}
