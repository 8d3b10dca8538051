import { sha256 } from '#sha256'
import { concat, concatAll, sameBytes } from '../core/bytes.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type ByteReader, readWhole } from './byte-reader.ts'
import { hashText, varInt } from './transaction.ts'

/** BRC-74: the part of a block's Merkle tree that ties some of its transactions to its root. */
export type Bump = {
  readonly height: number
  /** Level 0 holds txids; every level only what cannot be computed from the one below. */
  readonly levels: readonly (readonly BumpNode[])[]
  /** What all of level 0 leads to; as explorers print it. Whether a block has this root is for headers to say. */
  readonly root: string
  /** Every txid at level 0: what `root` holds good for. */
  readonly leaves: ReadonlySet<string>
}

type BumpNode = {
  readonly offset: number
  /** In the order it is hashed in. Undefined: the tree repeats the node to its left here. */
  readonly hash: Uint8Array | undefined
  /** Level 0: a transaction that this path is for, rather than a neighbour. */
  readonly txid: boolean
}

const BUMP_LEVELS_MAX = 32
/** Height, levels, and one level of one node. */
export const BUMP_BYTES_MIN = 1 + 1 + 1 + 34
const NODE_BYTES_MIN = 2

export function readBump(bytes: Uint8Array): Outcome<Bump> {
  return readWhole(bytes, 'transaction-invalid', takeBump)
}

export function takeBump(from: ByteReader): Bump {
  const height = from.varInt()
  if (height > 0xffff_ffff) from.refuse('a block height needs more than 32 bits')
  const levelCount = from.byte()
  if (levelCount === 0 || levelCount > BUMP_LEVELS_MAX)
    from.refuse(`a Merkle path has not between 1 and ${BUMP_LEVELS_MAX} levels`)
  const levels = Array.from({ length: levelCount }, (_, level) => takeLevel(from, level, levelCount))
  return bumpOf(height, levels, from.refuse)
}

function bumpOf(height: number, levels: Bump['levels'], refuse: Refuse): Bump {
  const { root, hashes } = climb(levels, refuse)
  const leaves = [...(hashes[0]?.values() ?? [])].flatMap(hash => hash ?? []).map(hashText)
  return { height, levels, root: hashText(root), leaves: new Set(leaves) }
}

export function writeBump({ height, levels }: Pick<Bump, 'height' | 'levels'>): Uint8Array {
  return concat(
    varInt(height),
    Uint8Array.of(levels.length),
    concatAll(levels.flatMap(level => [varInt(level.length), concatAll(level.map(nodeBytes))])),
  )
}

/** The root that the path leads to from this transaction. */
export function computeRoot(bump: Bump, txid: string): Outcome<string> {
  return bump.leaves.has(txid)
    ? accepted(bump.root)
    : refused('transaction-invalid', 'the Merkle path is not for this transaction; ask for its own')
}

/** The same path with nothing in it that these txids do not need, in the one order a writer may use. */
export function trimBump(bump: Bump, txids: ReadonlySet<string>): Bump {
  if (isTrimmed(bump, txids)) return bump
  const { hashes, offsetsOf } = climbedOnce(bump)
  let onTheWay = new Set([...txids].flatMap(txid => offsetsOf.get(txid) ?? []))
  const levels = hashes.map((known, level) => {
    const wanted = new Set(level === 0 ? onTheWay : [])
    for (const offset of onTheWay) if (!onTheWay.has(beside(offset))) wanted.add(beside(offset))
    const nodes = [...wanted]
      .filter(offset => known.has(offset))
      .sort((a, b) => a - b)
      .map(offset => ({ offset, hash: known.get(offset), txid: level === 0 && onTheWay.has(offset) }))
    onTheWay = new Set([...onTheWay].map(above))
    return nodes
  })
  return bumpOf(bump.height, levels, throwing)
}

/** The usual path, of one transaction alone: everything in it was found to stand beside the way when it was read. */
function isTrimmed({ levels }: Bump, txids: ReadonlySet<string>): boolean {
  const [[left, right, ...more] = [], ...above] = levels
  const own = left?.txid ? left : right
  return (
    txids.size === 1 &&
    left !== undefined &&
    right !== undefined &&
    more.length === 0 &&
    left.offset < right.offset &&
    left.txid !== right.txid &&
    own?.hash !== undefined &&
    txids.has(hashText(own.hash)) &&
    above.every(level => level.length === 1)
  )
}

type Climbed = { readonly hashes: readonly Hashes[]; readonly offsetsOf: ReadonlyMap<string, number[]> }
const climbedBefore = new WeakMap<Bump['levels'], Climbed>()

/** A path for thousands is trimmed to each of them in turn, and climbing it takes as long as it is wide. */
function climbedOnce({ levels }: Bump): Climbed {
  const known = climbedBefore.get(levels)
  if (known !== undefined) return known
  const { hashes } = climb(levels, throwing)
  const offsetsOf = new Map<string, number[]>()
  for (const [offset, hash] of hashes[0] ?? []) {
    if (hash === undefined) continue
    const txid = hashText(hash)
    const offsets = offsetsOf.get(txid)
    if (offsets === undefined) offsetsOf.set(txid, [offset])
    else offsets.push(offset)
  }
  const climbed = { hashes, offsetsOf }
  climbedBefore.set(levels, climbed)
  return climbed
}

