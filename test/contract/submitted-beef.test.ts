import { BEEF_V1, Beef as SdkBeef, Transaction as SdkTransaction } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { readSubmittedBeef } from '../../src/contract/submitted-beef.ts'
import { concat, knownHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { mine } from '../support/private-chain.ts'
import { history, needed, spendOf } from './made-up-history.ts'
import { coins } from './made-up-round.ts'

/** Every way the stock SDK has of writing a transaction with its ancestors. */
const writers: [string, (subject: SdkTransaction) => number[] | Uint8Array][] = [
  ['Transaction.toBEEF', subject => subject.toBEEF()],
  ['Transaction.toBEEFUint8Array', subject => subject.toBEEFUint8Array()],
  ['Transaction.toAtomicBEEF', subject => subject.toAtomicBEEF()],
  ['Transaction.toAtomicBEEFUint8Array', subject => subject.toAtomicBEEFUint8Array()],
  ['Beef.toBinary, version 1', subject => merged(subject, BEEF_V1).toBinary()],
  ['Beef.toBinary, version 2', subject => merged(subject).toBinary()],
  ['Beef.toBinaryAtomic', subject => merged(subject).toBinaryAtomic(subject.id('hex'))],
  ['Beef.toUint8ArrayAtomic', subject => merged(subject).toUint8ArrayAtomic(subject.id('hex'))],
]

function merged(subject: SdkTransaction, version?: number): SdkBeef {
  const beef = new SdkBeef(version)
  beef.mergeTransaction(subject)
  return beef
}

describe('a submitted BEEF', () => {
  test.each(writers)('that %s writes is read, as what the SDK reads in it', (_, write) => {
    fc.assert(
      fc.property(history, all => {
        const expected = needed(all)
        const bytes = write(SdkTransaction.fromBEEF([...writeBeef(expected)]))
        const beef = orThrow(readSubmittedBeef(Uint8Array.from(bytes)))
        expect(beef.subject.txid).toBe(expected.at(-1)?.txid)
        expect(SdkTransaction.fromBEEF(bytes).id('hex')).toBe(beef.subject.txid)
        expect(new Set(beef.byTxid.keys())).toEqual(new Set(expected.map(({ txid }) => txid)))
        for (const { txid, proof, raw } of expected) {
          expect(beef.byTxid.get(txid)?.raw).toEqual(raw)
          expect(beef.byTxid.get(txid)?.proof?.root).toBe(proof?.root)
        }
      }),
      { numRuns: 25 },
    )
  })

  const [fuel, other] = mine([coins('a', 2), coins('b', 2)])
  if (fuel === undefined || other === undefined) throw new Error('no fuel')
  const child = spendOf([fuel, 0], [other, 1])
  const grandchild = spendOf([child, 0])
  const stranger = spendOf([fuel, 1])
  const plain = writeBeef([fuel, other, child, grandchild])
  const sdk = () => SdkTransaction.fromBEEF([...plain])
  const version2 = Uint8Array.from(merged(sdk()).toBinary())
  const atomic = (txid: string, beef: Uint8Array) =>
    concat(Uint8Array.of(1, 1, 1, 1), knownHex(txid).toReversed(), beef)
  const named = atomic(grandchild.txid, plain)
  const forms: [string, Uint8Array][] = [
    ['version 1', plain],
    ['version 2', version2],
    ['Atomic over version 1', named],
    ['Atomic over version 2', atomic(grandchild.txid, version2)],
  ]

  /** What the SDK takes for the subject, where it finds one at all. */
  function stockSubject(bytes: Uint8Array): string | undefined {
    try {
      return SdkTransaction.fromBEEF(bytes).id('hex')
    } catch {
      // Whatever it is, the SDK has no subject in it.
      return undefined
    }
  }

  test.each(forms)('of %s, cut anywhere or followed by anything, is refused', (_, bytes) => {
    for (let length = 0; length < bytes.length; length++)
      expect(readSubmittedBeef(bytes.subarray(0, length))).toMatchObject({ ok: false })
    expect(readSubmittedBeef(concat(bytes, Uint8Array.of(0)))).toMatchObject({ ok: false })
  })

  test.each(forms)(
    'of %s, with any one byte changed, is refused or means to the SDK what it means here',
    (_, bytes) => {
      let read = 0
      for (let at = 0; at < bytes.length; at++)
        for (const change of [1, 2, 3, 0x10, 0x80, 0xff]) {
          const changed = bytes.slice()
          changed[at] = (changed[at] ?? 0) ^ change
          const beef = readSubmittedBeef(changed)
          if (!beef.ok) continue
          read++
          expect(stockSubject(changed)).toBe(beef.value.subject.txid)
        }
      expect(read).toBeGreaterThan(0)
    },
  )

  test('is limited to the bytes that it may have', () => {
    expect(readSubmittedBeef(plain, { bytesMax: plain.length })).toMatchObject({ ok: true })
    expect(readSubmittedBeef(plain, { bytesMax: plain.length - 1 })).toMatchObject({
      fault: { detail: expect.stringMatching(/longer than/) },
    })
  })

  const withStranger = (() => {
    const beef = merged(sdk())
    beef.mergeRawTx([...stranger.raw])
    return beef
  })()
  const txidOnly = (() => {
    const beef = merged(sdk())
    beef.makeTxidOnly(fuel.txid)
    return Uint8Array.from(beef.toBinary())
  })()
  const flagged = version2.slice()
  flagged[flagged.length - grandchild.raw.length - 1] = 3

  const refusals: [string, Uint8Array, RegExp][] = [
    ['that names a subject it does not hold', atomic(stranger.txid, plain), /does not hold the subject/],
    ['that names an ancestor as its subject', atomic(child.txid, plain), /does not need/],
    [
      'that names a subject and holds what that does not need',
      Uint8Array.from(withStranger.toBinaryAtomic(stranger.txid)),
      /does not need/,
    ],
    ['that names its subject twice', atomic(grandchild.txid, named), /not a BEEF of version 1 or 2/],
    ['with a transaction as its txid only', txidOnly, /send it whole/],
    ['with an entry of no known kind', flagged, /none of 0, 1 and 2/],
    ['of version 3', concat(Uint8Array.of(3), plain.subarray(1)), /version 1 or 2/],
  ]
  test.each(refusals)('%s is refused', (_, bytes, why) => {
    expect(readSubmittedBeef(bytes)).toMatchObject({
      fault: { code: 'transaction-invalid', detail: expect.stringMatching(why) },
    })
  })

  test('may hold more than its last transaction needs, if it does not name a subject', () => {
    const beef = orThrow(readSubmittedBeef(Uint8Array.from(withStranger.toBinary())))
    expect(beef.transactions).toHaveLength(5)
  })

  test('of version 1 is read as readBeef reads it', () => {
    expect(readSubmittedBeef(plain)).toEqual(readBeef(plain))
  })
})
