import { LockingScript, Transaction as SdkTransaction, TransactionSignature, UnlockingScript } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  buildTransaction,
  isSettledForm,
  outpointBytes,
  outpointOf,
  readTransaction,
  sighash,
  type Transaction,
} from '../../src/contract/transaction.ts'
import { concat, knownHex, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256, sha256Hex } from '../../src/core/sha256.node.ts'

const txid = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
const script = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 253, maxLength: 300 }))
const u32 = fc.nat(0xffff_ffff)
const input = fc.record({ txid, vout: u32, script })
const output = fc.record({ satoshis: fc.nat(2 ** 52).map(n => n % 2_100_000_000_000_000), script })
const transaction = fc
  .tuple(
    fc.uniqueArray(input, { minLength: 1, maxLength: 5, selector: each => each.txid }),
    fc.array(output, { minLength: 1, maxLength: 5 }),
  )
  .map(([inputs, outputs]) => buildTransaction(inputs, outputs))
  .filter(({ raw }) => raw.length !== 64)

const sample = buildTransaction(
  [{ txid: sha256Hex('parent'), vout: 1, script: knownHex('00') }],
  [{ satoshis: 5, script: knownHex('6a') }],
)

describe('a transaction', () => {
  test('reads back as it was built, with the txid that the SDK gives it, for 250 random ones', () => {
    fc.assert(
      fc.property(transaction, built => {
        expect(readTransaction(built.raw)).toEqual({ ok: true, value: built })
        const sdk = SdkTransaction.fromBinary([...built.raw])
        expect(sdk.id('hex')).toBe(built.txid)
        expect(sdk.inputs.map(each => [each.sourceTXID, each.sourceOutputIndex])).toEqual(
          built.inputs.map(each => [each.txid, each.vout]),
        )
        expect(sdk.outputs.map(each => each.satoshis)).toEqual(built.outputs.map(each => each.satoshis))
      }),
      { numRuns: 250 },
    )
  })

  test('of the SDK reads, whatever its version, sequences and lock time', () => {
    fc.assert(
      fc.property(txid, u32, u32, u32, u32, (source, vout, version, sequence, lockTime) => {
        const sdk = new SdkTransaction(
          version,
          [
            {
              sourceTXID: source,
              sourceOutputIndex: vout,
              sequence,
              unlockingScript: UnlockingScript.fromHex('51'),
            },
          ],
          [{ satoshis: 1, lockingScript: LockingScript.fromHex('6a0401020304') }],
          lockTime,
        )
        const read = orThrow(readTransaction(Uint8Array.from(sdk.toBinary())))
        expect(read.txid).toBe(sdk.id('hex'))
        expect(read.lockTime).toBe(lockTime)
        expect(isSettledForm(read)).toBe(version === 1 && sequence === 0xffff_ffff)
      }),
      { numRuns: 300 },
    )
  })

  test('is refused when cut anywhere, or followed by anything', () => {
    for (let length = 0; length < sample.raw.length; length++)
      expect(readTransaction(sample.raw.subarray(0, length))).toMatchObject({ ok: false })
    expect(readTransaction(concat(sample.raw, knownHex('00')))).toMatchObject({
      fault: { code: 'transaction-invalid' },
    })
  })

  const outpoint = `${'11'.repeat(32)}00000000`
  const finalInput = `${outpoint}00ffffffff`
  const malformed: [string, string][] = [
    ['no inputs', '01000000 00 01 0100000000000000 00 00000000'],
    ['no outputs', `01000000 01 ${finalInput} 00 00000000`],
    ['an input count in a longer form', `01000000 fd0100 ${finalInput} 01 0100000000000000 00 00000000`],
    ['more inputs announced than there are', `01000000 feffffffff ${finalInput}`],
    ['a count of 2^64', `01000000 ffffffffffffffffff ${finalInput}`],
    ['a script longer than the bytes left', `01000000 01 ${outpoint} fdffff 00`],
    ['one outpoint twice', `01000000 02 ${finalInput} ${finalInput} 01 0100000000000000 00 00000000`],
    ['more satoshis than exist', `01000000 01 ${finalInput} 01 0040075af0750701 00 00000000`],
    ['a satoshi more than exist', `01000000 01 ${finalInput} 01 0140075af0750700 00 00000000`],
    ['the length of a Merkle node', `01000000 01 ${finalInput} 01 0100000000000000 04 01020304 00000000`],
  ]
  test.each(malformed)('with %s is refused', (_, spaced) => {
    const bytes = knownHex(spaced.replaceAll(' ', ''))
    expect(readTransaction(bytes)).toMatchObject({ fault: { code: 'transaction-invalid' } })
  })

  test('of all the satoshis there are is not', () => {
    const bytes = knownHex(`0100000001${finalInput}010040075af075070000${'00000000'}`)
    expect(readTransaction(bytes)).toMatchObject({ ok: true })
  })

  test('made of 3,000 random bytes is read or refused, and never throws', () => {
    const noisy = fc
      .tuple(transaction, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }))
      .map(([{ raw }, at, noise]) => {
        const bytes = raw.slice()
        bytes.set(noise.subarray(0, bytes.length), at % Math.max(1, bytes.length - noise.length))
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(noisy, fc.uint8Array({ maxLength: 200 })), bytes => {
        const read = readTransaction(bytes)
        if (read.ok) expect(toHex(read.value.raw)).toBe(toHex(bytes))
        else expect(read.fault.code).toBe('transaction-invalid')
      }),
      { numRuns: 3000 },
    )
  })
})

describe('an outpoint', () => {
  test('is 36 bytes and back', () => {
    fc.assert(
      fc.property(txid, u32, (id, vout) => {
        expect(outpointOf(outpointBytes({ txid: id, vout }))).toEqual({ txid: id, vout })
      }),
    )
  })
})

describe('what a signature covers', () => {
  function sdkSighash(transaction: Transaction, index: number, satoshis: number, lock: Uint8Array): string {
    const sdk = SdkTransaction.fromBinary([...transaction.raw])
    const spending = transaction.inputs[index]
    if (spending === undefined) throw new Error('no such input')
    const preimage = TransactionSignature.format({
      sourceTXID: spending.txid,
      sourceOutputIndex: spending.vout,
      sourceSatoshis: satoshis,
      transactionVersion: sdk.version,
      otherInputs: sdk.inputs.filter((_, i) => i !== index),
      inputIndex: index,
      outputs: sdk.outputs,
      inputSequence: spending.sequence,
      subscript: LockingScript.fromBinary([...lock]),
      lockTime: sdk.lockTime,
      scope: TransactionSignature.SIGHASH_ALL | TransactionSignature.SIGHASH_FORKID,
    })
    return toHex(sha256(sha256(Uint8Array.from(preimage))))
  }

  test('is what the SDK hashes, for every input of 200 random transactions', () => {
    const lock = knownHex(`76a914${'22'.repeat(20)}88ac`)
    fc.assert(
      fc.property(transaction, fc.nat(1e9), (built, satoshis) => {
        for (const index of built.inputs.keys())
          expect(toHex(sighash(built, index, { satoshis, script: lock }))).toBe(
            sdkSighash(built, index, satoshis, lock),
          )
      }),
      { numRuns: 200 },
    )
  })
})
