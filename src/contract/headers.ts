import * as z from 'zod'
import { sha256 } from '#sha256'
import { fromHex, sameBytes } from '../core/bytes.ts'
import { parseJson } from '../core/canonical-json.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type Network, networks } from '../core/network.ts'
import { bySchema } from '../core/schema.ts'

/** Block headers that the reader trusts, from a source of the reader's own. */
export type HeaderChain = {
  readonly network: Network
  readonly firstHeight: number
  readonly tipHeight: number
  /** Merkle root as it stands in the header, or undefined outside the range. */
  rootAt(height: number): Uint8Array | undefined
}

/** A million headers; more than any chain will have for a good while. */
export const HEADERS_FILE_BYTES_MAX = 2 * 80 * 1_000_000 + 1024

/** Reads `{"network", "firstHeight", "headers"}`, the headers as one run of hex, 80 bytes each. */
export function readHeadersFile(text: string): Outcome<HeaderChain> {
  const file = parseHeadersFile(text)
  return file.ok ? headerChain(file.value.headers, file.value.firstHeight, file.value.network) : file
}

/** The same file, its headers not looked at yet. */
export function parseHeadersFile(text: string): Outcome<HeadersFile> {
  const json = parseJson(text, HEADERS_FILE_BYTES_MAX)
  if (!json.ok) return json
  const file = bySchema(headersFile, json.value, 'headers-invalid', 'not a headers file')
  if (!file.ok) return file
  const headers = fromHex(file.value.headers)
  if (headers === undefined) return refused('headers-invalid', 'wanted lower-case hex', '/headers')
  return accepted({ ...file.value, headers })
}

export type HeadersFile = {
  readonly network: Network
  readonly firstHeight: number
  readonly headers: Uint8Array
}

/**
 * Checks that the headers follow one another and that each carries the work it claims. It does not check how
 * the difficulty was adjusted, nor that no heavier chain exists: that is what trusting their source means.
 */
export function headerChain(bytes: Uint8Array, firstHeight: number, network: Network): Outcome<HeaderChain> {
  const count = bytes.length / headerBytes
  if (!Number.isInteger(count) || count === 0)
    return refused(
      'headers-invalid',
      `${bytes.length} bytes are not a whole number of ${headerBytes}-byte headers`,
    )
  let hashBefore: Uint8Array | undefined
  for (let i = 0; i < count; i++) {
    const header = bytes.subarray(i * headerBytes, (i + 1) * headerBytes)
    if (hashBefore !== undefined && !sameBytes(header.subarray(4, 36), hashBefore))
      return refused(
        'headers-invalid',
        `the header at height ${firstHeight + i} does not follow the one before it`,
      )
    hashBefore = sha256(sha256(header))
    if (!hasWork(hashBefore, header))
      return refused(
        'headers-invalid',
        `the header at height ${firstHeight + i} lacks the work that it claims`,
      )
  }
  const chain = bytes.slice()
  return accepted({
    network,
    firstHeight,
    tipHeight: firstHeight + count - 1,
    rootAt(height) {
      const at = (height - firstHeight) * headerBytes
      return Number.isInteger(height) && at >= 0 && at < chain.length
        ? chain.slice(at + 36, at + 68)
        : undefined
    },
  })
}

const headerBytes = 80

const headersFile = z.strictObject({
  network: z.enum(networks),
  firstHeight: z.int().min(0),
  headers: z.string().min(2 * headerBytes),
})

/** The hash, as a little-endian number, must not exceed the target that the header's `bits` spell. */
export function hasWork(hash: Uint8Array, header: Uint8Array): boolean {
  const target = targetOf(header)
  if (target === undefined) return false
  let value = 0n
  for (let i = 31; i >= 0; i--) value = (value << 8n) | BigInt(hash[i] ?? 0)
  return value <= target
}

/** Undefined where the header's `bits` spell none. */
export function targetOf(header: Uint8Array): bigint | undefined {
  const exponent = header[75] ?? 0
  const mantissa = (header[72] ?? 0) | ((header[73] ?? 0) << 8) | ((header[74] ?? 0) << 16)
  // The top bit is a sign, and a target of zero or beyond 256 bits is no target.
  if (mantissa === 0 || mantissa > 0x7fffff || exponent < 3 || exponent > 34) return undefined
  const target = BigInt(mantissa) << BigInt(8 * (exponent - 3))
  return target >> 256n === 0n ? target : undefined
}
