import { accepted, type FaultCode, FaultError, type Outcome } from '../core/fault.ts'

/** Reads a binary format from its first byte to its last, in the one spelling that each number has. */
export type ByteReader = {
  /** A view, not a copy. */
  bytes(length: number): Uint8Array
  byte(): number
  u32(): number
  /** Bitcoin's variable-length integer in its shortest form, below 2^53. */
  varInt(): number
  /** A varInt that announces items of at least `itemBytesMin` each: refused where they cannot all be there. */
  count(itemBytesMin: number): number
  /** 64 bits, little-endian, below 2^53. */
  u64(): number
  position(): number
  between(start: number, end: number): Uint8Array
  refuse(detail: string): never
}

/**
 * Runs `read` over all of `bytes`. What it refuses, and bytes left over, come back as a fault of this code. `itemsMax`
 * bounds everything that is counted: an item of a few bytes takes hundreds of them in memory.
 */
export function readWhole<T>(
  bytes: Uint8Array,
  code: FaultCode,
  read: (from: ByteReader) => T,
  itemsMax = Number.POSITIVE_INFINITY,
): Outcome<T> {
  const from = openReader(bytes, code, itemsMax)
  try {
    const value = read(from)
    if (from.position() !== bytes.length) from.refuse('bytes follow where the end was announced')
    return accepted(value)
  } catch (error) {
    if (error instanceof FaultError) return { ok: false, fault: error.fault }
    throw error
  }
}

function openReader(source: Uint8Array, code: FaultCode, itemsMax: number): ByteReader {
  const view = new DataView(source.buffer, source.byteOffset, source.length)
  let at = 0
  let counted = 0

  function refuse(detail: string): never {
    throw new FaultError({ code, detail: `${detail} (near byte ${at})` })
  }
  function skip(length: number): number {
    if (length > source.length - at) refuse('the bytes end too early')
    const start = at
    at += length
    return start
  }
  const bytes = (length: number) => {
    const start = skip(length)
    return source.subarray(start, at)
  }
  const byte = () => view.getUint8(skip(1))
  const u32 = () => view.getUint32(skip(4), true)
  const u64 = () => {
    const start = skip(8)
    const high = view.getUint32(start + 4, true)
    if (high >= 0x20_0000) refuse('a number reaches 2^53')
    return high * 0x1_0000_0000 + view.getUint32(start, true)
  }
  const varInt = () => {
    const first = byte()
    if (first < 0xfd) return first
    const value = first === 0xfd ? view.getUint16(skip(2), true) : first === 0xfe ? u32() : u64()
    const shorterFormReaches = first === 0xfd ? 0xfc : first === 0xfe ? 0xffff : 0xffff_ffff
    return value > shorterFormReaches ? value : refuse('a length is not in its shortest form')
  }
  return {
    bytes,
    byte,
    u32,
    u64,
    varInt,
    count(itemBytesMin) {
      const items = varInt()
      if (items * itemBytesMin > source.length - at) refuse('more items are announced than bytes are left')
      counted += items
      if (counted > itemsMax) refuse(`more than ${itemsMax} items are announced, all taken together`)
      return items
    },
    position: () => at,
    between: (start, end) => source.subarray(start, end),
    refuse,
  }
}
