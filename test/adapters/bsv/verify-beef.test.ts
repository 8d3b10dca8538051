import { LockingScript, Transaction as SdkTransaction, Spend, UnlockingScript } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { envelopeOf, SENTINEL_HEIGHT } from '../../../src/adapters/bsv/envelope.ts'
import { spendHolds } from '../../../src/adapters/bsv/judge-spend.ts'
import { VerifiedMemory } from '../../../src/adapters/bsv/verified-memory.ts'
import { verifyBeef } from '../../../src/adapters/bsv/verify-beef.ts'
import {
  type Beef,
  type BeefTransaction,
  readBeef,
  writeBeef,
  writeMergedBeef,
} from '../../../src/contract/beef.ts'
import { writeBump } from '../../../src/contract/bump.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import { readSubmittedBeef } from '../../../src/contract/submitted-beef.ts'
import {
  buildTransaction,
  FINAL_SEQUENCE,
  type Output,
  type Transaction,
  u32le,
  varInt,
} from '../../../src/contract/transaction.ts'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { type Outcome, orThrow } from '../../../src/core/fault.ts'
import { pushData } from '../../../src/core/script-push.ts'
import { history, needed, spendOf } from '../../contract/made-up-history.ts'
import { coins, coordinator, madeUpRound, p2pkhSpend } from '../../contract/made-up-round.ts'
import { output } from '../../support/pipeline.ts'
import { mine } from '../../support/private-chain.ts'
import { equalityRuns, natively } from './equality.ts'
import { lockScripts, spendCase } from './made-up-spends.ts'

/** Blocks as the proofs of these transactions have them. */
function chainOf(...proven: readonly BeefTransaction[]) {
  const roots = new Map(proven.flatMap(({ proof }) => (proof ? [[proof.height, proof.root] as const] : [])))
  return {
    rootAt: async (height: number) => roots.get(height),
    stock: {
      isValidRootForHeight: async (root: string, height: number) => roots.get(height) === root,
      currentHeight: async () => 8,
    },
  }
}
type ChainInTest = ReturnType<typeof chainOf>

async function stockVerdict(beef: Uint8Array, { stock }: ChainInTest): Promise<boolean> {
  try {
    return await SdkTransaction.fromBEEF([...beef]).verify(stock)
  } catch {
    // The SDK throws over most of what does not hold.
    return false
  }
}

function verified(
  beef: Beef,
  { rootAt }: ChainInTest,
  memory = new VerifiedMemory(),
): Promise<Outcome<void>> {
  return natively(() => verifyBeef(beef, { rootAt, verified: memory }))
}

/** The block that the fuel of `made-up-spends.ts` is in; the first transaction of a block is told apart by the SDK. */
const [, fuel] = mine([
  coins('first', 1),
  buildTransaction(
    [{ txid: '0'.repeat(64), vout: FINAL_SEQUENCE, script: utf8('locks') }],
    lockScripts.flatMap(script => [output(script, 1000), output(script, 1000)]),
  ),
])
if (fuel === undefined) throw new Error('no fuel')
const chain = chainOf(fuel)

describe('a BEEF', () => {
  test('of a spend of any kind holds where the stock SDK says so', async () => {
    const cases = Array.from({ length: 4 * equalityRuns }, (_, i) => spendCase(i, fuel))
    const held = new Map<boolean, number>()
    for (const { name, spender } of cases) {
      const bytes = writeBeef([fuel, spender])
      const stock = await stockVerdict(bytes, chain)
      const ours = await verified(orThrow(readBeef(bytes)), chain)
      const malleable = spender.version !== 1
      expect([name, ours.ok]).toEqual([name, stock && !malleable])
      if (!ours.ok && malleable) expect(ours.fault.detail).toMatch(/has version/)
      if (!malleable) held.set(stock, (held.get(stock) ?? 0) + 1)
    }
    expect(held.get(true)).toBeGreaterThan(cases.length / 10)
    expect(held.get(false)).toBeGreaterThan(cases.length / 10)
  })

  test('of many transactions holds where the stock SDK says so, also with a bit flipped', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), fc.nat(7), async (all, at, bit) => {
        const bytes = writeBeef(needed(all))
        const blocks = chainOf(...all)
        expect(await stockVerdict(bytes, blocks)).toBe(true)
        expect(await verified(orThrow(readBeef(bytes)), blocks)).toEqual({ ok: true, value: undefined })

        const flipped = bytes.slice()
        flipped[at % bytes.length] = (flipped[at % bytes.length] ?? 0) ^ (1 << bit)
        const beef = readSubmittedBeef(flipped)
        if (!beef.ok) return
        const ours = await verified(beef.value, blocks)
        const malleable = !ours.ok && ours.fault.detail.includes('has version')
        expect(ours.ok).toBe((await stockVerdict(flipped, blocks)) && !malleable)
      }),
      { numRuns: Math.ceil(equalityRuns / 2) },
    )
  })

  test('of a round holds, natively and not, and nothing in it is verified twice', async () => {
    const round = madeUpRound('critical', 3)
    const blocks = chainOf(round.fuel)
    const memory = new VerifiedMemory()
    const beef = orThrow(readBeef(round.beef))
    expect(await verifyBeef(beef, { rootAt: blocks.rootAt, verified: memory })).toMatchObject({ ok: true })
    expect(memory.size).toBe(13)
    expect(memory.has(round.certificate.txid)).toBe(true)
    expect(memory.has(round.fuel.txid)).toBe(false)
    expect(await verified(beef, blocks, memory)).toMatchObject({ ok: true })
  })
})

