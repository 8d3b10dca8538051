import {
  BigNumber,
  LockingScript,
  P2PKH,
  PrivateKey,
  PushDrop,
  Transaction as SdkTransaction,
  Signature,
  Spend,
  UnlockingScript,
} from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { sign } from '../../src/contract/curve.node.ts'
import { encodeDer } from '../../src/contract/der.ts'
import { negated } from '../../src/contract/scalar.ts'
import { p2pkhLock, readLock, tokenLock } from '../../src/contract/script.ts'
import { checkSpends, judgeSpend, signTransaction } from '../../src/contract/spend.ts'
import {
  buildTransaction,
  type Output,
  readTransaction,
  sighash,
  type Transaction,
} from '../../src/contract/transaction.ts'
import { concat, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { pushData } from '../../src/core/script-push.ts'
import { output, party } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'
import { coins, coordinator, madeUpRound, p2pkhSpend } from './made-up-round.ts'

const fields = ['GDJ1', 'issuer', 'subject', 'body', 'signature'].map(utf8)
const locks = {
  p2pkh: p2pkhLock(coordinator.publicKey),
  token: tokenLock(coordinator.publicKey, fields),
}

/** What the SDK's interpreter says of the same spend. */
function sdkVerdict(transaction: Transaction, spent: Output): boolean {
  const sdk = SdkTransaction.fromBinary([...transaction.raw])
  const [input] = transaction.inputs
  if (input === undefined) throw new Error('no input')
  try {
    return new Spend({
      sourceTXID: input.txid,
      sourceOutputIndex: input.vout,
      sourceSatoshis: spent.satoshis,
      lockingScript: LockingScript.fromBinary([...spent.script]),
      transactionVersion: sdk.version,
      otherInputs: [],
      inputIndex: 0,
      unlockingScript: UnlockingScript.fromBinary([...input.script]),
      outputs: sdk.outputs,
      inputSequence: input.sequence,
      lockTime: sdk.lockTime,
    }).validate()
  } catch {
    return false
  }
}

function funded(lock: Uint8Array, satoshis = 1000): Transaction {
  return signTransaction([p2pkhSpend(coins('fuel', 1, satoshis + 1), 0)], [output(lock, satoshis)])
}

/** The spend of a lock with another unlocking script in place of the true one. */
function unlockedBy(lock: Uint8Array, unlocking: (signature: Uint8Array, der: Uint8Array) => Uint8Array) {
  const parent = funded(lock)
  const spend = p2pkhSpend(parent, 0)
  const unsigned = buildTransaction([{ ...spend, script: new Uint8Array() }], [output(locks.p2pkh, 900)])
  const compact = sign(sighash(unsigned, 0, spend.spent), coordinator.privateKey)
  const transaction = buildTransaction(
    [{ ...spend, script: unlocking(compact, encodeDer(compact)) }],
    unsigned.outputs,
  )
  return { transaction, spent: spend.spent }
}

const scope = Uint8Array.of(0x41)
const key = pushData(coordinator.publicKey)

describe('a spend', () => {
  test('by the owner satisfies either lock, here and in the SDK', () => {
    for (const lock of Object.values(locks)) {
      const parent = funded(lock)
      const spend = signTransaction([p2pkhSpend(parent, 0)], [output(locks.p2pkh, 900)])
      expect(judgeSpend(spend, 0, output(lock, 1000))).toBe('satisfied')
      expect(sdkVerdict(spend, output(lock, 1000))).toBe(true)
    }
  })

  test('by the SDK satisfies them too', async () => {
    const owner = new PrivateKey([...coordinator.privateKey])
    const parent = funded(locks.p2pkh)
    const sdk = new SdkTransaction()
    sdk.addInput({
      sourceTransaction: SdkTransaction.fromBinary([...parent.raw]),
      sourceOutputIndex: 0,
      unlockingScriptTemplate: new P2PKH().unlock(owner),
    })
    sdk.addOutput({ satoshis: 900, lockingScript: new P2PKH().lock(owner.toAddress()) })
    await sdk.sign()
    const spend = orThrow(readTransaction(Uint8Array.from(sdk.toBinary())))
    expect(judgeSpend(spend, 0, output(locks.p2pkh, 1000))).toBe('satisfied')
  })

  const refused: [string, keyof typeof locks, (compact: Uint8Array, der: Uint8Array) => Uint8Array][] = [
    [
      'another key of the right form',
      'p2pkh',
      (_, der) => concat(pushData(concat(der, scope)), pushData(party('x').publicKey)),
    ],
    ['no signature', 'token', () => new Uint8Array()],
    ['no signature and no key', 'p2pkh', () => new Uint8Array()],
    ['an opcode alone', 'p2pkh', () => Uint8Array.of(0x51)],
    ['a push cut short', 'token', () => Uint8Array.of(0x4c)],
    ['a signature for another scope', 'token', (_, der) => pushData(concat(der, Uint8Array.of(0xc1)))],
    ['a high-S signature', 'token', compact => pushData(concat(highS(compact), scope))],
    ['a signature with a byte more', 'token', (_, der) => pushData(concat(der, Uint8Array.of(0), scope))],
    ['a second push', 'token', (_, der) => concat(pushData(concat(der, scope)), key)],
    ['a push in a longer form', 'token', (_, der) => concat(Uint8Array.of(0x4c, der.length + 1), der, scope)],
    [
      'an opcode behind the pushes',
      'token',
      (_, der) => concat(pushData(concat(der, scope)), Uint8Array.of(0x61)),
    ],
    ['a compact signature', 'token', compact => pushData(concat(compact, scope))],
  ]
  test.each(refused)('with %s is not satisfied', (_, lock, unlocking) => {
    const { transaction, spent } = unlockedBy(locks[lock], unlocking)
    expect(judgeSpend(transaction, 0, spent)).toBe('unsatisfied')
  })

  test('of any other lock is not judged', () => {
    const scripts = ['51', '6a', `21${'02'.repeat(33)}ac`, `76a914${'00'.repeat(20)}88ad`, '']
    for (const hex of scripts) {
      const spent = output(Uint8Array.from(Buffer.from(hex, 'hex')), 1000)
      const { transaction } = unlockedBy(locks.token, (_, der) => pushData(concat(der, scope)))
      expect(judgeSpend(transaction, 0, spent)).toBe('unknown-template')
    }
  })

  test('of which one bit is changed is no longer satisfied', () => {
    const spent = output(locks.token, 1000)
    const good = signTransaction([p2pkhSpend(funded(locks.token), 0)], [output(locks.p2pkh, 900)])
    fc.assert(
      fc.property(fc.nat(good.raw.length * 8 - 1), bit => {
        const raw = good.raw.slice()
        raw[bit >> 3] = (raw[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const read = readTransaction(raw)
        if (read.ok) expect(judgeSpend(read.value, 0, spent)).toBe('unsatisfied')
      }),
      { numRuns: 500 },
    )
  })
})

describe('the spends of a BEEF', () => {
  const [fuel] = mine([coins('fuel', 2, 1000)])
  if (fuel === undefined) throw new Error('no fuel')
  const check = (...more: Transaction[]) => checkSpends(orThrow(readBeef(writeBeef([fuel, ...more]))))

  test('hold for a whole round', () => {
    const beef = orThrow(readBeef(madeUpRound('enhanced', 2).beef))
    expect(checkSpends(beef)).toEqual({ ok: true, value: 'satisfied' })
  })

  test('hold where all that goes in comes out, and not for a satoshi more', () => {
    const spends = [p2pkhSpend(fuel, 0), p2pkhSpend(fuel, 1)]
    expect(check(signTransaction(spends, [output(locks.p2pkh, 2000)]))).toMatchObject({ ok: true })
    expect(check(signTransaction(spends, [output(locks.p2pkh, 2001)]))).toMatchObject({
      fault: { code: 'transaction-invalid', detail: expect.stringMatching(/pays out more/) },
    })
  })

  test('do not hold with a stranger’s signature anywhere in the history', () => {
    const stolen = signTransaction([p2pkhSpend(fuel, 0, party('thief'))], [output(locks.p2pkh, 900)])
    const after = signTransaction([p2pkhSpend(stolen, 0)], [output(locks.p2pkh, 800)])
    expect(check(stolen, after)).toMatchObject({
      fault: { detail: expect.stringMatching(/does not satisfy its lock/) },
    })
  })

  test('are left open behind a lock that only an interpreter can judge', () => {
    const anyones = signTransaction([p2pkhSpend(fuel, 0)], [output(Uint8Array.of(0x51), 900)])
    const after = buildTransaction(
      [{ txid: anyones.txid, vout: 0, script: new Uint8Array() }],
      [output(locks.p2pkh, 800)],
    )
    expect(check(anyones, after)).toEqual({ ok: true, value: 'unknown-template' })
  })
})

describe('a lock', () => {
  test('is the one the SDK writes', async () => {
    const owner = new PrivateKey([...coordinator.privateKey])
    expect(new P2PKH().lock(owner.toAddress()).toHex()).toBe(Buffer.from(locks.p2pkh).toString('hex'))
    const read = PushDrop.decode(LockingScript.fromBinary([...locks.token]))
    expect(read.lockingPublicKey.toString()).toBe(coordinator.identityKey)
    expect(read.fields).toEqual(fields.map(field => [...field]))
  })

  test('of five fields is read as it was written, for fields of any length', () => {
    const length = fc.constantFrom(2, 20, 75, 76, 77, 255, 256, 257, 1000)
    fc.assert(
      fc.property(fc.array(length, { minLength: 5, maxLength: 5 }), lengths => {
        const five = lengths.map((each, i) => new Uint8Array(each).fill(i))
        const script = tokenLock(coordinator.publicKey, five)
        expect(readLock(script)).toEqual({ kind: 'token', key: coordinator.publicKey, fields: five })
        const sdk = PushDrop.decode(LockingScript.fromBinary([...script]))
        expect(sdk.fields).toEqual(five.map(each => [...each]))
      }),
      { numRuns: 40 },
    )
  })

  test.each([65_535, 65_536])('carries a field of %i bytes', length => {
    const five = [...fields.slice(0, 4), new Uint8Array(length).fill(7)]
    const script = tokenLock(coordinator.publicKey, five)
    expect(readLock(script)).toMatchObject({ fields: five })
    expect(PushDrop.decode(LockingScript.fromBinary([...script])).fields[4]).toHaveLength(length)
  })

  test('has no field of fewer than two bytes, which readers decode to others', () => {
    expect(() => tokenLock(coordinator.publicKey, [...fields.slice(0, 4), Uint8Array.of(0x10)])).toThrow()
    const short = concat(locks.token.subarray(0, 35), ...fields.slice(0, 4).map(pushData))
    expect(readLock(concat(short, Uint8Array.of(1, 0x10, 0x6d, 0x6d, 0x75)))).toBeUndefined()
    expect(readLock(concat(short, Uint8Array.of(2, 1, 1, 0x6d, 0x6d, 0x75)))).toBeDefined()
  })

  test('with other drops, another number of fields or anything after it is none', () => {
    for (const tail of ['6d6d', '6d6d6d', '6d6d7575', '756d6d', '6d6d7551'])
      expect(
        readLock(concat(locks.token.subarray(0, -3), Uint8Array.from(Buffer.from(tail, 'hex')))),
      ).toBeUndefined()
    const six = concat(locks.token.subarray(0, -3), pushData(utf8('six')), Uint8Array.of(0x6d, 0x6d, 0x6d))
    expect(readLock(six)).toBeUndefined()
  })
})

function highS(compact: Uint8Array): Uint8Array {
  const der = new Signature(
    new BigNumber([...compact.subarray(0, 32)]),
    new BigNumber([...negated(compact.subarray(32))]),
  ).toDER()
  return Uint8Array.from(der as number[])
}
