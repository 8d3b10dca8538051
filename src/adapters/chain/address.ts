import { fromBase58Check } from '../../core/base58.ts'
import { concat, knownHex } from '../../core/bytes.ts'

/** Pays whoever owns the address; undefined where the text is none. Addresses of both public kinds are taken. */
export function lockOfAddress(address: string): Uint8Array | undefined {
  const content = fromBase58Check(address, ADDRESS_CHARS_MAX)
  if (content?.length !== VERSION_BYTES + KEY_HASH_BYTES || !versions.has(content[0])) return undefined
  return concat(knownHex('76a914'), content.subarray(VERSION_BYTES), knownHex('88ac'))
}

const VERSION_BYTES = 1
const KEY_HASH_BYTES = 20
/** Main network, test networks. */
const versions: ReadonlySet<number | undefined> = new Set([0x00, 0x6f])
const ADDRESS_CHARS_MAX = 40
