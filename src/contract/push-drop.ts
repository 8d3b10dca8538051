import { concat, concatAll, sameBytes } from '../core/bytes.ts'
import { pushData, readPushes } from '../core/script-push.ts'

/*
 * `<key> OP_CHECKSIG <fields> OP_2DROP…`, byte for byte as a stock wallet's PushDrop writes it. It has opcodes for fields
 * of one byte, and one for two of them: nobody can tell an empty field from a zero, so neither is written or read here.
 */

export function pushDropScript(key: Uint8Array, fields: readonly Uint8Array[]): Uint8Array {
  if (fields.some(isAmbiguous)) throw new Error('a field is empty or zero, which PushDrop writes alike')
  return written(key, fields)
}

/** Undefined unless it is the one spelling of a script with so many fields. */
export function readPushDrop(
  script: Uint8Array,
  fieldCount: number,
): { readonly key: Uint8Array; readonly fields: readonly Uint8Array[] } | undefined {
  if (script[0] !== KEY_BYTES || script[KEY_BYTES + 1] !== opCheckSig) return undefined
  const fields = readFields(script, fieldCount)
  if (fields?.length !== fieldCount || fields.some(isAmbiguous)) return undefined
  const key = script.slice(1, KEY_BYTES + 1)
  return sameBytes(script, written(key, fields)) ? { key, fields } : undefined
}

const KEY_BYTES = 33
const opCheckSig = 0xac
const [op2Drop, opDrop] = [0x6d, 0x75]
const opNegative1 = 0x4f
const opBefore1 = 0x50

function readFields(script: Uint8Array, fieldCount: number): Uint8Array[] | undefined {
  const fields: Uint8Array[] = []
  let at = KEY_BYTES + 2
  while (fields.length <= fieldCount) {
    const read = readPushes(script, at)
    if (read === undefined) return undefined
    const number = numberOf(script[read.end])
    for (const push of read.pushes.slice(0, fieldCount + 1)) fields.push(push)
    if (number === undefined) break
    fields.push(Uint8Array.of(number))
    at = read.end + 1
  }
  return fields
}

function written(key: Uint8Array, fields: readonly Uint8Array[]): Uint8Array {
  const pairs = new Uint8Array(Math.floor(fields.length / 2)).fill(op2Drop)
  const last = fields.length % 2 === 0 ? new Uint8Array(0) : Uint8Array.of(opDrop)
  const head = concat(Uint8Array.of(KEY_BYTES), key, Uint8Array.of(opCheckSig))
  return concatAll([head, ...fields.map(push), pairs, last])
}

function push(field: Uint8Array): Uint8Array {
  const [byte = 0] = field
  if (field.length === 1 && byte >= 1 && byte <= 16) return Uint8Array.of(opBefore1 + byte)
  if (field.length === 1 && byte === 0x81) return Uint8Array.of(opNegative1)
  return pushData(field)
}

function numberOf(opcode = 0): number | undefined {
  if (opcode === opNegative1) return 0x81
  return opcode > opBefore1 && opcode <= opBefore1 + 16 ? opcode - opBefore1 : undefined
}

function isAmbiguous(field: Uint8Array): boolean {
  return field.length === 0 || (field.length === 1 && field[0] === 0)
}
