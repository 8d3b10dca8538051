import type { Replay } from '../../contract/replay.ts'
import {
  alwaysOpen,
  exitCodeOf,
  type PacketVerdict,
  type ProofLevel,
  type ProofVerdict,
} from '../../contract/verify.ts'
import { canonicalJson, type Json } from '../../core/canonical-json.ts'
import type { Step } from '../../core/policy/normalize-event.ts'
import type { NodeWord } from './ask-node.ts'

/** What was found out about one proof, and what was asked for and could not be. */
export type Findings = {
  readonly verdict: ProofVerdict | PacketVerdict
  /** As a node says; undefined where none was asked. */
  readonly node?: NodeWord
  readonly replay?: Replay
  /** What the policies did to the event, in order. */
  readonly explained?: readonly Step[]
  /** What was asked for, and why it could not be done. */
  readonly undone: readonly string[]
}

/**
 * 0: all that was asked for holds; 1: invalid, or certified as something else than the policies make; 2: unreadable, or a wrong
 * question; 3: valid, but below the level, or something asked for could not be checked; 4: the certificate does not stand any
 * more, as the node says.
 */
export function exitCode(
  { verdict, node, replay, undone }: Findings,
  required: ProofLevel,
): 0 | 1 | 2 | 3 | 4 {
  const own = exitCodeOf(verdict, required)
  if (own === 1 || own === 2) return own
  if (replay?.kind === 'differs') return 1
  if (node !== undefined && fallen[node.certificate] !== undefined) return 4
  return own === 3 || undone.length > 0 ? 3 : 0
}

/** Of what the proof itself leaves open, less what was closed here, and what was tried in vain. */
export function stillOpen({ verdict, node, replay, undone }: Findings): readonly string[] {
  if (verdict.kind !== 'valid') return []
  const closed = new Set<string>([
    ...(node !== undefined && !['unknown', 'unseen'].includes(node.certificate)
      ? [alwaysOpen.revocation]
      : []),
    ...(replay?.kind === 'same' || replay?.kind === 'differs' ? [alwaysOpen.output] : []),
  ])
  const before =
    replay?.kind === 'same' && replay.buildsOn !== null
      ? [`whether the state it builds on is what packet ${replay.buildsOn} left: verify that one too`]
      : []
  return [...verdict.notChecked.filter(gap => !closed.has(gap)), ...before, ...undone]
}

export function asJson(findings: Findings, required: ProofLevel): object {
  const { verdict, node, replay, explained } = findings
  const outcome = exitCode(findings, required)
  if (verdict.kind !== 'valid') return { ...verdict, exitCode: outcome }
  return {
    ...verdict,
    exitCode: outcome,
    notChecked: stillOpen(findings),
    ...(node && { node }),
    ...(replay && { replay }),
    ...(explained && { explained }),
  }
}

/** On one screen. */
export function inWords(findings: Findings): string[] {
  const { verdict, node, replay, explained } = findings
  if (verdict.kind !== 'valid') {
    const { detail, pointer } = verdict.fault
    return [`${verdict.kind.toUpperCase()}: ${detail}${pointer ? ` (at ${pointer})` : ''}`]
  }
  const { stages, network } = verdict
  return [
    `${against(findings)}${verdict.level.toUpperCase()}${network === 'local' ? ' (on a private chain)' : ''}: ${subjectOf(verdict)}`,
    ...(verdict.shortfall === null ? [] : [`  not higher, because ${verdict.shortfall}`]),
    ...placeOf(verdict),
    `  log          ${verdict.log.key} (${verdict.log.listed ? 'listed' : 'not listed'})`,
    `  version      ${verdict.versionId}`,
    `  certificate  ${verdict.certificateTxid}, ${verdict.blockHeight === null ? 'in no block checked' : `block ${verdict.blockHeight}`}, ${network}`,
    `  level        ${verdict.certificationLevel}`,
    ...stages.map(
      ({ stage, asked, given, agreeing }) =>
        `  ${stage.padEnd(12)} ${asked} asked, ${given} answered, ${agreeing.length} agree (${agreeing.filter(({ listed }) => listed).length} listed)`,
    ),
    ...(node === undefined ? [] : [`  node         ${wordOf(node)}`]),
    ...(replay === undefined ? [] : [`  replayed     ${replayOf(replay)}`]),
    ...(explained === undefined ? [] : explanationOf(explained)),
    'Not checked:',
    ...stillOpen(findings).map(gap => `  ${gap}`),
  ]
}

