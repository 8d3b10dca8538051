import { Beef as SdkBeef, Transaction as SdkTransaction } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BeefTransaction, readBeef, writeBeef, writeMergedBeef } from '../../src/contract/beef.ts'
import { writeBump } from '../../src/contract/bump.ts'
import { checkSpends, signTransaction } from '../../src/contract/spend.ts'
import { buildTransaction, type Transaction, u32le, varInt } from '../../src/contract/transaction.ts'
import { concat, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { output } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'
import { history, needed, pay, spendOf } from './made-up-history.ts'
import { coins, madeUpRound, p2pkhSpend } from './made-up-round.ts'

const shuffled = <T>(all: T[]) => fc.shuffledSubarray(all, { minLength: all.length })

const round = madeUpRound('enhanced', 2)

describe('a BEEF', () => {
  test('is read as it was written, and the SDK reads the same subject and ancestors', () => {
    fc.assert(
      fc.property(history, all => {
        const transactions = needed(all)
        const bytes = writeBeef(all)
        const beef = orThrow(readBeef(bytes, { minimal: true }))
        expect(beef.transactions.map(each => each.txid)).toEqual(transactions.map(each => each.txid))
        expect(beef.transactions.map(each => each.proof?.root)).toEqual(
          transactions.map(each => each.proof?.root),
        )
        expect(SdkTransaction.fromBEEF([...bytes]).id('hex')).toBe(beef.subject.txid)
        expect(SdkBeef.fromBinary([...bytes]).txs.map(each => each.txid)).toEqual(
          beef.transactions.map(each => each.txid),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('of the same subject is the same bytes, in whatever order its transactions were given', () => {
    fc.assert(
      fc.property(
        history.chain(all => fc.tuple(fc.constant(all), shuffled(all.slice(0, -1)))),
        ([all, others]) => {
          expect(toHex(writeBeef([...others, ...all.slice(-1)]))).toBe(toHex(writeBeef(all)))
        },
      ),
      { numRuns: 60 },
    )
  })

  test('holds parents in the order of inputs, and one path for each block', () => {
    const [a, b, c] = mine([coins('a', 1), coins('b', 1), coins('c', 1)])
    if (a === undefined || b === undefined || c === undefined) throw new Error('no fuel')
    const subject = spendOf([c, 0], [a, 0])
    const bytes = writeBeef([a, b, c, subject])
    const beef = orThrow(readBeef(bytes, { minimal: true }))
    expect(beef.transactions.map(({ txid }) => txid)).toEqual([c.txid, a.txid, subject.txid])
    expect(SdkBeef.fromBinary([...bytes]).bumps).toHaveLength(1)
  })

  test('of a long chain of spends is written and read without running out of stack', () => {
    const [fuel] = mine([coins('long', 1)])
    if (fuel === undefined) throw new Error('no fuel')
    const chain: BeefTransaction[] = [fuel]
    for (let i = 0; i < 9000; i++) {
      const parent = chain.at(-1)?.txid ?? ''
      const script = new Uint8Array()
      chain.push(buildTransaction([{ txid: parent, vout: 0, script }], [output(script, 0)]))
    }
    expect(orThrow(readBeef(writeBeef(chain), { minimal: true })).transactions).toHaveLength(9001)
  })

  test('may hold a transaction of very many outputs', () => {
    const outputs = Array.from({ length: 300_000 }, () => output(new Uint8Array(), 0))
    const [fuel] = mine([coins('wide', 1)])
    if (fuel === undefined) throw new Error('no fuel')
    const wide = signTransaction([p2pkhSpend(fuel, 0)], outputs)
    const read = orThrow(readBeef(writeBeef([fuel, wide]), { minimal: true, bytesMax: 4 * 1024 * 1024 }))
    expect(checkSpends(read)).toEqual({ ok: true, value: 'satisfied' })
  })

  test('that the SDK writes is read', () => {
    fc.assert(
      fc.property(history, all => {
        const sdk = SdkTransaction.fromBEEF([...writeBeef(needed(all))])
        const read = orThrow(readBeef(Uint8Array.from(sdk.toBEEF())))
        expect(read.subject.txid).toBe(sdk.id('hex'))
      }),
      { numRuns: 40 },
    )
  })

  test('of a round is minimal and verifies in the SDK against its block', async () => {
    const sdk = SdkTransaction.fromBEEF([...round.beef])
    const root = round.fuel.proof?.root
    const headers = {
      isValidRootForHeight: async (claimed: string) => claimed === root,
      currentHeight: async () => 8,
    }
    expect(await sdk.verify(headers)).toBe(true)
    expect(readBeef(round.beef, { minimal: true })).toMatchObject({ ok: true })
  })
})

describe('a merged BEEF', () => {
  const rootsOf = (all: readonly BeefTransaction[]) =>
    new Map(all.flatMap(({ proof }) => (proof ? [[proof.height, proof.root] as const] : [])))
  const headersOf = (all: readonly BeefTransaction[]) => {
    const roots = rootsOf(all)
    return {
      isValidRootForHeight: async (root: string, height: number) => roots.get(height) === root,
      currentHeight: async () => 8,
    }
  }

  test('holds every subject with what it needs: the stock SDK finds and verifies each', async () => {
    await fc.assert(
      fc.asyncProperty(history.chain(shuffled), async all => {
        const bytes = writeMergedBeef(all)
        const beef = orThrow(readBeef(bytes))
        expect(new Set(beef.byTxid.keys())).toEqual(new Set(all.map(({ txid }) => txid)))
        for (const { txid } of all) {
          const found = SdkBeef.fromBinary([...bytes]).findAtomicTransaction(txid)
          expect(await found?.verify(headersOf(all))).toBe(true)
          expect(SdkTransaction.fromBEEF([...bytes], txid).id('hex')).toBe(txid)
        }
      }),
      { numRuns: 25 },
    )
  })

  test('names a block once, whoever is proven in it', () => {
    const [a, b, c] = mine([coins('a', 1), coins('b', 1), coins('c', 1)])
    if (a === undefined || b === undefined || c === undefined) throw new Error('no fuel')
    const bytes = writeMergedBeef([spendOf([c, 0]), a, b, c])
    expect(SdkBeef.fromBinary([...bytes]).bumps).toHaveLength(1)
  })

  test('keeps apart two blocks of one height, and takes the proof of what is given twice', () => {
    const [here] = mine([coins('here', 1)])
    const [there] = mine([coins('there', 1)])
    if (here === undefined || there === undefined) throw new Error('no fuel')
    const { proof, ...unproven } = here
    const beef = orThrow(readBeef(writeMergedBeef([here, there, unproven])))
    expect(beef.transactions.map(each => each.proof?.root)).toEqual([proof?.root, there.proof?.root])
  })
})

describe('a damaged BEEF', () => {
  const [fuel, other] = mine([coins('a', 2), coins('b', 2)])
  if (fuel === undefined || other === undefined) throw new Error('no fuel')
  const child = spendOf([fuel, 0], [other, 1])
  const grandchild = spendOf([child, 0])
  const transactions: BeefTransaction[] = [fuel, other, child, grandchild]
  const bytes = writeBeef(transactions)

  /** What a reader would act on. */
  function claims(input: Uint8Array) {
    const read = readBeef(input, { minimal: true })
    if (!read.ok) return read.fault.code
    const { subject, transactions } = read.value
    return [
      subject.txid,
      ...transactions.flatMap(({ proof }) => (proof ? [`${proof.height} ${proof.root}`] : [])),
    ]
  }

  test('with any one bit flipped is refused, or claims another subject or block', () => {
    const before = claims(bytes)
    expect(before).toContain(grandchild.txid)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(claims(flipped)).not.toEqual(before)
    }
  })

  test('cut anywhere, or followed by anything, is refused', () => {
    for (let length = 0; length < bytes.length; length++)
      expect(readBeef(bytes.subarray(0, length))).toMatchObject({ ok: false })
    expect(readBeef(concat(bytes, Uint8Array.of(0)))).toMatchObject({ ok: false })
    for (const cut of [1, 100, 5000])
      expect(readBeef(round.beef.subarray(0, -cut))).toMatchObject({ fault: { code: 'transaction-invalid' } })
  })

  test('longer than it may be is refused before it is read', () => {
    expect(readBeef(bytes, { bytesMax: bytes.length - 1 })).toMatchObject({
      fault: { detail: expect.stringMatching(/longer than/) },
    })
    expect(readBeef(bytes, { bytesMax: bytes.length })).toMatchObject({ ok: true })
  })

  /** Any list of transactions in any order, for what writeBeef would not write. */
  function assemble(bumps: Uint8Array[], entries: [Transaction, number?][]): Uint8Array {
    return concat(
      u32le(0xefbe0001),
      varInt(bumps.length),
      ...bumps,
      varInt(entries.length),
      ...entries.map(([{ raw }, bump]) =>
        concat(raw, bump === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), varInt(bump))),
      ),
    )
  }
  const bumpOf = (transaction: BeefTransaction) =>
    transaction.proof === undefined ? new Uint8Array() : writeBump(transaction.proof)
  const both = [bumpOf(fuel), bumpOf(other)]
  const rival = spendOf([fuel, 0], [fuel, 1])
  const joining = spendOf([child, 0], [rival, 0])

  const refusals: [string, Uint8Array, RegExp][] = [
    ['no transaction', assemble([], []), /no transaction/],
    ['a child before its parent', assemble(both, [[fuel, 0], [child], [other, 1]]), /before it/],
    ['a parent missing', assemble([bumpOf(fuel)], [[fuel, 0], [child]]), /before it/],
    ['a transaction twice', assemble(both, [[fuel, 0], [fuel, 0], [other, 1], [child]]), /twice/],
    ['a path that is not there', assemble(both, [[fuel, 2]]), /not there/],
    [
      'a path of another transaction',
      assemble([bumpOf(mine([coins('c', 1)])[0] ?? fuel)], [[fuel, 0]]),
      /not its own/,
    ],
    [
      'an output spent twice',
      assemble(both, [[fuel, 0], [other, 1], [child], [rival], [joining]]),
      /spend one output/,
    ],
    [
      'an output that does not exist',
      assemble([bumpOf(fuel)], [[fuel, 0], [spendOfNothing(fuel)]]),
      /before it/,
    ],
    ['version 2', concat(Uint8Array.of(0, 2), bytes.subarray(2)), /version 1/],
    [
      'a million transactions announced',
      concat(u32le(0xefbe0001), varInt(0), varInt(1e6), fuel.raw),
      /announced/,
    ],
  ]
  test.each(refusals)('with %s is refused', (_, input, why) => {
    expect(readBeef(input)).toMatchObject({
      fault: { code: 'transaction-invalid', detail: expect.stringMatching(why) },
    })
  })

  function spendOfNothing(parent: Transaction): Transaction {
    const [input] = spendOf([parent, 0]).inputs
    if (input === undefined) throw new Error('no input')
    return signTransaction([{ ...p2pkhSpend(parent, 0), vout: 9 }], pay(1, 1))
  }

  test('may hold coins of two blocks, which come from the same nowhere', () => {
    const [later] = mine([coins('later', 1)], 8)
    if (later === undefined) throw new Error('no coins')
    const spender = spendOf([fuel, 1], [later, 0])
    expect(readBeef(writeBeef([fuel, later, spender]), { minimal: true })).toMatchObject({ ok: true })
  })

  const [late] = mine([coins('late', 1)], 8)
  const [rivalBlock] = mine([coins('rival', 1)])
  const joined = (({ transactions: [first] }) => (first?.proof ? writeBump(first.proof) : new Uint8Array()))(
    orThrow(readBeef(writeBeef([fuel, other, child]))),
  )
  if (late === undefined || rivalBlock === undefined) throw new Error('no fuel')
  const surplus: [string, Uint8Array][] = [
    [
      'a transaction its subject does not need',
      assemble(both, [[fuel, 0], [other, 1], [spendOf([fuel, 0])]]),
    ],
    ['a path that proves nothing in it', assemble(both, [[fuel, 0], [spendOf([fuel, 0])]])],
    ['one path twice', assemble([bumpOf(fuel), bumpOf(fuel)], [[fuel, 0], [spendOf([fuel, 0])]])],
    ['two paths of one block', assemble(both, [[fuel, 0], [other, 1], [child]])],
    ['parents in another order than the inputs', assemble([joined], [[other, 0], [fuel, 0], [child]])],
    [
      'paths in another order than they are needed',
      assemble([bumpOf(late), bumpOf(fuel)], [[fuel, 1], [late, 0], [spendOf([fuel, 0], [late, 0])]]),
    ],
    [
      'two blocks of one height',
      assemble(
        [bumpOf(fuel), bumpOf(rivalBlock)],
        [[fuel, 0], [rivalBlock, 1], [spendOf([fuel, 0], [rivalBlock, 0])]],
      ),
    ],
  ]
  test.each(surplus)('with %s is read, but not as minimal', (_, input) => {
    expect(readBeef(input)).toMatchObject({ ok: true })
    expect(readBeef(input, { minimal: true })).toMatchObject({ fault: { code: 'transaction-invalid' } })
  })

  test('made of 3,000 noisy copies is read or refused, and never throws', () => {
    const noisy = fc
      .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map(changes => {
        const copy = bytes.slice()
        for (const [at, byte] of changes) copy[at] = byte
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(noisy, fc.uint8Array({ maxLength: 300 })), any => {
        const read = readBeef(any)
        if (!read.ok) expect(read.fault.code).toBe('transaction-invalid')
        else expect(toHex(any)).toContain(toHex(read.value.subject.raw))
      }),
      { numRuns: 3000 },
    )
  })
})
