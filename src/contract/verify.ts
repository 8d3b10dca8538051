import type { Fault } from '../core/fault.ts'
import type { Level } from '../core/level.ts'
import type { Network } from '../core/network.ts'
import type { TrailStage } from '../core/rounds/judging/trail.ts'
import type { OutputLine } from '../core/work/stage-output.ts'
import { agreeingAnswers, type Evidence, gatherEvidence } from './evidence.ts'
import { type ProofFile, readProof } from './proof.ts'
import { type ProofLevel, proofLevels, spendsOpen, type Trust, type Weight, weigh } from './trust.ts'

export { type HeaderChain, headerChain, readHeadersFile } from './headers.ts'
export { type ProofLevel, proofLevels, type Trust } from './trust.ts'

export type ProofVerdict =
  | { readonly kind: 'unreadable'; readonly fault: Fault }
  | { readonly kind: 'invalid'; readonly fault: Fault }
  | ValidProof

export type ValidProof = {
  readonly kind: 'valid'
  readonly level: ProofLevel
  /** Why the next level was not reached. */
  readonly shortfall: string | null
  /** How many operators had to agree: the level of the packet, which its certificate repeats. */
  readonly certificationLevel: Level
  readonly event: ProvenEvent
  readonly network: Network
  readonly log: { readonly key: string; readonly listed: boolean }
  readonly stages: readonly ProvenStage[]
  readonly versionId: string
  readonly certificateTxid: string
  /** Height of the certificate's block, where the reader's headers prove it. */
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
  return report(proof.value, evidence.value, weighed.value, trust)
}

/** 0: the level is reached; 1: invalid; 2: unreadable; 3: valid, but below the level. */
export function exitCodeOf(verdict: ProofVerdict, required: ProofLevel): 0 | 1 | 2 | 3 {
  if (verdict.kind === 'unreadable') return 2
  if (verdict.kind === 'invalid') return 1
  return proofLevels.indexOf(verdict.level) >= proofLevels.indexOf(required) ? 0 : 3
}

function report(proof: ProofFile, evidence: Evidence, weight: Weight, trust: Trust): ValidProof {
  const { header } = proof.packet
  const { event, certified } = evidence
  const { level, shortfall, blockHeight } = weight
  return {
    kind: 'valid',
    level,
    shortfall,
    certificationLevel: header.level,
    event: {
      eventId: event.eventId,
      sourceId: event.sourceId,
      stream: `${header.log}/${header.streamId}`,
      partition: header.partition,
      seq: header.firstSeq + proof.event.index,
      packetId: evidence.packetId,
      outcome: outcomeOf(certified),
    },
    network: header.network,
    log: { key: header.log, listed: trust.logs?.has(header.log) ?? false },
    stages: evidence.trail.map((stage, i) => provenStage(stage, proof, evidence.leaves[i], trust)).reverse(),
    versionId: evidence.versionId,
    certificateTxid: evidence.beef.subject.txid,
    blockHeight,
    notChecked: notChecked(evidence, weight, trust),
  }
}

function outcomeOf(line: OutputLine): ProvenEvent['outcome'] {
  if (line.kind === 'event') return 'accepted'
  return line.entry.rejected ? 'rejected' : 'quarantined'
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
    stage: stage.facts.stage,
    asked: stage.asked,
    given: stage.answers.length,
    agreeing: agreeing.map(answer),
    dissenting: stage.answers.filter(each => !agreeing.includes(each)).map(answer),
  }
}

function notChecked(
  { proof, spendsJudged }: Evidence,
  { blocksOpen }: Weight,
  { logs, operators }: Trust,
): string[] {
  const gaps = [
    'whether the certificate was revoked or superseded since: ask a node',
    'whether the agreed output is what the policies make of the events: replay them',
    'the round document and the roster, which tokens and header only name by their hashes: fetch them',
  ]
  if (logs === undefined) gaps.push('who the log is: no list of logs was given')
  if (operators === undefined) gaps.push('who the operators are: no list of operators was given')
  if (blocksOpen !== undefined) gaps.push(`which blocks it stands in: ${blocksOpen}`)
  if (!spendsJudged) gaps.push(`whether every spend was allowed: ${spendsOpen}`)
  if (proof.log !== undefined) gaps.push('the transparency log checkpoint: this version does not read it')
  return gaps
}
