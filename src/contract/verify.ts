import { idFollows } from '../core/event/identity.ts'
import type { Fault } from '../core/fault.ts'
import type { Level } from '../core/level.ts'
import type { Network } from '../core/network.ts'
import type { TrailStage } from '../core/rounds/judging/trail.ts'
import type { OutputLine } from '../core/work/stage-output.ts'
import {
  agreeingAnswers,
  type Evidence,
  gatherEvidence,
  gatherPacketEvidence,
  type PacketEvidence,
} from './evidence.ts'
import { readPacketProof, readProof } from './proof.ts'
import { type ProofLevel, proofLevels, spendsOpen, type Trust, type Weight, weigh } from './trust.ts'

export { type HeaderChain, headerChain, readHeadersFile } from './headers.ts'
export { type ProofLevel, proofLevels, type Trust } from './trust.ts'

export type ProofVerdict = NoProof | ValidProof
export type PacketVerdict = NoProof | ValidPacketProof

type NoProof =
  | { readonly kind: 'unreadable'; readonly fault: Fault }
  | { readonly kind: 'invalid'; readonly fault: Fault }

/** What is said of every proof that holds. */
type Findings = {
  readonly kind: 'valid'
  readonly level: ProofLevel
  /** Why the next level was not reached. */
  readonly shortfall: string | null
  /** How many operators had to agree: the level of the packet, which its certificate repeats. */
  readonly certificationLevel: Level
  readonly network: Network
  readonly log: { readonly key: string; readonly listed: boolean }
  readonly stages: readonly ProvenStage[]
  readonly versionId: string
  readonly certificateTxid: string
  /** Height of the certificate's block, where the reader's headers prove it. */
  readonly blockHeight: number | null
  readonly notChecked: readonly string[]
}

export type ValidProof = Findings & { readonly event: ProvenEvent }
export type ValidPacketProof = Findings & { readonly packet: ProvenPacket }

/** Line i of the output answers line i of the packet, and event `firstSeq + i`; fused records come after. */
export type ProvenPacket = {
  readonly packetId: string
  /** `<log>/<streamId>` */
  readonly stream: string
  readonly partition: number
  readonly packetNo: number
  /** The packetId of the one before it. */
  readonly previous: string | null
  readonly firstSeq: number
  readonly count: number
  readonly lines: { readonly sha256: string; readonly root: string }
  readonly output: { readonly sha256: string; readonly root: string; readonly count: number }
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
  readonly stage: string
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
  const evidence = gatherEvidence(proof.value)
  if (!evidence.ok) return { kind: 'invalid', fault: evidence.fault }
  const weighed = weigh(evidence.value, trust)
  if (!weighed.ok) return { kind: 'invalid', fault: weighed.fault }
  const event = provenEvent(evidence.value, proof.value.event.index)
  const found = findings(evidence.value, weighed.value, trust)
  if (idFollows(evidence.value.event) === 'follows') return { event, ...found }
  return { event, ...found, notChecked: [...found.notChecked, idOfArrival] }
}

const idOfArrival =
  'whether the content is what was sent under this eventId: the event came without an id, a sequence or a time of its own'

/** The same for a packet: its lines and its output are for whoever has them to hold against it. */
export function verifyPacketProof(text: string, trust: Trust = {}): PacketVerdict {
  const proof = readPacketProof(text)
  if (!proof.ok) return { kind: 'unreadable', fault: proof.fault }
  const evidence = gatherPacketEvidence(proof.value)
  if (!evidence.ok) return { kind: 'invalid', fault: evidence.fault }
  const weighed = weigh(evidence.value, trust)
  if (!weighed.ok) return { kind: 'invalid', fault: weighed.fault }
  return { packet: provenPacket(evidence.value), ...findings(evidence.value, weighed.value, trust) }
}

/** 0: the level is reached; 1: invalid; 2: unreadable; 3: valid, but below the level. */
export function exitCodeOf(verdict: ProofVerdict | PacketVerdict, required: ProofLevel): 0 | 1 | 2 | 3 {
  if (verdict.kind === 'unreadable') return 2
  if (verdict.kind === 'invalid') return 1
  return proofLevels.indexOf(verdict.level) >= proofLevels.indexOf(required) ? 0 : 3
}

function findings(evidence: PacketEvidence, weight: Weight, trust: Trust): Findings {
  const { header } = evidence.proof.packet
  const { level, shortfall, blockHeight } = weight
  return {
    kind: 'valid',
    level,
    shortfall,
    certificationLevel: header.level,
    network: header.network,
    log: { key: header.log, listed: trust.logs?.has(header.log) ?? false },
    stages: evidence.trail
      .map((stage, i) => provenStage(stage, evidence, evidence.leaves[i], trust))
      .reverse(),
    versionId: evidence.versionId,
    certificateTxid: evidence.beef.subject.txid,
    blockHeight,
    notChecked: notChecked(evidence, weight, trust),
  }
}

function provenEvent({ event, certified, packetId, proof }: Evidence, index: number): ProvenEvent {
  const { header } = proof.packet
  return {
    eventId: event.eventId,
    sourceId: event.sourceId,
    stream: `${header.log}/${header.streamId}`,
    partition: header.partition,
    seq: header.firstSeq + index,
    packetId,
    outcome: outcomeOf(certified),
  }
}

function provenPacket({ packetId, proof }: PacketEvidence): ProvenPacket {
  const { header } = proof.packet
  const { contentHash, merkleRoot, count } = proof.manifest.content
  return {
    packetId,
    stream: `${header.log}/${header.streamId}`,
    partition: header.partition,
    packetNo: header.packetNo,
    previous: header.previous,
    firstSeq: header.firstSeq,
    count: header.count,
    lines: { sha256: header.rawHash, root: header.root },
    output: { sha256: contentHash, root: merkleRoot, count },
  }
}

function outcomeOf(line: OutputLine): ProvenEvent['outcome'] {
  if (line.kind === 'event') return 'accepted'
  return line.entry.rejected ? 'rejected' : 'quarantined'
}

function provenStage(
  stage: TrailStage,
  { proof }: PacketEvidence,
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
    stage: stage.facts.stage,
    asked: stage.asked,
    given: stage.answers.length,
    agreeing: agreeing.map(answer),
    dissenting: stage.answers.filter(each => !agreeing.includes(each)).map(answer),
  }
}

/** What no proof file can say by itself, and what closes it. */
export const alwaysOpen = {
  revocation: 'whether the certificate was revoked or superseded since: ask a node',
  output: 'whether the agreed output is what the policies make of the events: replay them',
} as const

function notChecked(
  { proof, spendsJudged }: PacketEvidence,
  { blocksOpen }: Weight,
  { logs, operators }: Trust,
): string[] {
  const gaps: string[] = [
    alwaysOpen.revocation,
    alwaysOpen.output,
    'the round document and the roster, which tokens and header only name by their hashes: fetch them',
  ]
  if (logs === undefined) gaps.push('who the log is: no list of logs was given')
  if (operators === undefined) gaps.push('who the operators are: no list of operators was given')
  if (blocksOpen !== undefined) gaps.push(`which blocks it stands in: ${blocksOpen}`)
  if (!spendsJudged) gaps.push(`whether every spend was allowed: ${spendsOpen}`)
  if (proof.log !== undefined) gaps.push('the transparency log checkpoint: this version does not read it')
  return gaps
}
