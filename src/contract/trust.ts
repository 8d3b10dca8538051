import { fromHex, toHex } from '../core/bytes.ts'
import { accepted, type Outcome } from '../core/fault.ts'
import { quorums } from '../core/level.ts'
import { readBump } from './bump.ts'
import { agreeingAnswers, type Evidence, invalid } from './evidence.ts'
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
  readonly blockHeight: number | null
}

/** One level after the other: a proof that is not signed for the reader is not anchored for the reader either. */
export function weigh(evidence: Evidence, trust: Trust): Outcome<Weight> {
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
  { proof, beef, spendsJudged }: Evidence,
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
  if (!spendsJudged)
    return accepted({ anchored: 'a transaction has a script that this verifier cannot judge; ask a node' })
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
