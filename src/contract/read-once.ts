import { toHex } from '../core/bytes.ts'

/**
 * A reader that remembers what it has read. Judge and index ask in turn about the same bytes, a view of a transaction
 * that nobody changes, and only the first pays for the signatures in them. Other bytes with the same values are read anew.
 */
export function readOnce<T>(read: (bytes: Uint8Array) => T): (bytes: Uint8Array) => T {
  const readBefore = new WeakMap<Uint8Array, { readonly value: T }>()
  return bytes => {
    const known = readBefore.get(bytes) ?? { value: read(bytes) }
    readBefore.set(bytes, known)
    return known.value
  }
}

/** Of what is remembered by content, counting the bytes that were read; twice as much while one half takes the other's place. */
const REMEMBERED_BYTES_MAX = 4 * 1024 * 1024
/** Longer ones would push out many. */
const REMEMBERED_BYTES_EACH_MAX = 64 * 1024

/**
 * The same for bytes that come again and again in other buffers, as the history of a round does with each of its
 * transactions. Only what depends on nothing but the bytes may be remembered so, and only what was found good is.
 */
export function readOnceByContent<T extends { readonly ok: boolean }>(
  read: (bytes: Uint8Array) => T,
): (bytes: Uint8Array) => T {
  let recent = new Map<string, T>()
  let before = new Map<string, T>()
  let bytesHeld = 0
  return readOnce(bytes => {
    if (bytes.length > REMEMBERED_BYTES_EACH_MAX) return read(bytes)
    const key = toHex(bytes)
    const known = recent.get(key) ?? before.get(key)
    // A copy: what is kept must not hold on to all that it came in.
    const value = known ?? read(bytes.slice())
    if (!value.ok || recent.has(key)) return value
    if (bytesHeld > REMEMBERED_BYTES_MAX) {
      before = recent
      recent = new Map()
      bytesHeld = 0
    }
    recent.set(key, value)
    bytesHeld += bytes.length
    return value
  })
}
