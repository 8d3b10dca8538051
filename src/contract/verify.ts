import { fromHex, knownHex, toHex, utf8 } from '../core/bytes.ts'
import { canonicalJson, isObject, type JsonObject, parseJson } from '../core/canonical-json.ts'
import { readAnchor } from '../core/certificate/anchor.ts'
import { versionIdOf } from '../core/certificate/manifest.ts'
import type { Envelope } from '../core/event/envelope.ts'
import { readLine } from '../core/event/line.ts'
import { accepted, type Fault, type Outcome, refused } from '../core/fault.ts'
import { quorums } from '../core/level.ts'
import { packetId } from '../core/log/packet-header.ts'
import { includes, leafHash, rootFromPath } from '../core/merkle.ts'
import type { Network } from '../core/network.ts'
import { verdicts } from '../core/rounds/agreement.ts'
import { judge } from '../core/rounds/judge.ts'
import { roundIdFromRoot } from '../core/rounds/round.ts'
import type { Stage } from '../core/rounds/template.ts'
import { type TrailStage, trailOf } from '../core/rounds/trail.ts'
import { outcomeLeaf } from '../core/work/stage-output.ts'
import { type Beef, readBeef } from './beef.ts'
import { readBump } from './bump.ts'
import type { HeaderChain } from './headers.ts'
import { readHistory } from './judge-beef.ts'
import { PROOF_BYTES_MAX, type ProofFile, readProof } from './proof.ts'
import { checkSpends } from './spend.ts'
import { readToken } from './tokens.ts'

/**
 * How far a proof holds, weakest first. consistent: bytes, paths and signatures fit one another. signed: by a
 * quorum of operators, for a log, that the reader lists. anchored: its transactions reach blocks in the
 * reader's headers; may still be replaced. proven: the certificate itself is in those headers.
 */
export const proofLevels = ['consistent', 'signed', 'anchored', 'proven'] as const
export type ProofLevel = (typeof proofLevels)[number]

/** What the reader trusts. Without any of it a proof is `consistent` at best: keys are free. */
export type Trust = {
  readonly logs?: ReadonlySet<string>
  readonly operators?: ReadonlySet<string>
  readonly headers?: HeaderChain
  /** A private chain proves nothing to strangers; who runs it may still ask. */
  readonly allowLocal?: boolean
}

export type ProofVerdict =
  | { readonly kind: 'unreadable'; readonly fault: Fault }
  | { readonly kind: 'invalid'; readonly fault: Fault }
  | ValidProof

export type ValidProof = {
  readonly kind: 'valid'
  readonly level: ProofLevel
  /** Why the next level was not reached. */
  readonly shortfall: string | null
  readonly event: ProvenEvent
  readonly network: Network
  readonly log: { readonly key: string; readonly listed: boolean }
  readonly stages: readonly ProvenStage[]
  readonly versionId: string
  readonly certificateTxid: string
  /** Height of the certificate's block, where a block proof came along. */
  readonly blockHeight: number | null
  readonly notChecked: readonly string[]
}

export type ProvenEvent = {
  readonly eventId: string
  readonly sourceId: string
  /** `<log>/<streamId>` */
  readonly stream: string
  readonly partition: number
  readonly seq: number
  readonly packetId: string
  /** Certified means certified as what it is: an event can be certified as quarantined. */
  readonly outcome: 'accepted' | 'quarantined' | 'rejected'
}

export type ProvenStage = {
  readonly stage: Stage
  readonly asked: number
  readonly given: number
  readonly agreeing: readonly ProvenAnswer[]
  readonly dissenting: readonly ProvenAnswer[]
}

export type ProvenAnswer = { readonly operator: string; readonly agentKey: string; readonly listed: boolean }

