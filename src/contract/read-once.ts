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
