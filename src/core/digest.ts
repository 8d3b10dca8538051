import { sha256, sha256Hex, writeUtf8 } from '#sha256'

/**
 * The one way several things are hashed together: SHA-256 over
 * `u8 len(tag) ‖ tag ‖ (u32be len(field) ‖ field)*`. Lengths keep bytes from moving across a border between
 * fields; the tag keeps a hash made for one purpose from being shown for another.
 */
export function digest(tag: DigestTag, ...fields: readonly (Uint8Array | string)[]): Uint8Array {
  return sha256(preimage(tag, fields))
}

export function digestHex(tag: DigestTag, ...fields: readonly (Uint8Array | string)[]): string {
  return sha256Hex(preimage(tag, fields))
}

export type DigestTag = `assay:${string}:${number}`

const scratchBytes = 64 * 1024
const scratch = new Uint8Array(scratchBytes)
const scratchView = new DataView(scratch.buffer)

function preimage(tag: DigestTag, fields: readonly (Uint8Array | string)[]): Uint8Array {
  let room = 1 + tag.length
  for (const field of fields) room += 4 + (typeof field === 'string' ? 3 * field.length : field.length)
  const target = room <= scratchBytes ? scratch : new Uint8Array(room)
  const view = target === scratch ? scratchView : new DataView(target.buffer)

  target[0] = tag.length
  let at = 1 + writeUtf8(tag, target, 1)
  for (const field of fields) {
    let length = field.length
    if (typeof field === 'string') length = writeUtf8(field, target, at + 4)
    else target.set(field, at + 4)
    view.setUint32(at, length)
    at += 4 + length
  }
  return target.subarray(0, at)
}
