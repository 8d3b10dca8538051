import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/canonical-json.ts'
import { canonicalize } from '../../../src/core/canonical-json.ts'
import {
  COERCIBLE_CHARS_MAX,
  type Coercion,
  coercions,
  readCoercion,
} from '../../../src/core/policy/coercion.ts'

const refused = undefined

describe('coercion', () => {
  test.each<[Coercion, Json, Json | undefined]>([
    ['boolean', 'false', false],
    ['boolean', 'true', true],
    ['boolean', false, false],
    ['boolean', 'False', refused],
    ['boolean', 'yes', refused],
    ['boolean', '', refused],
    ['boolean', 1, refused],
    ['boolean', [], refused],
    ['number', '12', 12],
    ['number', '-0.5', -0.5],
    ['number', '1e3', 1000],
    ['number', '-0', 0],
    ['number', 12.5, 12.5],
    ['number', '', refused],
    ['number', ' 12 ', refused],
    ['number', '0x10', refused],
    ['number', '+1', refused],
    ['number', '.5', refused],
    ['number', '05', refused],
    ['number', '1,5', refused],
    ['number', '1_000', refused],
    ['number', 'NaN', refused],
    ['number', 'Infinity', refused],
    ['number', '1e400', refused],
    ['number', '1e-400', refused],
    ['number', '0e-400', 0],
    ['number', '9007199254740993', refused],
    ['number', true, refused],
    ['number', [], refused],
    ['number', {}, refused],
    ['number', '1'.repeat(COERCIBLE_CHARS_MAX + 1), refused],
    ['integer', '42', 42],
    ['integer', -7, -7],
    ['integer', 1.5, refused],
    ['integer', '1.0', refused],
    ['integer', '1e3', refused],
    ['integer', '9007199254740992', refused],
    ['string', 0.1, '0.1'],
    ['string', false, 'false'],
    ['string', '', ''],
    ['string', [], refused],
    ['string', {}, refused],
    ['decimal-string', '123456789012345678901234567890.100', '123456789012345678901234567890.100'],
    ['decimal-string', 0.1, '0.1'],
    ['decimal-string', 1e-7, '0.0000001'],
    ['decimal-string', -1.25e-9, '-0.00000000125'],
    ['decimal-string', 5e-324, `0.${'0'.repeat(323)}5`],
    ['decimal-string', '1e3', refused],
    ['decimal-string', '', refused],
    ['decimal-string', '1.', refused],
    ['decimal-string', true, refused],
    ['iso8601', '2024-02-29T12:00:00+02:00', '2024-02-29T10:00:00.000Z'],
    ['iso8601', '2024-02-30T12:00:00Z', refused],
    ['iso8601', '2024-02-29T24:61:00Z', refused],
    ['iso8601', 1709200000000, refused],
    ['iso8601->epoch', '2024-02-29T10:00:00.5Z', 1709200800500],
    ['iso8601->epoch', 1709200800, refused],
    ['iso8601->epoch-seconds', '2024-02-29T10:00:00.5Z', 1709200800],
    ['epoch->iso8601', 1709200800500, '2024-02-29T10:00:00.500Z'],
    ['epoch->iso8601', '1709200800500', '2024-02-29T10:00:00.500Z'],
    ['epoch->iso8601', 1.5, refused],
    ['epoch->iso8601', 9e15, refused],
    ['epoch-seconds->iso8601', 1709200800, '2024-02-29T10:00:00.000Z'],
    ['epoch-seconds->iso8601', '9007199254740991', refused],
  ])('to %s of %j gives %j', (kind, value, after) => {
    expect(coercions[kind](value)).toEqual(after)
  })

  test('has its names, with or without spaces around the arrow, and no others', () => {
    expect(readCoercion('iso8601 -> epoch')).toBe('iso8601->epoch')
    for (const name of ['toString', '__proto__', 'epoch', 'iso8601->epoch->iso8601', 'Number', ''])
      expect(readCoercion(name)).toBeUndefined()
  })

  test('never throws, gives what canonical JSON can say, and changes nothing the second time', () => {
    const kinds = fc.constantFrom<Coercion>(
      'string',
      'number',
      'integer',
      'boolean',
      'decimal-string',
      'iso8601',
    )
    fc.assert(
      fc.property(kinds, fc.oneof(fc.jsonValue(), fc.double().map(String), fc.string()), (kind, value) => {
        const json = value as Json
        fc.pre(json !== null && canonicalize(json).ok)
        const after = coercions[kind](json)
        if (after === undefined) return
        expect(canonicalize(after).ok).toBe(true)
        expect(coercions[kind](after)).toEqual(after)
      }),
      { numRuns: 500 },
    )
  })

  test('to decimal-string loses no digit: the number reads back as itself', () => {
    fc.assert(
      fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), value => {
        fc.pre(!Number.isInteger(value) || Number.isSafeInteger(value))
        expect(Number(coercions['decimal-string'](value))).toBe(value + 0)
      }),
    )
  })
})
