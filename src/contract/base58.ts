import { concat, knownHex, toHex } from '../core/bytes.ts'

/** Undefined where a character is none of the alphabet. Takes time that grows with the square of the length: bound it first. */
export function fromBase58(text: string): Uint8Array | undefined {
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

export function toBase58(bytes: Uint8Array): string {
  const firstDigit = bytes.findIndex(byte => byte !== 0)
  const leadingZeros = firstDigit === -1 ? bytes.length : firstDigit
  let text = ''
  for (let value = BigInt(`0x0${toHex(bytes)}`); value > 0n; value /= 58n)
    text = alphabet.charAt(Number(value % 58n)) + text
  return '1'.repeat(leadingZeros) + text
}

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
