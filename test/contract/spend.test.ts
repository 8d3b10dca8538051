import { LockingScript, P2PKH, PrivateKey, PushDrop, Spend, Transaction as SdkTransaction, UnlockingScript } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { sign } from '../../src/contract/curve.node.ts'
import { encodeDer } from '../../src/contract/der.ts'
import { negated } from '../../src/contract/scalar.ts'
import { p2pkhLock, readLock, tokenLock } from '../../src/contract/script.ts'
import { checkSpends, judgeSpend, signTransaction } from '../../src/contract/spend.ts'
import { buildTransaction, type Output, sighash, type Transaction } from '../../src/contract/transaction.ts'
import { concat, utf8 } from '../../src/core/bytes.ts'
import { pushData } from '../../src/core/certificate/push.ts'
import { orThrow } from '../../src/core/fault.ts'
import { certifiedRound, coins, coordinator, mine, output, p2pkhSpend, person } from './a-round.ts'

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
    const spend = orThrow(readBeefless(Uint8Array.from(sdk.toBinary())))
    expect(judgeSpend(spend, 0, output(locks.p2pkh, 1000))).toBe('satisfied')
  })

  const refused: [string, keyof typeof locks, (compact: Uint8Array, der: Uint8Array) => Uint8Array][] = [
    ['another key of the right form', 'p2pkh', (_, der) => concat(pushData(concat(der, scope)), pushData(person('x').publicKey))],
    ['no signature', 'token', () => new Uint8Array()],
    ['a signature for another scope', 'token', (_, der) => pushData(concat(der, Uint8Array.of(0xc1)))],
    ['a high-S signature', 'token', compact => pushData(concat(highS(compact), scope))],
    ['a signature with a byte more', 'token', (_, der) => pushData(concat(der, Uint8Array.of(0), scope))],
    ['a second push', 'token', (_, der) => concat(pushData(concat(der, scope)), key)],
    ['a push in a longer form', 'token', (_, der) => concat(Uint8Array.of(0x4c, der.length + 1), der, scope)],
    ['an opcode behind the pushes', 'token', (_, der) => concat(pushData(concat(der, scope)), Uint8Array.of(0x61))],
    ['a compact signature', 'token', compact => pushData(concat(compact, scope))],
  ]
  test.each(refused)('with %s is not satisfied', (_, lock, unlocking) => {
    const { transaction, spent } = unlockedBy(locks[lock], unlocking)
    expect(judgeSpend(transaction, 0, spent)).not.toBe('satisfied')
  })

  test('of any other lock is not judged', () => {
    const scripts = ['51', '6a', `21${'02'.repeat(33)}ac`, `76a914${'00'.repeat(20)}88ad`, '']
    for (const hex of scripts) {
      const spent = output(Uint8Array.from(Buffer.from(hex, 'hex')), 1000)
      const { transaction } = unlockedBy(locks.token, (_, der) => pushData(concat(der, scope)))
      expect(judgeSpend(transaction, 0, spent)).toBe('unknown-template')
    }
  })

  test('of which one bit is changed is satisfied neither here nor in the SDK', () => {
    const parent = funded(locks.token)
    const good = signTransaction([p2pkhSpend(parent, 0)], [output(locks.p2pkh, 900)])
    fc.assert(
      fc.property(fc.nat(good.raw.length * 8 - 1), bit => {
        const raw = good.raw.slice()
        raw[bit >> 3] = (raw[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const read = readBeefless(raw)
        if (!read.ok || read.value.inputs.length !== 1) return
        const spent = output(locks.token, 1000)
        // Never laxer than an interpreter; where it cannot tell, it says so.
        if (judgeSpend(read.value, 0, spent) === 'satisfied') expect(sdkVerdict(read.value, spent)).toBe(true)
        const moved = bit < 32 || bit >= 8 * 4
        if (moved) expect(judgeSpend(read.value, 0, spent)).not.toBe('satisfied')
      }),
      { numRuns: 300 },
    )
  })
})
