import { sha256 } from '#sha256'
import { concat, knownHex, sameBytes } from '../../core/bytes.ts'

/** Pays whoever owns the address; undefined where the text is none. Addresses of both public kinds are taken. */
export function lockOfAddress(address: string): Uint8Array | undefined {
  const bytes = fromBase58(address)
  if (bytes?.length !== VERSION_BYTES + KEY_HASH_BYTES + CHECKSUM_BYTES) return undefined
  const content = bytes.subarray(0, VERSION_BYTES + KEY_HASH_BYTES)
  const checksum = sha256(sha256(content)).subarray(0, CHECKSUM_BYTES)
  if (!versions.has(content[0]) || !sameBytes(checksum, bytes.subarray(content.length))) return undefined
  return concat(knownHex('76a914'), content.subarray(VERSION_BYTES), knownHex('88ac'))
}

const VERSION_BYTES = 1
const KEY_HASH_BYTES = 20
const CHECKSUM_BYTES = 4
/** Main network, test networks. */
const versions: ReadonlySet<number | undefined> = new Set([0x00, 0x6f])
const ADDRESS_CHARS_MAX = 40
const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

function fromBase58(text: string): Uint8Array | undefined {
  if (text.length > ADDRESS_CHARS_MAX) return undefined
  let value = 0n
  for (const char of text) {
    const digit = alphabet.indexOf(char)
    if (digit === -1) return undefined
    value = value * 58n + BigInt(digit)
  }
  const digits = value === 0n ? '' : value.toString(16)
  const leadingZeros = /^1*/.exec(text)?.[0].length ?? 0
  return concat(new Uint8Array(leadingZeros), knownHex(digits.length % 2 === 0 ? digits : `0${digits}`))
}
