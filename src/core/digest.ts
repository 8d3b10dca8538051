import { sha256, sha256Hex, sha256OfParts, writeUtf8 } from '#sha256'
import { toHex, u32be, utf8 } from './bytes.ts'

/**
 * The one way several things are hashed together: SHA-256 over
 * `u8 len(tag) ‖ tag ‖ (u32be len(field) ‖ field)*`. Lengths keep bytes from moving across a border between
 * fields; the tag keeps a hash made for one purpose from being shown for another.
 */
export function digest(tag: DigestTag, ...fields: readonly Field[]): Uint8Array {
  const whole = preimage(tag, fields)
  return whole === undefined ? sha256OfParts(partsOf(tag, fields)) : sha256(whole)
}

export function digestHex(tag: DigestTag, ...fields: readonly Field[]): string {
  const whole = preimage(tag, fields)
  return whole === undefined ? toHex(sha256OfParts(partsOf(tag, fields))) : sha256Hex(whole)
}

type Field = Uint8Array | string
export type DigestTag = `assay:${string}:${number}`

const scratchBytes = 64 * 1024
const scratch = new Uint8Array(scratchBytes)
const scratchView = new DataView(scratch.buffer)

/** What is hashed, in one piece and only lent; undefined where it may be too long to be copied for that. */
function preimage(tag: DigestTag, fields: readonly Field[]): Uint8Array | undefined {
  let room = 1 + tag.length
  for (const field of fields) room += 4 + (typeof field === 'string' ? 3 * field.length : field.length)
  if (room > scratchBytes) return undefined

  scratch[0] = tag.length
  let at = 1 + writeUtf8(tag, scratch, 1)
  for (const field of fields) {
    let length = field.length
    if (typeof field === 'string') length = writeUtf8(field, scratch, at + 4)
    else scratch.set(field, at + 4)
    scratchView.setUint32(at, length)
    at += 4 + length
  }
  return scratch.subarray(0, at)
}

/** The same piece by piece. */
function* partsOf(tag: DigestTag, fields: readonly Field[]): Iterable<Uint8Array> {
  yield Uint8Array.of(tag.length)
  yield utf8(tag)
  for (const field of fields) {
    const bytes = typeof field === 'string' ? utf8(field) : field
    yield u32be(bytes.length)
    yield bytes
  }
}