/** One path for all that these paths of one block are for. */
export function mergeBumps(bumps: readonly Bump[], refuse: Refuse): Bump {
  const [first = refuse('there is no Merkle path to merge'), ...others] = bumps
  if (others.length === 0) return first
  if (others.some(({ root, levels }) => root !== first.root || levels.length !== first.levels.length))
    refuse('two Merkle paths of one height lead to different blocks')
  const levels = first.levels.map((_, level) => {
    const nodes = bumps.flatMap(bump => bump.levels[level] ?? [])
    return [...new Map(nodes.map(node => [node.offset, node])).values()]
  })
  return bumpOf(first.height, levels, refuse)
}

/** For a path that was read before, or is built here: a fault in it is ours. */
export const throwing: Refuse = detail => {
  throw new Error(detail)
}

export type Refuse = (detail: string) => never
type Hashes = Map<number, Uint8Array | undefined>

/**
 * From level 0 to the root. Everything at level 0 must arrive there, every other node must stand beside the
 * way, and none may contradict what the level below it computes to.
 */
function climb(levels: Bump['levels'], refuse: Refuse): { root: Uint8Array; hashes: Hashes[] } {
  const hashes: Hashes[] = []
  let derived = new Map<number, Uint8Array>()
  for (const [level, nodes] of levels.entries()) {
    if (level === 0) for (const { offset, hash } of nodes) if (hash !== undefined) derived.set(offset, hash)
    const known: Hashes = new Map(derived)
    for (const { offset, hash } of nodes) {
      const computed = derived.get(offset)
      if (level > 0 && !derived.has(beside(offset))) refuse('a Merkle path holds a node that leads nowhere')
      if (computed !== undefined && !(hash !== undefined && sameBytes(hash, computed)))
        refuse('a Merkle path contradicts itself')
      known.set(offset, hash)
    }
    hashes.push(known)
    // A block of one transaction: its txid is the root.
    derived = isLoneLeaf(levels) ? derived : parentsOf(derived, known, refuse)
  }
  const root = derived.get(0) ?? refuse('a Merkle path is empty')
  return { root, hashes }
}

function parentsOf(
  derived: ReadonlyMap<number, Uint8Array>,
  known: Hashes,
  refuse: Refuse,
): Map<number, Uint8Array> {
  const parents = new Map<number, Uint8Array>()
  for (const [offset, hash] of derived) {
    if (parents.has(above(offset))) continue
    if (!known.has(beside(offset))) refuse('a Merkle path lacks a node on the way to the root')
    const stated = known.get(beside(offset))
    // Two equal nodes hash as one that is repeated, so a block with a transaction twice would have the same root.
    if (stated !== undefined && sameBytes(stated, hash))
      refuse('a Merkle path holds a node equal to its neighbour, where it must say that the node is repeated')
    const neighbour = stated ?? hash
    const pair = offset % 2 === 0 ? concat(hash, neighbour) : concat(neighbour, hash)
    parents.set(above(offset), sha256(sha256(pair)))
  }
  return parents
}

function isLoneLeaf(levels: Bump['levels']): boolean {
  return levels.length === 1 && levels[0]?.length === 1 && levels[0][0]?.offset === 0
}

// Arithmetic, not bits: offsets use all 32, and JavaScript's bits carry a sign.
const beside = (offset: number) => (offset % 2 === 0 ? offset + 1 : offset - 1)
const above = (offset: number) => Math.floor(offset / 2)

function takeLevel(from: ByteReader, level: number, levelCount: number): BumpNode[] {
  const width = 2 ** (levelCount - level)
  const nodes = Array.from({ length: from.count(NODE_BYTES_MIN) }, () => takeNode(from, width))
  if (level > 0 && nodes.some(node => node.txid))
    from.refuse('a Merkle path calls an inner node a transaction')
  if (new Set(nodes.map(node => node.offset)).size < nodes.length)
    from.refuse('a Merkle path names one node twice')
  return nodes
}

const flags = { neighbour: 0, repeated: 1, txid: 2 }

function takeNode(from: ByteReader, width: number): BumpNode {
  const offset = from.varInt()
  if (offset >= width) from.refuse('a Merkle path names a node outside its tree')
  const flag = from.byte()
  if (flag > flags.txid) from.refuse('a Merkle path carries an unknown flag')
  if (flag !== flags.repeated) return { offset, hash: from.bytes(32), txid: flag === flags.txid }
  if (offset % 2 === 0) from.refuse('a Merkle path repeats a node that has none to its left')
  return { offset, hash: undefined, txid: false }
}

function nodeBytes({ offset, hash, txid }: BumpNode): Uint8Array {
  if (hash === undefined) return concat(varInt(offset), Uint8Array.of(flags.repeated))
  return concat(varInt(offset), Uint8Array.of(txid ? flags.txid : flags.neighbour), hash)
}
