import { readLock } from '../contract/script.ts'
import { protocolOf, tagOf } from '../contract/tokens.ts'
import { readTransaction } from '../contract/transaction.ts'
import { toHex } from '../core/bytes.ts'

/** How keys are derived and what is signed; docs/formats.md, section 7 has every step. */
export const SIGNATURE_SCHEME = 'BRC-3 counterparty anyone'

/** The issuer's signature in a token: over its first four pushes, for whoever has the transaction. */
export type TokenSignature = {
  readonly txid: string
  readonly vout: number
  /** Identity key. */
  readonly signer: string
  readonly signatureScheme: typeof SIGNATURE_SCHEME
  readonly protocolID: readonly [2, string]
  readonly keyID: string
  /** DER, hex. */
  readonly signature: string
}

/** What is said of a token whose transaction is not here. */
export const unsigned = { signature: null, signatureScheme: null, protocolID: null, keyID: null } as const

/** As the output has it: whether it holds was asked before it was admitted, and anybody can ask again. */
export function tokenSignature(raw: Uint8Array | undefined, vout: number): TokenSignature | null {
  const read = raw === undefined ? undefined : readTransaction(raw)
  const script = read?.ok ? read.value.outputs[vout]?.script : undefined
  const tag = script && tagOf(script)
  const lock = script && readLock(script)
  if (!read?.ok || tag === undefined || lock?.kind !== 'token') return null
  const [, issuer, subject, , signature] = lock.fields
  if (issuer === undefined || subject === undefined || signature === undefined) return null
  return {
    ...{ txid: read.value.txid, vout },
    signer: toHex(issuer),
    signatureScheme: SIGNATURE_SCHEME,
    protocolID: [2, protocolOf(tag)],
    keyID: toHex(subject),
    signature: toHex(signature),
  }
}