/** Checks a proof file with nothing but its own bytes and what the reader trusts: no network, no database. */
export function verifyProof(text: string, trust: Trust = {}): ProofVerdict {
  const proof = readProof(text)
  if (!proof.ok) return { kind: 'unreadable', fault: proof.fault }
  const evidence = gather(proof.value)
  if (!evidence.ok) return { kind: 'invalid', fault: evidence.fault }
  const weighed = weigh(evidence.value, trust)
  if (!weighed.ok) return { kind: 'invalid', fault: weighed.fault }
  return report(proof.value, evidence.value, weighed.value, trust)
}

/** 0: the level is reached; 1: invalid; 2: unreadable; 3: valid, but below the level. */
export function exitCodeOf(verdict: ProofVerdict, required: ProofLevel): 0 | 1 | 2 | 3 {
  if (verdict.kind === 'unreadable') return 2
  if (verdict.kind === 'invalid') return 1
  return proofLevels.indexOf(verdict.level) >= proofLevels.indexOf(required) ? 0 : 3
}

/** What holds whatever the reader trusts. */
type Evidence = {
  readonly proof: ProofFile
  readonly event: Envelope
  readonly certified: JsonObject
  readonly packetId: string
  readonly versionId: string
  readonly beef: Beef
  readonly trail: readonly TrailStage[]
  /** What the quorum of each stage said about this packet, in the order of `trail`. */
  readonly leaves: readonly string[]
}

function gather(proof: ProofFile): Outcome<Evidence> {
  const event = eventInPacket(proof)
  if (!event.ok) return event
  const roundId = packetInRound(proof)
  if (!roundId.ok) return roundId
  const certificate = certificateOf(proof, roundId.value)
  if (!certificate.ok) return certificate
  const votes = votesBehind(proof, certificate.value)
  if (!votes.ok) return votes
  const manifest = manifestFits(proof, certificate.value.versionId)
  if (!manifest.ok) return manifest
  const certified = certifiedLine(proof, event.value)
  if (!certified.ok) return certified
  const spends = checkSpends(certificate.value.beef)
  if (!spends.ok) return spends
  return accepted({
    proof,
    event: event.value,
    certified: certified.value,
    packetId: packetId(proof.packet.header),
    ...certificate.value,
    leaves: votes.value,
  })
}

function eventInPacket({ event, packet: { header } }: ProofFile): Outcome<Envelope> {
  const path = event.path.map(knownHex)
  if (!includes(knownHex(header.root), leafHash(utf8(event.line)), event.index, header.count, path))
    return invalid('the path does not lead from the line to the root of the packet', '/event/path')
  return readLine(event.line, header.constants)
}

function packetInRound({ packet, round }: ProofFile): Outcome<string> {
  const leaf = leafHash(knownHex(packetId(packet.header)))
  const root = rootFromPath(leaf, packet.index, round.count, packet.path.map(knownHex))
  if (root === undefined)
    return invalid('the path of the packet does not fit its place in the round', '/packet/path')
  return accepted(roundIdFromRoot(round.try, round.count, root))
}

type Certificate = Pick<Evidence, 'beef' | 'trail' | 'versionId'>

function certificateOf(proof: ProofFile, roundId: string): Outcome<Certificate> {
  const { header, index } = proof.packet
  const beef = readBeef(knownHex(proof.beef), { minimal: true, bytesMax: PROOF_BYTES_MAX })
  if (!beef.ok) return beef
  const history = readHistory(beef.value)
  if (!history.ok) return history
  const { txid } = beef.value.subject
  const admitted = judge(txid, history.value, { templates: ['packet'] })
  if (!admitted.ok) return admitted
  const certificate = history.value.get(txid)
  const role = certificate?.role
  if (certificate === undefined || role?.kind !== 'certificate')
    return invalid('the last transaction is not a certificate', '/beef')
  if (role.subject !== roundId) return invalid('the certificate is for another round', '/beef')
  if (role.coordinator !== header.log)
    return invalid('the certificate was not issued by the log of the packet', '/beef')
  if (role.level !== header.level)
    return invalid('the certificate has another level than the packet', '/beef')
  const at = role.members.findIndex(member => member.index === index)
  const member = role.members[at]
  if (member === undefined) return invalid('the certificate does not name the packet', '/packet/index')
  const outputs = carriesPacket(proof, beef.value, at)
  if (!outputs.ok) return outputs
  return accepted({
    beef: beef.value,
    versionId: member.versionId,
    trail: trailOf(certificate, history.value),
  })
}

