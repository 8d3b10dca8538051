import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readIdentity, readNativeId, readSourceSeq } from '../../../src/core/event/read-identity.ts'
import { anyMess, faultOf } from './arbitraries.ts'

describe('what identifies an event', () => {
  test('is one id whether it was sent as a number or as the text of that number', () => {
    expect(readNativeId(1)).toEqual(readNativeId('1'))
    expect(readNativeId(0.5)).toEqual({ ok: true, value: '0.5' })
    expect(readNativeId(-0)).toEqual({ ok: true, value: '0' })
  })

  test.each([[''], [true], [null], [{}], ['x'.repeat(513)], ['\ud800'], [2 ** 53]])(
    'is refused as a native id if it is %j',
    value => {
      expect(readNativeId(value).ok).toBe(false)
    },
  )

  test('is refused with a pointer to it, whatever is wrong with it', () => {
    for (const value of [true, '', 2 ** 53, 1e300])
      expect(faultOf(readNativeId(value, '/id')).pointer).toBe('/id')
  })

  test('takes a sequence as a safe integer or as up to 20 digits, and drops leading zeros', () => {
    expect(readSourceSeq(7)).toEqual({ ok: true, value: '7' })
    expect(readSourceSeq('0007')).toEqual({ ok: true, value: '7' })
    expect(readSourceSeq('18446744073709551615')).toEqual({ ok: true, value: '18446744073709551615' })
  })

  test.each([['18446744073709551616'], [-1], [1.5], ['1e3'], ['-1'], [''], [2 ** 53], ['9'.repeat(400)]])(
    'is refused as a sequence if it is %j',
    value => {
      expect(faultOf(readSourceSeq(value)).code).toBe('event-unreadable')
    },
  )

  test('must be there if the policy says where: a retry of an event without its id would count twice', () => {
    expect(faultOf(readIdentity({ nativeId: undefined })).code).toBe('event-identity-missing')
    expect(faultOf(readIdentity({ eventTime: null })).code).toBe('event-identity-missing')
  })

  test('never throws, whatever the policy found', () => {
    const anyFound = fc.record(
      { nativeId: anyMess, eventTime: anyMess, sourceSeq: anyMess },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(anyFound, found => {
        const read = readIdentity(found)
        if (!read.ok) expect(read.fault.code).toMatch(/^(event|json)-/)
      }),
      { numRuns: 1000 },
    )
  })

  test('is read only as far as the policy points at it', () => {
    expect(readIdentity({})).toEqual({ ok: true, value: {} })
    expect(readIdentity({ nativeId: 5, eventTime: '1970-01-01T00:00:01Z', sourceSeq: '3' })).toEqual({
      ok: true,
      value: { nativeId: '5', eventTime: { ms: 1000 }, sourceSeq: '3' },
    })
  })
})
