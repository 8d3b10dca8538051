import { sha256 } from '#sha256'
import { concat, knownHex, sameBytes, toHex } from './bytes.ts'

const CHECKSUM_BYTES = 4
const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** Base58Check, as in addresses and UHRP URLs: the first four bytes of the content's double hash stand behind it. */
export function toBase58Check(content: Uint8Array): string {
  const bytes = concat(content, checksumOf(content))
  let text = ''
  for (let value = BigInt(`0x${toHex(bytes)}`); value > 0n; value /= 58n)
    text = `${alphabet[Number(value % 58n)]}${text}`
  const leadingZeros = bytes.findIndex(byte => byte !== 0)
  return '1'.repeat(leadingZeros === -1 ? bytes.length : leadingZeros) + text
}

/** The content, or undefined where the text is not in that form, or longer than `charsMax`: reading takes its square. */
export function fromBase58Check(text: string, charsMax: number): Uint8Array | undefined {
  const bytes = text.length > charsMax ? undefined : fromBase58(text)
  if (bytes === undefined || bytes.length < CHECKSUM_BYTES) return undefined
  const content = bytes.slice(0, -CHECKSUM_BYTES)
  return sameBytes(checksumOf(content), bytes.subarray(content.length)) ? content : undefined
}

function checksumOf(content: Uint8Array): Uint8Array {
  return sha256(sha256(content)).subarray(0, CHECKSUM_BYTES)
}

function fromBase58(text: string): Uint8Array | undefined {
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
