import { sha256 } from '#sha256'
import { fromHex, sameBytes } from '../core/bytes.ts'
import { fromBase58 } from './base58.ts'
import { isScalar, SCALAR_BYTES } from './scalar.ts'

/** `network`: the one that the text names; hexadecimal digits name none. */
export type PrivateKeyText = {
  readonly privateKey: Uint8Array
  readonly network?: 'mainnet' | 'testnet'
}

/** 64 hex digits, or WIF with a compressed public key. Undefined where the text is no private key. */
export function readPrivateKey(text: string): PrivateKeyText | undefined {
  const plain = fromHex(text.toLowerCase())
  if (plain !== undefined && isScalar(plain)) return { privateKey: plain }
  return readWif(text)
}

const VERSION_BYTES = 1
const CHECKSUM_BYTES = 4
const COMPRESSED = 0x01
const WIF_BYTES = VERSION_BYTES + SCALAR_BYTES + 1 + CHECKSUM_BYTES
const WIF_CHARS_MAX = 52
const versions: ReadonlyMap<number, 'mainnet' | 'testnet'> = new Map([
  [0x80, 'mainnet'],
  [0xef, 'testnet'],
])

function readWif(text: string): PrivateKeyText | undefined {
  const bytes = text.length > WIF_CHARS_MAX ? undefined : fromBase58(text)
  if (bytes?.length !== WIF_BYTES) return undefined
  const content = bytes.subarray(0, WIF_BYTES - CHECKSUM_BYTES)
  const checksum = sha256(sha256(content)).subarray(0, CHECKSUM_BYTES)
  const network = versions.get(bytes[0] ?? 0)
  const privateKey = bytes.slice(VERSION_BYTES, VERSION_BYTES + SCALAR_BYTES)
  const holds =
    sameBytes(checksum, bytes.subarray(content.length)) &&
    content.at(-1) === COMPRESSED &&
    isScalar(privateKey)
  return holds && network !== undefined ? { privateKey, network } : undefined
}
