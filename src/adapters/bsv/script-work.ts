import { OP, type Spend, TransactionSignature } from '@bsv/sdk'

/*
 * What the SDK's interpreter costs, step by step, before it takes the step. Its own memory limit counts what lies
 * on the stack afterwards, so eight bytes of script (OP_NUM2BIN to a gigabyte) end the process, and nothing at all
 * counts time. One unit is about a nanosecond, measured generously; two nodes must agree on it, so it depends on
 * the script alone.
 */

/** Thrown by a spend that would exceed what it was given. */
export class ScriptTooCostly extends Error {}

/** What the scripts of one BEEF may cost together. */
export const SCRIPT_WORK_MAX = 250_000_000

export class ScriptBudget {
  #left: number

  constructor({ workMax = SCRIPT_WORK_MAX }: { workMax?: number } = {}) {
    this.#left = workMax
  }

  /** Once it is exceeded nothing is affordable any more. */
  charge(work: number): void {
    // Written so that a work of NaN is too much.
    if (!(work <= this.#left)) this.#left = -1
    else this.#left -= work
    if (this.exhausted) throw new ScriptTooCostly('the scripts cost more than they may')
  }

  get exhausted(): boolean {
    return this.#left < 0
  }
}

// With it goes the interpreter's report of a failure, which spells out every item on the stack.
const perStep = 2_000
const perHash = 10_000
const perSignature = 200_000
const perByte = { copied: 40, computed: 500, hashed: 150, parsed: 150, signed: 400 }

/** What it takes to bring the scripts and the transaction into the interpreter's form, and to hash the latter once. */
export function openingWork(scriptBytes: number, transactionBytes: number): number {
  return scriptBytes * perByte.parsed + transactionBytes * (perByte.parsed + perByte.hashed)
}

/** What the next step takes. `transactionBytes`: how much a signature of the old kind covers. */
export function stepWork(spend: Spend, transactionBytes: number): number {
  const script = spend.context === 'UnlockingScript' ? spend.unlockingScript : spend.lockingScript
  const opcode = script.chunks[spend.programCounter]?.op
  const idle = perStep + spend.ifStack.length
  if (opcode === undefined || spend.ifStack.includes(false)) return idle
  const signed = () => perSignature + script.toUint8Array().length * perByte.signed
  return (
    idle + (lengthWork(opcode, spend.stack) ?? signatureWork(opcode, spend.stack, signed, transactionBytes))
  )
}

/** Of whatever depends on how long the topmost items are. */
function lengthWork(opcode: number, stack: Stack): number | undefined {
  switch (opcode) {
    case OP.OP_PICK:
      return lengthAt(stack, numberAt(stack, 0) + 1) * perByte.copied
    case OP.OP_ROLL:
    case OP.OP_TUCK:
      return stack.length + lengthAt(stack, 0) * perByte.copied
    case OP.OP_NUM2BIN:
      return (numberAt(stack, 0) + lengthAt(stack, 1)) * perByte.computed
    case OP.OP_LSHIFTNUM:
      return (numberAt(stack, 0) / 8 + lengthAt(stack, 1)) * perByte.computed
    case OP.OP_LSHIFT:
      return numberAt(stack, 0) + shiftWork(stack)
    case OP.OP_RSHIFT:
      return shiftWork(stack)
    default: {
      const known = byLength.get(opcode)
      return known && known.fixed + topLength(stack, known.operands) * known.each
    }
  }
}

/** The SDK turns the item into a number and back in a time that grows with the square of its length. */
function shiftWork(stack: Stack): number {
  return topLength(stack, 2) * perByte.computed + lengthAt(stack, 1) ** 2 / 2
}

type ByLength = { readonly operands: number; readonly each: number; readonly fixed: number }
const byLength = new Map<number, ByLength>()
const list = (
  cost: Pick<ByLength, 'operands' | 'each'> & Partial<ByLength>,
  ...opcodes: readonly number[]
) => {
  for (const opcode of opcodes) byLength.set(opcode, { fixed: 0, ...cost })
}
const copies = (operands: number) => ({ operands, each: perByte.copied })
const computes = (operands: number) => ({ operands, each: perByte.computed })
const between = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
list(copies(1), OP.OP_DUP, OP.OP_IFDUP, OP.OP_IF, OP.OP_NOTIF, OP.OP_VERIFY, OP.OP_BIN2NUM)
list(copies(2), OP.OP_2DUP, OP.OP_OVER, OP.OP_CAT, OP.OP_SPLIT, OP.OP_EQUAL, OP.OP_EQUALVERIFY)
list(copies(3), OP.OP_3DUP, OP.OP_SUBSTR, OP.OP_LEFT, OP.OP_RIGHT)
list(copies(4), OP.OP_2OVER)
list(computes(1), OP.OP_INVERT, ...between(OP.OP_1ADD, OP.OP_0NOTEQUAL))
list(computes(2), OP.OP_AND, OP.OP_OR, OP.OP_XOR, OP.OP_RSHIFTNUM)
list(computes(2), ...between(OP.OP_ADD, OP.OP_MOD), ...between(OP.OP_BOOLAND, OP.OP_MAX))
list(computes(3), OP.OP_WITHIN)
list({ operands: 1, each: perByte.hashed, fixed: perHash }, ...between(OP.OP_RIPEMD160, OP.OP_HASH256))

function signatureWork(opcode: number, stack: Stack, signed: () => number, transactionBytes: number): number {
  const covered = (signatures: readonly (readonly number[])[]) =>
    signatures.some(coversAnew) ? transactionBytes * perByte.signed : 0
  switch (opcode) {
    case OP.OP_CHECKSIG:
    case OP.OP_CHECKSIGVERIFY:
      return signed() + covered(stack.slice(-2, -1))
    case OP.OP_CHECKMULTISIG:
    case OP.OP_CHECKMULTISIGVERIFY: {
      const keys = Math.min(numberAt(stack, 0), stack.length)
      const signatures = Math.min(numberAt(stack, keys + 1), stack.length)
      const end = stack.length - keys - 2
      // Each key takes one verification at most, each signature one search through the script.
      return (
        (1 + keys + signatures) *
        (signed() + covered(stack.slice(Math.max(0, end - signatures), Math.max(0, end))))
      )
    }
    default:
      return 0
  }
}

/** All but SIGHASH_FORKID as it is used today: nothing of what such a signature covers is hashed beforehand. */
function coversAnew(signature: readonly number[]): boolean {
  const scope = signature.at(-1) ?? 0
  return (
    (scope & TransactionSignature.SIGHASH_FORKID) === 0 ||
    (scope & TransactionSignature.SIGHASH_CHRONICLE) !== 0
  )
}

type Stack = readonly (readonly number[])[]

/** Depth 0 is the top. */
function lengthAt(stack: Stack, depth: number): number {
  return stack[stack.length - 1 - depth]?.length ?? 0
}

function topLength(stack: Stack, items: number): number {
  let length = 0
  for (let depth = 0; depth < items; depth++) length += lengthAt(stack, depth)
  return length
}

/** How much a script number amounts to, its sign aside; infinite beyond what a script has any use for. */
function numberAt(stack: Stack, depth: number): number {
  const digits = stack[stack.length - 1 - depth] ?? []
  if (digits.length > 6) return Number.POSITIVE_INFINITY
  return digits.reduceRight(
    (value, digit, i) => value * 256 + (i === digits.length - 1 ? digit & 0x7f : digit),
    0,
  )
}
