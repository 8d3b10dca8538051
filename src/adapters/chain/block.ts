import { sha256 } from '#sha256'
import {
  buildTransaction,
  hashText,
  nowhere,
  type Output,
  type Transaction,
  u32le,
} from '../../contract/transaction.ts'
import { concat, knownHex, utf8 } from '../../core/bytes.ts'
import { pushData } from '../../core/script-push.ts'

export const HEADER_BYTES = 80
/** The easiest target there is: about every second hash meets it. */
const BITS = 0x207fffff
const BLOCK_VERSION = 0x2000_0000

export type HeaderFields = {
  /** Of the block before, as explorers print it. */
  readonly previous: string
  readonly root: Uint8Array
  readonly timeSeconds: number
}

/** A header that meets its target: the nonce is really searched for, if not for long. */
export function mineHeader({ previous, root, timeSeconds }: HeaderFields): Uint8Array {
  const start = concat(
    u32le(BLOCK_VERSION),
    knownHex(previous).toReversed(),
    root,
    u32le(timeSeconds),
    u32le(BITS),
  )
  for (let nonce = 0; ; nonce++) {
    const header = concat(start, u32le(nonce))
    if (meetsTarget(sha256(sha256(header)))) return header
  }
}

/** The target's top byte is 7f: the hash, read from its end, must begin with a zero bit. */
function meetsTarget(hash: Uint8Array): boolean {
  return (hash[31] ?? 0xff) < 0x80
}

export function headerHash(header: Uint8Array): string {
  return hashText(sha256(sha256(header)))
}

export function previousOf(header: Uint8Array): string {
  return hashText(header.subarray(4, 36))
}

export function rootOf(header: Uint8Array): string {
  return hashText(header.subarray(36, 68))
}

export function timeOf(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset).getUint32(68, true)
}

/** What stands in the first header's place for a block before it. */
export const noHash = '0'.repeat(64)

/**
 * The transaction that begins a block. `salt` keeps two blocks of one height, on two branches, from beginning
 * with the same transaction.
 */
export function coinbase(height: number, salt: Uint8Array, output: Output = nothing): Transaction {
  const script = concat(pushData(scriptNumber(height)), pushData(salt))
  return buildTransaction([{ ...nowhere, script }], [output])
}

/**
 * Blocks after the first mint nothing, and nobody can spend a coinbase of theirs: the stock SDK refuses what comes
 * from offset 0 of a block more than 100 blocks deep, so such coins would go bad in their owner's hands.
 */
const nothing: Output = { satoshis: 0, script: concat(Uint8Array.of(0x00, 0x6a), pushData(utf8('local'))) }

/** Little-endian, as short as it goes, the top bit being a sign. */
function scriptNumber(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256)
  if ((bytes.at(-1) ?? 0) >= 0x80) bytes.push(0)
  return Uint8Array.from(bytes)
}
