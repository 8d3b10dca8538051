import { sha256 } from '#sha256'
import { hasWork, targetOf } from '../../../contract/headers.ts'
import { hashText } from '../../../contract/transaction.ts'
import { accepted, type Outcome, refused } from '../../../core/fault.ts'
import { HEADER_BYTES, previousOf } from '../block.ts'
import type { Anchor } from './anchor.ts'

/** A header with its place in a chain. */
export type PlacedHeader = {
  readonly header: Uint8Array
  readonly hash: string
  readonly previous: string
  readonly height: number
  /** Of this one and all before it: how many hashes it takes on average to make them. */
  readonly work: bigint
}

/** No rule that the network has ever had changes the target by more, from one block to the next. */
const TARGET_STEP_MAX = 4n

/**
 * Judges a header that names `parent` as the one before it. Not checked: which target exactly the network's rules
 * ask for, and the time. A chain that is too easy has less work for it, and work is what decides between chains.
 */
export function judgeHeader(
  header: Uint8Array,
  parent: Pick<PlacedHeader, 'header' | 'hash' | 'height' | 'work'>,
  anchor: Anchor,
): Outcome<PlacedHeader> {
  const height = parent.height + 1
  const against = (what: string) => refused('headers-invalid', `the header at height ${height} ${what}`)
  if (header.length !== HEADER_BYTES) return against(`has ${header.length} bytes, not ${HEADER_BYTES}`)
  const previous = previousOf(header)
  if (previous !== parent.hash) return against('does not follow the one before it')

  const digest = sha256(sha256(header))
  const hash = hashText(digest)
  const target = targetOf(header)
  if (target === undefined || !hasWork(digest, header)) return against('lacks the work that it claims')
  if (target > targetOfBits(anchor.easiestBits))
    return against('claims less work than any block of this network may have')
  const before = targetOf(parent.header) ?? target
  if (
    anchor.difficultySteps === 'bounded' &&
    (target > before * TARGET_STEP_MAX || before > target * TARGET_STEP_MAX)
  )
    return against(`changes the difficulty more than ${TARGET_STEP_MAX} times over`)
  const expected = anchor.checkpoints.get(height)
  if (expected !== undefined && expected !== hash)
    return against(`is ${hash}, where this network has ${expected}: these headers are of another network`)
  return accepted({ header, hash, previous, height, work: parent.work + workOf(target) })
}

/** The first header, which is what it is. */
export function placeGenesis({ genesis }: Anchor): PlacedHeader {
  return {
    header: genesis,
    hash: hashText(sha256(sha256(genesis))),
    previous: previousOf(genesis),
    height: 0,
    work: workOf(targetOf(genesis) ?? noTarget()),
  }
}

function workOf(target: bigint): bigint {
  return (1n << 256n) / (target + 1n)
}

function targetOfBits(bits: number): bigint {
  const header = new Uint8Array(HEADER_BYTES)
  new DataView(header.buffer).setUint32(72, bits, true)
  return targetOf(header) ?? noTarget()
}

function noTarget(): never {
  throw new Error('the network’s anchor names no target that a block could meet')
}
