import { concat, knownHex, toHex, u32be } from '../bytes.ts'
import { digestHex } from '../digest.ts'
import { inclusionPath, leafHash, merkleRoot } from '../merkle.ts'

export const ROUND_PACKETS_MAX = 64

/** A round is its packets in order and how often they were tried: the same packets again are another round. */
export function roundId(attempt: number, packetIds: readonly string[]): string {
  return roundIdFromRoot(attempt, packetIds.length, merkleRoot(hashedLeaves(packetIds)))
}

/** For who holds one packet of a round and its path, rather than all of them. */
export function roundIdFromRoot(attempt: number, count: number, root: Uint8Array): string {
  return digestHex('assay:round:1', u32be(attempt), u32be(count), root)
}

/** Siblings from packet `index` to the root that the roundId commits to, nearest first. */
export function pathInRound(packetIds: readonly string[], index: number): string[] {
  return inclusionPath(hashedLeaves(packetIds), index).map(toHex)
}

/** RFC 6962 root over 32-byte values in hex, each hashed as a leaf: packetIds of a round, leaves of a job. */
export function rootOver(values: readonly string[]): string {
  return toHex(merkleRoot(hashedLeaves(values)))
}

function hashedLeaves(values: readonly string[]): Uint8Array {
  return concat(...values.map(value => leafHash(knownHex(value))))
}
