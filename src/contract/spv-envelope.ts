import * as z from 'zod'
import { sha256 } from '#sha256'
import { concat, knownHex, sameBytes, toHex } from '../core/bytes.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type Bump, readBump, writeBump } from './bump.ts'
import { hashText } from './transaction.ts'

/**
 * The envelope that DLM1 nodes pass on as proof of inclusion: a Merkle path as siblings from the leaf up, and the block
 * that it leads to. Hashes as explorers print them.
 */
export type SpvEnvelope = z.output<typeof spvEnvelope>

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 64 lower-case hex digits')
const height = z.int().min(0).max(0xffff_ffff)
/** A block has fewer than 2^31 transactions. */
const PATH_MAX = 31

export const spvEnvelope = z.looseObject({
  rawTx: z.string().optional(),
  txid: hash.optional(),
  proof: z.looseObject({
    txid: hash,
    merkleRoot: hash.optional(),
    path: z.array(z.looseObject({ hash, position: z.enum(['left', 'right']) })).max(PATH_MAX),
  }),
  block: z.looseObject({
    blockHeader: z
      .string()
      .regex(/^[0-9a-f]{160}$/, 'wanted 80 bytes in lower-case hex')
      .optional(),
    blockHash: hash.optional(),
    blockHeight: height.optional(),
  }),
})

/** How deep its block is counts from a tip, and is never stored. */
export type ProvenEnvelope = SpvEnvelope & { readonly confirmations: number }

/** A transaction with its proof, as it is given away; of a header whose bytes are kept elsewhere only the height is told. */
export function provenEnvelope({
  txid,
  raw,
  proof,
  header,
  height,
  tipHeight,
}: {
  readonly txid: string
  readonly raw: Uint8Array
  readonly proof: SpvEnvelope['proof']
  readonly header: Uint8Array | undefined
  readonly height: number
  readonly tipHeight: number
}): ProvenEnvelope {
  const block = {
    ...(header !== undefined && {
      blockHeader: toHex(header),
      blockHash: hashText(sha256(sha256(header))),
    }),
    blockHeight: height,
  }
  return { rawTx: toHex(raw), txid, proof, block, confirmations: tipHeight - height + 1 }
}

/**
 * What is wrong with an envelope by itself; undefined where it hangs together. Which root the block at its height has,
 * headers of one's own say, and never the envelope.
 */
export function againstEnvelope(
  { rawTx, txid: named, proof, block }: SpvEnvelope,
  transaction: { readonly txid: string; readonly rawHex: string },
): string | undefined {
  if (named !== undefined && named !== proof.txid) return 'txid-mismatch-top-level-vs-proof'
  if (proof.txid !== transaction.txid || (rawTx !== undefined && rawTx !== transaction.rawHex))
    return 'txid-mismatch-rawtx-vs-proof'
  const root = rootOf(proof)
  if (proof.merkleRoot !== undefined && proof.merkleRoot !== root) return 'invalid-merkle-path'
  if (block.blockHeader === undefined) return undefined
  const header = knownHex(block.blockHeader)
  if (hashText(header.subarray(36, 68)) !== root) return 'invalid-merkle-path'
  const hash = hashText(sha256(sha256(header)))
  return block.blockHash !== undefined && block.blockHash !== hash ? 'invalid-block-header' : undefined
}

/** Of the transaction that the path begins at. */
function rootOf(proof: SpvEnvelope['proof']): string {
  const bump = bumpOf(proof, 0)
  return bump.ok ? bump.value.root : ''
}

/** The same path as a BUMP, with the height of its block. */
export function bumpOf({ txid, path }: SpvEnvelope['proof'], height: number): Outcome<Bump> {
  let offset = 0
  for (const [level, { position }] of path.entries()) if (position === 'left') offset += 2 ** level
  let climbed = reversed(txid)
  const own = { offset, hash: climbed, txid: true }
  const levels = path.map(({ hash, position }, level) => {
    const at = Math.floor(offset / 2 ** level)
    const beside = reversed(hash)
    // At the end of an odd row the tree repeats a node, and a BUMP says so instead of giving its hash again.
    const isRepeated = position === 'right' && sameBytes(beside, climbed)
    climbed = sha256(sha256(position === 'left' ? concat(beside, climbed) : concat(climbed, beside)))
    const sibling = {
      offset: at % 2 === 0 ? at + 1 : at - 1,
      hash: isRepeated ? undefined : beside,
      txid: false,
    }
    return level === 0 ? [own, sibling].sort((a, b) => a.offset - b.offset) : [sibling]
  })
  const bump = readBump(writeBump({ height, levels: levels.length === 0 ? [[own]] : levels }))
  return bump.ok ? accepted(bump.value) : refused('proof-invalid', bump.fault.detail)
}

function reversed(text: string): Uint8Array {
  return knownHex(text).reverse()
}

/** What a BUMP of one transaction says, as an envelope's proof. */
export function proofOf(bump: Bump, txid: string): SpvEnvelope['proof'] | undefined {
  const leaf = bump.levels[0]?.find(({ hash }) => hash !== undefined && hashText(hash) === txid)
  if (leaf?.hash === undefined) return undefined
  const path: SpvEnvelope['proof']['path'] = []
  let offset = leaf.offset
  let climbed = leaf.hash
  for (const [level, nodes] of bump.levels.entries()) {
    const isLeft = offset % 2 === 1
    const beside = nodes.find(node => node.offset === (isLeft ? offset - 1 : offset + 1))
    // The one transaction of its block has nothing beside it.
    if (beside === undefined) return level === 0 ? { txid, merkleRoot: bump.root, path } : undefined
    const sibling = beside.hash ?? climbed
    // Copied: the slice of a Buffer is the Buffer itself, and the path above goes on from these bytes.
    path.push({ hash: toHex(sibling.toReversed()), position: isLeft ? 'left' : 'right' })
    climbed = sha256(sha256(isLeft ? concat(sibling, climbed) : concat(climbed, sibling)))
    offset = Math.floor(offset / 2)
  }
  return { txid, merkleRoot: bump.root, path }
}
