import { OP } from '@bsv/sdk'
import { describe, expect, test } from 'vitest'
import { SCRIPT_BYTES_MAX, spendHolds } from '../../../src/adapters/bsv/judge-spend.ts'
import { ScriptBudget } from '../../../src/adapters/bsv/script-work.ts'
import { publicKeyOf, sign } from '../../../src/contract/curve.node.ts'
import { encodeDer } from '../../../src/contract/der.ts'
import { buildTransaction } from '../../../src/contract/transaction.ts'
import { concat, concatAll } from '../../../src/core/bytes.ts'
import { pushData } from '../../../src/core/script-push.ts'
import { output } from '../../support/pipeline.ts'
import { natively } from './equality.ts'

const ops = (...opcodes: number[]) => Uint8Array.from(opcodes)
const times = (count: number, script: Uint8Array) => concatAll(Array.from({ length: count }, () => script))
const number = (...bytes: number[]) => pushData(Uint8Array.from(bytes))

/** An item of `length` bytes or nearly, out of few. */
function grown(length: number): Uint8Array {
  const doublings = Math.max(0, Math.floor(Math.log2(length / 500)))
  return concat(pushData(new Uint8Array(500).fill(0x11)), times(doublings, ops(OP.OP_DUP, OP.OP_CAT)))
}

function spent(script: Uint8Array, outputs = 1): { held: boolean; budget: ScriptBudget } {
  const spender = buildTransaction(
    [{ txid: '11'.repeat(32), vout: 0, script: new Uint8Array() }],
    Array.from({ length: outputs }, () => output(new Uint8Array(10))),
  )
  const budget = new ScriptBudget()
  return { held: spendHolds(spender, 0, output(script), budget), budget }
}

const secret = new Uint8Array(32).fill(3)
const signature = (scope: number) => pushData(concat(encodeDer(sign(secret, secret)), ops(scope)))
const key = pushData(publicKeyOf(secret))

describe('a script that only the interpreter can judge', () => {
  test('holds where it ends with something true', () => {
    expect(spent(ops(OP.OP_1)).held).toBe(true)
    expect(spent(concat(ops(OP.OP_1), pushData(new Uint8Array(500_000)), ops(OP.OP_DROP))).held).toBe(true)
    expect(spent(concat(times(20_000, ops(OP.OP_1, OP.OP_DROP)), ops(OP.OP_1))).held).toBe(true)
  })

  test('does not hold where it ends with anything else, or not at all', () => {
    for (const script of [
      ops(),
      ops(OP.OP_0),
      ops(OP.OP_1, OP.OP_1),
      ops(OP.OP_1, OP.OP_IF),
      ops(OP.OP_DUP),
    ]) {
      const { held, budget } = spent(script)
      expect([held, budget.exhausted]).toEqual([false, false])
    }
  })

  const hostile: [string, Uint8Array, number?][] = [
    [
      'is longer than it may be',
      concat(pushData(new Uint8Array(SCRIPT_BYTES_MAX)), ops(OP.OP_DROP, OP.OP_1)),
    ],
    ['asks for a gigabyte of zeros', concat(ops(OP.OP_1), number(0, 0, 0, 0x3f), ops(OP.OP_NUM2BIN))],
    [
      'asks for more zeros than there are numbers',
      concat(ops(OP.OP_1), number(...Array(30).fill(0x7f)), ops(OP.OP_NUM2BIN)),
    ],
    [
      'shifts a number by a gigabit',
      concat(ops(OP.OP_1), number(0xff, 0xff, 0xff, 0x3f), ops(OP.OP_LSHIFTNUM)),
    ],
    ['shifts bytes by a gigabit', concat(ops(OP.OP_16), number(0xff, 0xff, 0xff, 0x3f), ops(OP.OP_LSHIFT))],
    ['shifts half a megabyte', concat(grown(500_000), ops(OP.OP_1, OP.OP_RSHIFT))],
    [
      'hashes a megabyte again and again',
      concat(grown(1_000_000), times(1000, ops(OP.OP_DUP, OP.OP_SHA256, OP.OP_DROP))),
    ],
    ['hashes next to nothing for ever', times(100_000, ops(OP.OP_0, OP.OP_HASH256, OP.OP_DROP))],
    [
      'multiplies large numbers again and again',
      concat(grown(100_000), times(1000, ops(OP.OP_DUP, OP.OP_DUP, OP.OP_MUL, OP.OP_DROP))),
    ],
    [
      'concatenates again and again',
      concat(grown(500_000), times(1000, ops(OP.OP_DUP, OP.OP_DUP, OP.OP_CAT, OP.OP_DROP))),
    ],
    ['does nothing half a million times', times(500_000, ops(OP.OP_NOP))],
    ['nests conditions', times(200_000, ops(OP.OP_1, OP.OP_IF))],
    [
      'checks a signature again and again',
      concat(signature(0x41), key, times(10_000, ops(OP.OP_2DUP, OP.OP_CHECKSIG, OP.OP_DROP))),
    ],
    [
      'checks a signature over everything again and again',
      concat(signature(0x01), key, times(300, ops(OP.OP_2DUP, OP.OP_CHECKSIG, OP.OP_DROP))),
      10_000,
    ],
    [
      'checks many keys',
      concat(
        ops(OP.OP_0),
        signature(0x41),
        ops(OP.OP_1),
        times(3000, key),
        number(0xb8, 0x0b),
        ops(OP.OP_CHECKMULTISIG),
      ),
    ],
  ]
  test.each(hostile)('and that %s is stopped', async (_, script, outputs) => {
    const { held, budget } = await natively(() => spent(script, outputs))
    expect(held).toBe(false)
    expect(budget.exhausted).toBe(true)
  })

  test('leaves others of the same budget nothing, once it has spent it', () => {
    const { budget } = spent(times(500_000, ops(OP.OP_NOP)))
    const spender = buildTransaction([{ txid: '11'.repeat(32), vout: 0, script: ops() }], [output(ops())])
    expect(spendHolds(spender, 0, output(ops(OP.OP_1)))).toBe(true)
    expect(spendHolds(spender, 0, output(ops(OP.OP_1)), budget)).toBe(false)
  })

  test('fills the stack only so far', () => {
    const { held } = spent(concat(grown(1_000_000), times(5, ops(OP.OP_DUP)), times(5, ops(OP.OP_DROP))))
    expect(held).toBe(false)
  })

  test('has no input to unlock it where there is none', () => {
    const spender = buildTransaction([{ txid: '11'.repeat(32), vout: 0, script: ops() }], [output(ops())])
    expect(spendHolds(spender, 1, output(ops(OP.OP_1)))).toBe(false)
  })
})