/** Outputs 2i and 2i+1: the anchor that names the version's parents, and the token that names the packet. */
function carriesPacket({ packet, manifest }: ProofFile, { subject }: Beef, at: number): Outcome<true> {
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
function votesBehind(proof: ProofFile, { trail, versionId }: Certificate): Outcome<string[]> {
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
function manifestFits({ manifest, packet: { header } }: ProofFile, versionId: string): Outcome<true> {
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
  { certified, event, manifest }: ProofFile,
  { eventId }: Envelope,
): Outcome<JsonObject> {
  const { merkleRoot, count } = manifest.content
  const path = certified.path.map(knownHex)
  if (!includes(knownHex(merkleRoot), leafHash(utf8(certified.line)), event.index, count, path))
    return invalid(
      'the path does not lead from the certified line to the root of the output',
      '/certified/path',
    )
  const line = parseJson(certified.line)
  if (!line.ok) return line
  if (!isObject(line.value) || line.value['eventId'] !== eventId)
    return invalid('the certified line answers another event', '/certified/line')
  return accepted(line.value)
}

type Weight = {
  readonly level: ProofLevel
  readonly shortfall: string | null
  readonly blockHeight: number | null
}

/** One level after the other: a proof that is not signed for the reader is not anchored for the reader either. */
function weigh(evidence: Evidence, trust: Trust): Outcome<Weight> {
  const block = ownBlock(evidence)
  if (!block.ok) return block
  const blocks = blocksInHeaders(evidence, block.value, trust)
  if (!blocks.ok) return blocks
  const reached = (level: ProofLevel, shortfall: string | null) =>
    accepted({ level, shortfall, blockHeight: block.value?.height ?? null })

  const unsigned = whyNotSigned(evidence, trust)
  if (unsigned !== undefined) return reached('consistent', unsigned)
  if (blocks.value.anchored !== undefined) return reached('signed', blocks.value.anchored)
  if (blocks.value.proven !== undefined) return reached('anchored', blocks.value.proven)
  return reached('proven', null)
}

function whyNotSigned({ proof, trail, leaves }: Evidence, { logs, operators }: Trust): string | undefined {
  const { header } = proof.packet
  if (logs === undefined || operators === undefined)
    return 'nobody said which logs and operators to trust; pass both lists'
  if (!logs.has(header.log)) return 'the log is not on the list of trusted logs'
  const { agreeing } = quorums[header.level]
  for (const [i, stage] of trail.entries()) {
    const listed = agreeingAnswers(stage, proof, leaves[i]).filter(({ operator }) => operators.has(operator))
    const distinct = new Set(listed.map(({ operator }) => operator)).size
    if (distinct < agreeing)
      return `${distinct} of the operators who agreed at stage ${stage.facts.stage} are on the list; level ${header.level} needs ${agreeing}`
  }
  return undefined
}

type Block = { readonly height: number; readonly root: string }

function ownBlock({ proof, beef }: Evidence): Outcome<Block | undefined> {
  if (proof.block === undefined) return accepted(undefined)
  const bump = readBump(fromHex(proof.block) ?? new Uint8Array())
  if (!bump.ok) return bump
  if (!bump.value.leaves.has(beef.subject.txid))
    return invalid('the block proof is for another transaction than the certificate', '/block')
  return accepted({ height: bump.value.height, root: bump.value.root })
}

/** Why the levels are out of reach, or a fault where a header says outright that a block proof is wrong. */
function blocksInHeaders(
  { proof, beef }: Evidence,
  own: Block | undefined,
  { headers, allowLocal = false }: Trust,
): Outcome<{ anchored?: string; proven?: string }> {
  const { network } = proof.packet.header
  if (network === 'local' && !allowLocal)
    return accepted({ anchored: 'the chain is a private one (local), whose blocks prove nothing to others' })
  if (headers === undefined) return accepted({ anchored: 'no block headers to check against' })
  if (headers.network !== network)
    return accepted({ anchored: `the headers are of ${headers.network}, the proof is of ${network}` })
  for (const { proof: block } of beef.transactions) {
    const why = block && againstHeaders(block, headers)
    if (why?.kind === 'contradicted') return invalid(why.detail, '/beef')
    if (why?.kind === 'beyond') return accepted({ anchored: why.detail })
  }
  if (own === undefined) return accepted({ proven: 'the certificate has no block proof yet' })
  const why = againstHeaders(own, headers)
  if (why?.kind === 'contradicted') return invalid(why.detail, '/block')
  return accepted(why === undefined ? {} : { proven: why.detail })
}

function againstHeaders({ height, root }: Block, headers: HeaderChain) {
  const known = headers.rootAt(height)
  if (known === undefined)
    return {
      kind: 'beyond',
      detail: `block ${height} is outside the headers given, ${headers.firstHeight} to ${headers.tipHeight}`,
    } as const
  if (toHex(known.toReversed()) === root) return undefined
  return {
    kind: 'contradicted',
    detail: `block ${height} has another Merkle root than the proof leads to`,
  } as const
}

function report(proof: ProofFile, evidence: Evidence, weight: Weight, trust: Trust): ValidProof {
  const { header } = proof.packet
  const { event, certified } = evidence
  return {
    kind: 'valid',
    ...weight,
    event: {
      eventId: event.eventId,
      sourceId: event.sourceId,
      stream: `${header.log}/${header.streamId}`,
      partition: header.partition,
      seq: header.firstSeq + proof.event.index,
      packetId: evidence.packetId,
      outcome:
        certified['quarantined'] !== true
          ? 'accepted'
          : certified['rejected'] === true
            ? 'rejected'
            : 'quarantined',
    },
    network: header.network,
    log: { key: header.log, listed: trust.logs?.has(header.log) ?? false },
    stages: evidence.trail.map((stage, i) => provenStage(stage, proof, evidence.leaves[i], trust)).reverse(),
    versionId: evidence.versionId,
    certificateTxid: evidence.beef.subject.txid,
    notChecked: notChecked(proof, trust),
  }
}

function provenStage(
  stage: TrailStage,
  proof: ProofFile,
  leaf: string | undefined,
  trust: Trust,
): ProvenStage {
  const answer = ({ operator, agentKey }: { operator: string; agentKey: string }) => ({
    operator,
    agentKey,
    listed: trust.operators?.has(operator) ?? false,
  })
  const agreeing = agreeingAnswers(stage, proof, leaf)
  return {
    stage: stage.facts.stage as Stage,
    asked: stage.asked,
    given: stage.answers.length,
    agreeing: agreeing.map(answer),
    dissenting: stage.answers.filter(each => !agreeing.includes(each)).map(answer),
  }
}

function agreeingAnswers({ facts, answers }: TrailStage, proof: ProofFile, leaf: string | undefined) {
  const at = facts.members.indexOf(proof.packet.index)
  return answers.filter(({ status, leaves }) => status === 'completed' && leaves[at] === leaf)
}

function notChecked(proof: ProofFile, { logs, operators, headers }: Trust): string[] {
  const gaps = [
    'whether the certificate was revoked or superseded since: ask a node',
    'whether the agreed output is what the policies make of the events: replay them',
  ]
  if (logs === undefined || operators === undefined)
    gaps.push('who the log and the operators are: no lists were given')
  if (headers === undefined) gaps.push('whether the blocks exist: no headers were given')
  if (proof.log !== undefined) gaps.push('the transparency log checkpoint: this version does not read it')
  return gaps
}

function invalid(detail: string, pointer: string): { ok: false; fault: Fault } {
  return refused('proof-invalid', detail, pointer)
}