describe('a spend', () => {
  test('of any kind holds where the stock interpreter says so, whatever its version', async () => {
    const cases = Array.from({ length: 2 * equalityRuns }, (_, i) => spendCase(3 * i, fuel))
    let held = 0
    for (const { name, spender, spent } of cases) {
      const stock = stockSpend(spender, spent)
      const ours = await natively(() => spendHolds(spender, 0, spent))
      expect([name, ours]).toEqual([name, stock])
      if (stock) held++
    }
    expect(held).toBeGreaterThan(cases.length / 10)
  })

  function stockSpend(spender: Transaction, spent: Output): boolean {
    const sdk = SdkTransaction.fromBinary([...spender.raw])
    const [input, ...otherInputs] = sdk.inputs
    if (input === undefined) throw new Error('no input')
    try {
      return new Spend({
        sourceTXID: input.sourceTXID ?? '',
        sourceOutputIndex: input.sourceOutputIndex,
        sourceSatoshis: spent.satoshis,
        lockingScript: LockingScript.fromBinary([...spent.script]),
        transactionVersion: sdk.version,
        otherInputs,
        inputIndex: 0,
        unlockingScript: input.unlockingScript ?? new UnlockingScript(),
        outputs: sdk.outputs,
        inputSequence: input.sequence ?? 0,
        lockTime: sdk.lockTime,
      }).validate()
    } catch {
      // It throws over most of what does not hold.
      return false
    }
  }
})

