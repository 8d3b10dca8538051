import { knownHex, sameBytes, toHex } from '../core/bytes.ts'
import { accepted, type Outcome } from '../core/fault.ts'
import { quorums } from '../core/level.ts'
import { type Bump, readBump, trimBump, writeBump } from './bump.ts'
import { agreeingAnswers, invalid, type PacketEvidence } from './evidence.ts'
import type { HeaderChain } from './headers.ts'

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

export type Weight = {
  readonly level: ProofLevel
  readonly shortfall: string | null
  /** Of a certificate that is `proven`; before that the height is the sender's word. */
  readonly blockHeight: number | null
  /** Why the reader's headers do not vouch for all of its blocks, whatever the level. */
  readonly blocksOpen: string | undefined
}

/** One level after the other: a proof that is not signed for the reader is not anchored for the reader either. */
export function weigh(evidence: PacketEvidence, trust: Trust): Outcome<Weight> {
  const own = ownBlock(evidence)
  if (!own.ok) return own
  const lie = contradicted(evidence, own.value, trust)
  if (lie !== undefined) return lie
  const unsigned = whyNotSigned(evidence, trust)
  const unanchored = whyNotAnchored(evidence, trust)
  const unproven = unanchored ?? whyNotProven(own.value, trust)
  const reached = (level: ProofLevel, shortfall: string | null) =>
    accepted({
      level,
      shortfall,
      blockHeight: level === 'proven' ? (own.value?.height ?? null) : null,
      blocksOpen: unproven,
    })

  if (unsigned !== undefined) return reached('consistent', unsigned)
  if (unanchored !== undefined) return reached('signed', unanchored)
  if (!evidence.spendsJudged) return reached('signed', spendsOpen)
  if (unproven !== undefined) return reached('anchored', unproven)
  return reached('proven', null)
}

/** For a lock that no template of ours is. */
export const spendsOpen = 'a transaction spends a lock that this verifier cannot judge; ask a node'

function whyNotSigned(
  { proof, trail, leaves }: PacketEvidence,
  { logs, operators }: Trust,
): string | undefined {
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

type Block = Pick<Bump, 'height' | 'root'>

function ownBlock({ proof, beef }: PacketEvidence): Outcome<Block | undefined> {
  if (proof.block === undefined) return accepted(undefined)
  const bytes = knownHex(proof.block)
  const bump = readBump(bytes)
  if (!bump.ok) return bump
  const { txid } = beef.subject
  if (!bump.value.leaves.has(txid))
    return invalid('the block proof is for another transaction than the certificate', '/block')
  if (!sameBytes(writeBump(trimBump(bump.value, new Set([txid]))), bytes))
    return invalid('the block proof holds more than the path of the certificate, or another order', '/block')
  return bump
}

/** One header that says otherwise outweighs all that are missing, so every block is asked for before any is missed. */
function contradicted({ proof, beef }: PacketEvidence, own: Block | undefined, { headers }: Trust) {
  if (headers?.network !== proof.packet.header.network) return undefined
  const blocks = beef.transactions.map(({ proof: block }) => ({ block, pointer: '/beef' }))
  for (const { block, pointer } of [...blocks, { block: own, pointer: '/block' }]) {
    if (block === undefined) continue
    const known = headers.rootAt(block.height)
    if (known !== undefined && toHex(known.toReversed()) !== block.root)
      return invalid(`block ${block.height} has another Merkle root than the proof leads to`, pointer)
  }
  return undefined
}

function whyNotAnchored(
  { proof, beef }: PacketEvidence,
  { headers, allowLocal = false }: Trust,
): string | undefined {
  const { network } = proof.packet.header
  if (network === 'local' && !allowLocal)
    return 'the chain is a private one (local), whose blocks prove nothing to others'
  if (headers === undefined) return 'no block headers to check against'
  if (headers.network !== network) return `the headers are of ${headers.network}, the proof is of ${network}`
  return beef.transactions
    .map(({ proof: block }) => block && beyond(block, headers))
    .find(why => why !== undefined)
}

function whyNotProven(own: Block | undefined, { headers }: Trust): string | undefined {
  if (own === undefined) return 'the certificate has no block proof yet'
  return headers && beyond(own, headers)
}

function beyond({ height }: Block, headers: HeaderChain): string | undefined {
  return headers.rootAt(height) === undefined
    ? `block ${height} is outside the headers given, ${headers.firstHeight} to ${headers.tipHeight}`
    : undefined
}
