import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  readTimestamp,
  TIMESTAMP_MAX_MS,
  TIMESTAMP_MIN_MS,
  writeTimestamp,
} from '../../src/core/timestamp.ts'

describe('a timestamp', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0],
    ['2024-02-29T12:30:00.5Z', Date.UTC(2024, 1, 29, 12, 30, 0, 500)],
    ['2024-02-29T12:30:00+02:00', Date.UTC(2024, 1, 29, 10, 30)],
    ['2024-02-29T00:30:00+0200', Date.UTC(2024, 1, 28, 22, 30)],
    ['2024-02-29 12:30:00-05', Date.UTC(2024, 1, 29, 17, 30)],
    ['2024-02-29t12:30z', Date.UTC(2024, 1, 29, 12, 30)],
    ['2024-01-01T00:00:00.1239999Z', Date.UTC(2024, 0, 1, 0, 0, 0, 123)],
    ['1969-12-31T23:59:59.999Z', -1],
    ['0000-01-01T00:00:00Z', TIMESTAMP_MIN_MS],
    ['9999-12-31T23:59:59.999Z', TIMESTAMP_MAX_MS],
  ])('%s is one instant', (text, ms) => {
    expect(readTimestamp(text)).toBe(ms)
  })

  test.each([
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-00-10T00:00:00Z',
    '2024-01-00T00:00:00Z',
    '2024-02-30T00:00:00.000Z',
    '2024-13-01T00:00:00.000Z',
    '2024-00-10T00:00:00.000Z',
    '2024-01-01T24:00:00.000Z',
    '2024-01-01T23:60:00.000Z',
    '2024-01-01T23:59:60.000Z',
    '2024-01-01T23:59:5:.000Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T24:61:00Z',
    '2024-01-01T12:60:00Z',
    '2016-12-31T23:59:60Z',
    '2024-01-01T00:00:00+24:00',
    '2024-01-01T00:00:00+01:60',
    '2024-01-01T00:00:00',
    '2024-01-01',
    '0000-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
    '+012024-01-01T00:00:00Z',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00,5Z',
    ' 2024-01-01T00:00:00Z',
    '2024-01-01T00:00:00Z\n',
    '٢٠٢٤-01-01T00:00:00Z',
    'yesterday',
    '',
  ])('%j names no instant', text => {
    expect(readTimestamp(text)).toBeUndefined()
  })

  test('reads back what it writes, for every millisecond of four-digit years', () => {
    fc.assert(
      fc.property(fc.integer({ min: TIMESTAMP_MIN_MS, max: TIMESTAMP_MAX_MS }), ms => {
        const text = writeTimestamp(ms)
        expect(text).toBe(new Date(ms).toISOString())
        expect(readTimestamp(text ?? '')).toBe(ms)
      }),
    )
    expect(writeTimestamp(TIMESTAMP_MAX_MS + 1)).toBeUndefined()
    expect(writeTimestamp(TIMESTAMP_MIN_MS - 1)).toBeUndefined()
    expect(writeTimestamp(0.5)).toBeUndefined()
  })

  test('agrees with Date about offsets', () => {
    const two = (n: number) => String(n).padStart(2, '0')
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        fc.constantFrom('+', '-'),
        fc.nat(23),
        fc.nat(59),
        (ms, sign, hours, minutes) => {
          const local = `${new Date(ms).toISOString().slice(0, -1)}${sign}${two(hours)}:${two(minutes)}`
          expect(readTimestamp(local)).toBe(Date.parse(local))
        },
      ),
    )
  })
})
