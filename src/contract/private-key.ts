import { fromBase58Check } from '../core/base58.ts'
import { fromHex } from '../core/bytes.ts'
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
const COMPRESSED = 0x01
const WIF_BYTES = VERSION_BYTES + SCALAR_BYTES + 1
const WIF_CHARS_MAX = 52
const versions: ReadonlyMap<number, 'mainnet' | 'testnet'> = new Map([
  [0x80, 'mainnet'],
  [0xef, 'testnet'],
])

function readWif(text: string): PrivateKeyText | undefined {
  const content = fromBase58Check(text, WIF_CHARS_MAX)
  if (content?.length !== WIF_BYTES || content.at(-1) !== COMPRESSED) return undefined
  const network = versions.get(content[0] ?? 0)
  const privateKey = content.slice(VERSION_BYTES, VERSION_BYTES + SCALAR_BYTES)
  return network !== undefined && isScalar(privateKey) ? { privateKey, network } : undefined
}