/** What speaks against it stands before all that a proof says by itself. */
function against({ node, replay }: Findings): string {
  if (replay?.kind === 'differs') return 'AGREED ON SOMETHING ELSE THAN ITS POLICY SAYS, though '
  const word = node && fallen[node.certificate]
  return word === undefined ? '' : `${word}, though `
}

const fallen: { readonly [word in NodeWord['certificate']]?: string } = {
  revoked: 'REVOKED',
  superseded: 'SUPERSEDED',
  lost: 'LOST',
}

type Valid = Extract<Findings['verdict'], { kind: 'valid' }>

function subjectOf(verdict: Valid): string {
  return 'event' in verdict
    ? `event ${verdict.event.eventId}, ${verdict.event.outcome}`
    : `packet ${verdict.packet.packetId}, ${verdict.packet.count} events`
}

function placeOf(verdict: Valid): string[] {
  if ('event' in verdict) {
    const { stream, partition, seq, sourceId } = verdict.event
    return [
      `  stream       ${stream}`,
      `  position     partition ${partition}, sequence ${seq}, source ${sourceId}`,
    ]
  }
  const { stream, partition, packetNo, firstSeq, count, lines, output } = verdict.packet
  return [
    `  stream       ${stream}`,
    `  position     partition ${partition}, packet ${packetNo}, sequences from ${firstSeq} to below ${firstSeq + count}`,
    `  lines        ${lines.sha256}`,
    `  output       ${output.sha256}`,
  ]
}

function wordOf({
  node,
  certificate,
  revokedBy,
  supersededBy,
  blockHeight,
  confirmations,
}: NodeWord): string {
  const says = `says ${node}`
  switch (certificate) {
    case 'unknown':
      return `${node} does not know the certificate, or shows it to nobody unknown`
    case 'unseen':
      return `the network has not said yet that it has the certificate, ${says}`
    case 'lost':
      return `LOST: the network has something else in its place, ${says}`
    case 'revoked':
      return `REVOKED${revokedBy === null ? '' : ` by ${revokedBy}`}, ${says}`
    case 'superseded':
      return `SUPERSEDED by version ${supersededBy.join(', ')}, ${says}`
    case 'stands':
      return `not spent, ${blockHeight === null ? 'in no block yet' : `block ${blockHeight}, ${confirmationsOf(confirmations)}`}, ${says}`
  }
}

function confirmationsOf(count: number | null): string {
  if (count === null) return 'confirmations unknown'
  return count === 1 ? '1 confirmation' : `${count} confirmations`
}

function explanationOf(steps: readonly Step[]): string[] {
  if (steps.length === 0) return ['  explained    the policies leave the event as it was sent']
  return steps.map((step, i) => `  ${i === 0 ? 'explained' : ''.padEnd(9)}    ${stepOf(step)}`)
}

function stepOf({ rule, field, from, before, after, issue }: Step): string {
  const where = `${rule} ${field === '' ? 'the payload' : field}${from === undefined ? '' : ` from ${from}`}`
  const change = before === undefined && after === undefined ? 'absent' : `${brief(before)} → ${brief(after)}`
  return `${where}: ${change}${issue === undefined ? '' : `, ${issue.text}`}`
}

function brief(value: Json | undefined): string {
  if (value === undefined) return 'absent'
  const text = canonicalJson(value)
  return text.length > BRIEF_CHARS ? `${text.slice(0, BRIEF_CHARS)}…` : text
}

const BRIEF_CHARS = 60

function replayOf(replay: Replay): string {
  switch (replay.kind) {
    case 'same':
      return 'the policies make of the events what was agreed, at every stage'
    case 'differs':
      return `DIFFERENT at stage ${replay.stage}: agreed ${replay.agreed}, made ${replay.made}`
    case 'impossible':
      return `not possible: ${replay.fault.detail}`
  }
}
