import { ripemd160, sha256 } from '#sha256'
import { concat, sameBytes } from '../core/bytes.ts'
import { pushData, readPushes } from '../core/script-push.ts'

/** The two locks the pipeline knows. Data outputs are core/certificate/anchor.ts. */
export type Lock =
  | { readonly kind: 'p2pkh'; readonly keyHash: Uint8Array }
  /** `<key> OP_CHECKSIG <5 pushes> OP_2DROP OP_2DROP OP_DROP`, as PushDrop writes it. */
  | { readonly kind: 'token'; readonly key: Uint8Array; readonly fields: readonly Uint8Array[] }

const TOKEN_FIELDS = 5
const KEY_BYTES = 33
const KEY_HASH_BYTES = 20

export function p2pkhLock(publicKey: Uint8Array): Uint8Array {
  return concat(beforeKeyHash, keyHash(publicKey), afterKeyHash)
}

/** Each field needs two bytes or more: shorter ones have other opcodes, which readers take for other bytes. */
export function tokenLock(key: Uint8Array, fields: readonly Uint8Array[]): Uint8Array {
  if (fields.length !== TOKEN_FIELDS || fields.some(field => field.length < 2))
    throw new Error(`a token has ${TOKEN_FIELDS} fields of at least two bytes`)
  return concat(Uint8Array.of(KEY_BYTES), key, Uint8Array.of(opCheckSig), ...fields.map(pushData), drops)
}

export function readLock(script: Uint8Array): Lock | undefined {
  if (script[0] === KEY_BYTES && script[KEY_BYTES + 1] === opCheckSig) return readTokenLock(script)
  const hashEnd = beforeKeyHash.length + KEY_HASH_BYTES
  if (!sameBytes(script.subarray(0, beforeKeyHash.length), beforeKeyHash)) return undefined
  if (!sameBytes(script.subarray(hashEnd), afterKeyHash)) return undefined
  return { kind: 'p2pkh', keyHash: script.slice(beforeKeyHash.length, hashEnd) }
}

/** HASH160, which an address is made of. */
export function keyHash(publicKey: Uint8Array): Uint8Array {
  return ripemd160(sha256(publicKey))
}

function readTokenLock(script: Uint8Array): Lock | undefined {
  const read = readPushes(script, KEY_BYTES + 2)
  if (read === undefined || !sameBytes(script.subarray(read.end), drops)) return undefined
  if (read.pushes.length !== TOKEN_FIELDS || read.pushes.some(field => field.length < 2)) return undefined
  return { kind: 'token', key: script.slice(1, KEY_BYTES + 1), fields: read.pushes }
}

const opCheckSig = 0xac
const [opDup, opHash160, opEqualVerify] = [0x76, 0xa9, 0x88]
const beforeKeyHash = Uint8Array.of(opDup, opHash160, KEY_HASH_BYTES)
const afterKeyHash = Uint8Array.of(opEqualVerify, opCheckSig)
const [op2Drop, opDrop] = [0x6d, 0x75]
const drops = Uint8Array.of(op2Drop, op2Drop, opDrop)