describe('unlike the stock SDK, the node', () => {
  const [first, one, two] = mine([coins('0', 1), coins('1', 2), coins('2', 2)])
  if (first === undefined || one === undefined || two === undefined) throw new Error('no fuel')
  const blocks = chainOf(one)
  const bump = writeBump(
    orThrow(readBeef(writeBeef([one, two, spendOf([one, 0], [two, 0])]))).transactions[0]?.proof ?? {
      height: 0,
      levels: [],
    },
  )
  const assemble = (...entries: [Transaction | Uint8Array, proven: boolean][]) =>
    concat(
      u32le(0xefbe0001),
      Uint8Array.of(1),
      bump,
      varInt(entries.length),
      ...entries.map(([each, proven]) =>
        concat(each instanceof Uint8Array ? each : each.raw, proven ? Uint8Array.of(1, 0) : Uint8Array.of(0)),
      ),
    )
  const pay = [output(p2pkhLock(coordinator.publicKey), 10)]
  const refusedToRead = (bytes: Uint8Array, why: RegExp) =>
    expect(readSubmittedBeef(bytes)).toMatchObject({ fault: { detail: expect.stringMatching(why) } })

  test('refuses a BEEF that is cut short', async () => {
    const bytes = writeBeef([one, spendOf([one, 0])])
    expect(await stockVerdict(bytes.subarray(0, -1), blocks)).toBe(true)
    refusedToRead(bytes.subarray(0, -1), /end too early/)
  })

  test('refuses a transaction that spends one output twice', async () => {
    const spends = [p2pkhSpend(one, 0), p2pkhSpend(one, 0)]
    const bytes = assemble(
      [one, true],
      [signTransaction(spends, [output(p2pkhLock(coordinator.publicKey), 4000)]), false],
    )
    expect(await stockVerdict(bytes, blocks)).toBe(true)
    refusedToRead(bytes, /spends one output twice/)
  })

  test('refuses ancestors that spend one output twice', async () => {
    const [left, right] = [spendOf([one, 0]), signTransaction([p2pkhSpend(one, 0)], pay)]
    const bytes = assemble(
      [one, true],
      [left, false],
      [right, false],
      [spendOf([left, 0], [right, 0]), false],
    )
    expect(await stockVerdict(bytes, blocks)).toBe(true)
    refusedToRead(bytes, /spend one output/)
  })

  test('refuses a transaction without inputs', async () => {
    const data = new Uint8Array(100)
    const free = concat(u32le(0), u32le(0), varInt(data.length), data)
    const nothing = concat(u32le(1), Uint8Array.of(0, 1), free, u32le(0))
    const bytes = assemble([nothing, false])
    expect(await stockVerdict(bytes, blocks)).toBe(true)
    refusedToRead(bytes, /no inputs/)
  })

  test('refuses an unproven transaction whose txid anybody may change', async () => {
    const { spender } =
      Array.from({ length: 2000 }, (_, i) => spendCase(i, fuel)).find(
        ({ spender, spent }) => spender.version === 2 && spendHolds(spender, 0, spent),
      ) ?? spendCase(0, fuel)
    const bytes = writeBeef([fuel, spender])
    expect(await stockVerdict(bytes, chain)).toBe(true)
    expect(await verified(orThrow(readBeef(bytes)), chain)).toMatchObject({
      fault: { detail: expect.stringMatching(/version 2/) },
    })
    const [proven] = mine([spender], 9)
    if (proven === undefined) throw new Error('not mined')
    expect(await verified(orThrow(readBeef(writeBeef([proven]))), chainOf(proven))).toMatchObject({
      ok: true,
    })
  })

  test('takes the coins of an old block', async () => {
    const [old] = mine([coins('old', 1)], 7)
    if (old === undefined) throw new Error('no coins')
    const bytes = writeBeef([old, spendOf([old, 0])])
    const tracker = { ...chainOf(old), stock: { ...chainOf(old).stock, currentHeight: async () => 700 } }
    expect(await stockVerdict(bytes, tracker)).toBe(false)
    expect(await verified(orThrow(readBeef(bytes)), tracker)).toMatchObject({ ok: true })
  })

  test('also verifies what the subject does not need', async () => {
    const forged = signTransaction([{ ...p2pkhSpend(two, 0), privateKey: new Uint8Array(32).fill(7) }], pay)
    const bytes = writeMergedBeef([one, two, forged, spendOf([one, 0])])
    expect(await stockVerdict(bytes, blocks)).toBe(true)
    expect(await verified(orThrow(readBeef(bytes)), blocks)).toMatchObject({
      fault: {
        detail: expect.stringContaining(`input 0 of transaction ${forged.txid} does not satisfy the lock`),
      },
    })
  })

  test('takes a transaction for proven only where its own entry says so', async () => {
    const forged = signTransaction([{ ...p2pkhSpend(two, 0), privateKey: new Uint8Array(32).fill(7) }], pay)
    const [neighbour, proven] = mine([forged, coins('3', 1)])
    if (neighbour === undefined || proven === undefined) throw new Error('not mined')
    const subject = spendOf([proven, 0], [forged, 0])
    // The path of `proven` holds the txid beside it as well.
    const bytes = concat(
      u32le(0xefbe0001),
      Uint8Array.of(2),
      bump,
      writeBump(proven.proof ?? { height: 0, levels: [] }),
      Uint8Array.of(4),
      two.raw,
      Uint8Array.of(1, 0),
      proven.raw,
      Uint8Array.of(1, 1),
      forged.raw,
      Uint8Array.of(0),
      subject.raw,
      Uint8Array.of(0),
    )
    const roots = [two.proof?.root, proven.proof?.root]
    const both: ChainInTest = {
      rootAt: async () => proven.proof?.root,
      stock: { isValidRootForHeight: async root => roots.includes(root), currentHeight: async () => 8 },
    }
    expect(await stockVerdict(bytes, both)).toBe(true)
    expect(await verified(orThrow(readBeef(bytes)), both)).toMatchObject({ ok: false })
  })

  test('refuses scripts that cost too much', async () => {
    // Three megabytes of zeros, on a stack that the SDK lets grow to thirty-two.
    const script = concat(Uint8Array.of(0x51), pushData(Uint8Array.of(0xc0, 0xc6, 0x2d)), Uint8Array.of(0x80))
    const [large] = mine([
      buildTransaction(
        [{ txid: '0'.repeat(64), vout: FINAL_SEQUENCE, script: utf8('large') }],
        [output(script, 100)],
      ),
    ])
    if (large === undefined) throw new Error('no coins')
    const spender = buildTransaction([{ txid: large.txid, vout: 0, script: new Uint8Array() }], pay)
    const bytes = writeBeef([large, spender])
    expect(await stockVerdict(bytes, chainOf(large))).toBe(true)
    expect(await verified(orThrow(readBeef(bytes)), chainOf(large))).toMatchObject({
      fault: { detail: expect.stringMatching(/beyond what this node computes/) },
    })
  })

  test('refuses the height that its own envelopes use', async () => {
    const { proof, ...transaction } = one
    const everywhere: ChainInTest = {
      rootAt: async () => transaction.txid,
      stock: { isValidRootForHeight: async () => true, currentHeight: async () => 8 },
    }
    const bytes = Uint8Array.from(envelopeOf(transaction))
    expect(proof).toBeDefined()
    expect(await stockVerdict(bytes, everywhere)).toBe(true)
    expect(await verified(orThrow(readSubmittedBeef(bytes)), everywhere)).toMatchObject({
      fault: { detail: expect.stringMatching(/reserved/) },
    })
  })
})

