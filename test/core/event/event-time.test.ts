import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readEventTime } from '../../../src/core/event/event-time.ts'
import { anyMess, faultOf } from './arbitraries.ts'

describe('the time of an event', () => {
  test.each([
    [0, { ms: 0 }],
    [1_705_314_600_000, { ms: 1_705_314_600_000 }],
    ['1705314600000', { ms: 1_705_314_600_000 }],
    [Number.MAX_SAFE_INTEGER, { ms: Number.MAX_SAFE_INTEGER }],
    ['2024-01-15T10:30:00Z', { ms: 1_705_314_600_000 }],
    ['2024-01-15T10:30:00.000+00:00', { ms: 1_705_314_600_000 }],
    ['9999-12-31T23:59:59.999Z', { ms: 253_402_300_799_999 }],
    ['2024-01-15T10:30:00.1230000000000000000Z', { ms: 1_705_314_600_123 }],
  ])('%j says no more than its milliseconds', (sent, time) => {
    expect(readEventTime(sent)).toEqual({ ok: true, value: time })
  })

  test.each([
    ['2024-01-15T10:30:00.123456789Z', 1_705_314_600_123],
    ['2024-01-15T10:30:00.1239999999999999999Z', 1_705_314_600_123],
    ['2024-01-15T10:30:00.1230000000000000001Z', 1_705_314_600_123],
    ['2024-01-15T12:30:00+02:00', 1_705_314_600_000],
    ['2024-01-15T10:30:00-00:00', 1_705_314_600_000],
    ['1969-12-31T23:30:00.0001-00:45', 900_000],
  ])('%j keeps the text, which says more', (sent, ms) => {
    expect(readEventTime(sent)).toEqual({ ok: true, value: { ms, text: sent } })
  })

  test.each([
    ['2023-02-29T00:00:00Z'],
    ['2024-04-31T00:00:00Z'],
    ['2024-01-15T24:00:00Z'],
    ['2024-01-15T10:30:00'],
    ['2024-01-15'],
    ['1969-12-31T23:59:59Z'],
    ['0075-01-01T00:00:00Z'],
    ['yesterday'],
    [''],
    ['01'],
    ['9007199254740992'],
    [-1],
    [1.5],
    [2 ** 53],
    [true],
    [null],
    [`2024-01-15T10:30:00.${'1'.repeat(100_000)}Z`],
  ])('%.40j is a fault', sent => {
    expect(faultOf(readEventTime(sent, '/time'))).toMatchObject({
      code: 'event-unreadable',
      pointer: '/time',
    })
  })

  test('agrees with the language about every instant that both can write', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), ms => {
        expect(readEventTime(new Date(ms).toISOString())).toEqual({ ok: true, value: { ms } })
      }),
    )
  })

  test('never throws, whatever was sent for it', () => {
    fc.assert(
      fc.property(fc.oneof(anyMess, fc.string()), sent => {
        const read = readEventTime(sent)
        expect(read.ok ? read.value.ms >= 0 : read.fault.code === 'event-unreadable').toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})
