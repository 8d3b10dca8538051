import {
  againstEnvelope,
  type ProvenEnvelope,
  provenEnvelope,
  type SpvEnvelope,
} from '../../contract/spv-envelope.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { toHex } from '../../core/bytes.ts'
import { readAnchor } from '../../core/certificate/anchor.ts'
import type { Block, Carrier, FullCarrier } from './known-version.ts'

/** Why there is no proof of a version that holds, in the words of DLM1 nodes. */
export type NoProof = 'missing-envelope' | SpvReason

export type SpvReason =
  | 'txid-mismatch-rawtx-vs-proof'
  | 'onchain-mh-mismatch'
  | 'unknown-block-hash'
  | 'merkle-root-unavailable'
  | 'invalid-merkle-path'
  | 'invalid-block-header'
  | 'insufficient-confs'

/** Whether the block that the stored proof names is one of the best chain. */
export function againstBlock(
  { block }: Pick<Carrier, 'block'>,
  found: Pick<Block, 'root'> | undefined,
): NoProof | undefined {
  if (block === null) return 'missing-envelope'
  if (found === undefined) return 'merkle-root-unavailable'
  return found.root === block.root ? undefined : 'unknown-block-hash'
}

/** A certificate whose token is spent, or that the network will not have, proves nothing any more. */
export function isLive({ state }: Pick<Carrier, 'state'>): boolean {
  return state === 'anchored' || state === 'proven' || state === 'declared'
}

/** The transaction with its proof, as other nodes read it; what is cached of it is never how deep it is. */
export function envelopeOf(
  { txid, raw, block, proof }: FullCarrier,
  { header }: Block,
  tipHeight: number,
): ProvenEnvelope | undefined {
  if (proof === undefined || block === null) return undefined
  return provenEnvelope({ txid, raw, proof, header, height: block.height, tipHeight })
}

/** Everything that whoever is given the envelope can check, checked before. */
export function againstCarrier(
  { versionId, vout, raw, txid }: FullCarrier,
  envelope: SpvEnvelope,
): SpvReason | undefined {
  const transaction = readTransaction(raw)
  if (!transaction.ok || transaction.value.txid !== txid) return 'txid-mismatch-rawtx-vs-proof'
  const script = transaction.value.outputs[vout]?.script
  const anchor = script && readAnchor(script)
  if (!anchor?.ok || anchor.value.manifestHash !== versionId) return 'onchain-mh-mismatch'
  const why = againstEnvelope(envelope, { txid, rawHex: toHex(raw) })
  return why === undefined || isSpvReason(why) ? why : 'txid-mismatch-rawtx-vs-proof'
}

function isSpvReason(why: string): why is SpvReason {
  return (
    why === 'invalid-merkle-path' || why === 'invalid-block-header' || why === 'txid-mismatch-rawtx-vs-proof'
  )
}