describe('what a BEEF is refused for', () => {
  const [first, one] = mine([coins('0', 1), coins('1', 2)])
  if (first === undefined || one === undefined) throw new Error('no fuel')
  const child = spendOf([one, 0])
  const beef = orThrow(readBeef(writeBeef([one, child])))
  const greedy = signTransaction([p2pkhSpend(one, 0)], [output(p2pkhLock(coordinator.publicKey), 2007)])

  const refusals: [string, Beef, ChainInTest, string][] = [
    [
      'a block that the node does not have',
      beef,
      chainOf(),
      `transaction ${one.txid} is said to be in block 7, which this node does not have`,
    ],
    [
      'another root',
      beef,
      { ...chainOf(), rootAt: async () => 'ab'.repeat(32) },
      `leads to ${one.proof?.root}, but block 7 has the root abab`,
    ],
    [
      'more paid out than taken in',
      orThrow(readBeef(writeBeef([one, greedy]))),
      chainOf(one),
      `transaction ${greedy.txid} pays out 7 satoshis more`,
    ],
  ]
  test.each(refusals)('%s is said in a sentence', async (_, refused, blocks, why) => {
    const memory = new VerifiedMemory()
    expect(await verified(refused, blocks, memory)).toMatchObject({
      ok: false,
      fault: {
        code: expect.stringMatching(/^(transaction|script)-invalid$/),
        detail: expect.stringContaining(why),
      },
    })
    expect(memory.size).toBe(0)
  })

  test('the chain is asked again about what was verified before, once for each path', async () => {
    const memory = new VerifiedMemory()
    const asked: number[] = []
    const rootAt = async (height: number) => {
      asked.push(height)
      return asked.length > 2 ? undefined : one.proof?.root
    }
    for (const ok of [true, true, false])
      expect(await natively(() => verifyBeef(beef, { rootAt, verified: memory }))).toMatchObject({ ok })
    expect(asked).toEqual([7, 7, 7])
  })
})

describe('a memory of what was verified', () => {
  test('forgets what it has not met for longest', () => {
    const memory = new VerifiedMemory({ txidsMax: 3 })
    memory.add(['a', 'b', 'c'])
    memory.add(['a', 'd'])
    expect(['a', 'b', 'c', 'd'].filter(txid => memory.has(txid))).toEqual(['a', 'c', 'd'])
    expect(memory.size).toBe(3)
    memory.clear()
    expect([memory.size, memory.has('a')]).toEqual([0, false])
  })

  test('spares a transaction its scripts', async () => {
    const [first, one] = mine([coins('0', 1), coins('1', 2)])
    if (first === undefined || one === undefined) throw new Error('no fuel')
    const forged = signTransaction(
      [{ ...p2pkhSpend(one, 0), privateKey: new Uint8Array(32).fill(7) }],
      [output(new Uint8Array(1), 1)],
    )
    const beef = orThrow(readBeef(writeBeef([one, forged])))
    const memory = new VerifiedMemory()
    expect(await verified(beef, chainOf(one), memory)).toMatchObject({ ok: false })
    memory.add([forged.txid])
    expect(await verified(beef, chainOf(one), memory)).toMatchObject({ ok: true })
    memory.clear()
    expect(await verified(beef, chainOf(one), memory)).toMatchObject({ ok: false })
  })
})

describe('an envelope', () => {
  test('holds the transaction alone, which the stock SDK verifies where its tracker says so', async () => {
    const { certificate } = madeUpRound('basic', 1)
    const asked: [string, number][] = []
    const envelope = SdkTransaction.fromBEEF(envelopeOf(certificate))
    const accepted = await envelope.verify({
      isValidRootForHeight: async (root, height) => asked.push([root, height]) > 0,
      currentHeight: async () => 8,
    })
    expect(accepted).toBe(true)
    expect(envelope.id('hex')).toBe(certificate.txid)
    expect(asked).toEqual([[certificate.txid, SENTINEL_HEIGHT]])
  })
})
