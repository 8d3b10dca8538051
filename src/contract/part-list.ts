import { concatAll, u32be } from '../core/bytes.ts'
import type { Outcome } from '../core/fault.ts'
import { readWhole } from './byte-reader.ts'

/*
 * Several parts of one kind in one answer, asked for by their names with commas between them. Per name, in its order: u32be
 * length ‖ bytes, or a length of ffffffff where the answer is without that part.
 */

export const PART_LIST_NAMES_MAX = 64
/** Of all parts of an answer. What no longer fits is left out, and asked for by itself. */
export const PART_LIST_BYTES_MAX = 4 * 1024 * 1024
/** Of a whole answer. */
export const PART_LIST_ANSWER_BYTES_MAX = PART_LIST_BYTES_MAX + 4 * PART_LIST_NAMES_MAX

const LEFT_OUT = 0xffff_ffff

export function writePartList(parts: readonly (Uint8Array | undefined)[]): Uint8Array {
  return concatAll(
    parts.flatMap(part => (part === undefined ? [u32be(LEFT_OUT)] : [u32be(part.length), part])),
  )
}

/** As many parts as were asked for, in their order. */
export function readPartList(bytes: Uint8Array, count: number): Outcome<(Uint8Array | undefined)[]> {
  return readWhole(bytes, 'round-invalid', from =>
    Array.from({ length: count }, () => {
      const length = from.bytes(4).reduce((value, byte) => value * 256 + byte, 0)
      return length === LEFT_OUT ? undefined : from.bytes(length)
    }),
  )
}
