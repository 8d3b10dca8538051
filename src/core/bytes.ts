const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const hexDigits = encoder.encode('0123456789abcdef')
const hexDecoder = new TextDecoder()

/** A text in one piece: one that is put together digit by digit keeps all its pieces for as long as it is kept. */
export function toHex(bytes: Uint8Array): string {
  const digits = new Uint8Array(2 * bytes.length)
  let at = 0
  for (const byte of bytes) {
    digits[at++] = hexDigits[byte >> 4] ?? 0
    digits[at++] = hexDigits[byte & 15] ?? 0
  }
  return hexDecoder.decode(digits)
}

/** Lower-case hex of even length, or undefined: upper case would let one value have two spellings. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (nibble(text.charCodeAt(2 * i)) << 4) | nibble(text.charCodeAt(2 * i + 1))
  return bytes
}

/** Of one of 0-9 and a-f. */
function nibble(code: number): number {
  return code < 0x3a ? code - 0x30 : code - 0x57
}

/** For hex that a schema has already checked. */
export function knownHex(text: string): Uint8Array {
  const bytes = fromHex(text)
  if (bytes === undefined) throw new Error(`"${text.slice(0, 80)}" is not lower-case hex of even length`)
  return bytes
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text, or undefined where the bytes are not UTF-8. A byte order mark stays part of the text. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    // The decoder's only complaint is "not UTF-8", which is exactly what undefined says.
    return undefined
  }
}

/** For a handful of parts; a list of any length goes to concatAll. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return concatAll(parts)
}

/** Takes the list as it is: spread into arguments, a long one would overflow the stack. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/** Bytewise, shorter first on a tie: the order of every sorted list of keys. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** For 0 ≤ value < 2^53. */
export function u64be(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  // A DataView costs more than the eight of them.
  const [high, low] = [Math.floor(value / 0x1_0000_0000), value >>> 0]
  for (let i = 0; i < 4; i++) {
    bytes[i] = high >>> (24 - 8 * i)
    bytes[4 + i] = low >>> (24 - 8 * i)
  }
  return bytes
}
