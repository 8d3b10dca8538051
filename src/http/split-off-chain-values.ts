import { readWhole } from '../contract/byte-reader.ts'
import type { Outcome } from '../core/fault.ts'

/** BRC-22: the BEEF behind its length, then the off-chain values to the end of the body. */
export function splitOffChainValues(
  body: Uint8Array,
): Outcome<{ beef: Uint8Array; offChainValues: Uint8Array }> {
  return readWhole(body, 'transaction-invalid', from => {
    const length = from.varInt()
    if (length > body.length - from.position())
      from.refuse(
        'with x-includes-off-chain-values, the body is the length of the BEEF, the BEEF, and the values; it ends before the BEEF does',
      )
    const beef = from.bytes(length)
    const offChainValues = from.bytes(body.length - from.position())
    return { beef, offChainValues }
  })
}
