const KEY = 'assay.local-key'

/**
 * A key of the reader's, kept by this browser for this node's address: for a local network, where nothing is worth anything.
 * Undefined where there is none, or the browser keeps nothing.
 */
export function keptKey(): string | undefined {
  try {
    const kept = localStorage.getItem(KEY)
    return kept !== null && isKey(kept) ? kept : undefined
  } catch {
    // A browser that keeps nothing for pages has no key for this one.
    return undefined
  }
}

/** False where the browser keeps nothing: the key holds until the page is left. */
export function keepKey(key: string | undefined): boolean {
  try {
    if (key === undefined) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, key)
    return true
  } catch {
    // Said by the caller, who knows what it means.
    return false
  }
}

export function isKey(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text) && /[1-9a-e]/.test(text.slice(0, 32))
}

export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  const key = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
  // Beyond the order of the curve is one of 2^128.
  return isKey(key) ? key : newKey()
}
