import { fromBase58Check, toBase58Check } from '../core/base58.ts'
import { concat, knownHex, toHex } from '../core/bytes.ts'

const kind = knownHex('ce00')
const HASH_BYTES = 32
const CHARS_MAX = 64

/** BRC-26: the name of content, whoever hosts it. Bare, as the stock SDK writes it. */
export function uhrpUrlOf(sha256Hex: string): string {
  return toBase58Check(concat(kind, knownHex(sha256Hex)))
}

/** SHA-256 in hex of what a URL names: bare, or with `uhrp:` or `uhrp://` before it. Undefined where it is none. */
export function hashInUhrpUrl(url: string): string | undefined {
  const content = fromBase58Check(url.replace(/^uhrp:/i, '').replace(/^\/\//, ''), CHARS_MAX)
  if (content?.length !== kind.length + HASH_BYTES || !kind.every((byte, i) => content[i] === byte))
    return undefined
  return toHex(content.subarray(kind.length))
}
