import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalize, canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { tokensOf } from '../../../src/core/path.ts'
import { limitsAfter, underCeiling } from '../../../src/core/publisher/ceiling.ts'
import { differences } from '../../../src/core/publisher/differences.ts'
import { edited } from '../../../src/core/publisher/edit.ts'
import { newId } from '../../../src/core/publisher/new-id.ts'

describe('the differences of two values', () => {
  const json = fc
    .jsonValue({ maxDepth: 3 })
    .filter(value => canonicalize(value as Json).ok) as fc.Arbitrary<Json>

  test('are none exactly where the two are the same', () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        expect(differences(one, one)).toEqual([])
        expect(differences(one, other).length === 0).toBe(canonicalJson(one) === canonicalJson(other))
      }),
    )
  })

  test('say what stands at their places on either side', () => {
    const at = (value: Json, pointer: string) =>
      tokensOf(pointer).reduce<unknown>((inner, token) => Object(inner)[token], value)
    fc.assert(
      fc.property(json, json, (was, became) => {
        for (const difference of differences(was, became)) {
          expect(difference.was).toEqual(at(was, difference.pointer))
          expect(difference.became).toEqual(at(became, difference.pointer))
        }
      }),
    )
  })

  test('go into objects and lists, and no further than they have to', () => {
    expect(differences({ a: [1, { b: 2 }], c: 3 }, { a: [1, { b: 4 }, 5], 'd/e': {} })).toEqual([
      { pointer: '/a/1/b', was: 2, became: 4 },
      { pointer: '/a/2', became: 5 },
      { pointer: '/c', was: 3 },
      { pointer: '/d~1e', became: {} },
    ])
  })
})

describe('the id of something new', () => {
  const random = Uint8Array.from({ length: 12 }, (_, i) => i)

  test.each([
    ['Weather, Berlin', 'weather-berlin-0123456789ab'],
    ['Zählerstände (Köln)', 'zahlerstande-koln-0123456789ab'],
    ['天気', '0123456789ab'],
    ['../../etc/passwd', 'etc-passwd-0123456789ab'],
    ['-'.repeat(300), '0123456789ab'],
  ])('of %s reads like it: %s', (name, id) => {
    expect(newId(name, random)).toBe(id)
  })

  test('stands in an address as it is, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), name => {
        expect(newId(name, random)).toMatch(/^(?:[a-z0-9][a-z0-9-]{0,39}-)?0123456789ab$/)
      }),
    )
  })
})

describe('limits under a ceiling', () => {
  test('are lowered with it by a change that says nothing of them', () => {
    const [before, ceiling] = [
      { eventsPerDay: 20, requestsPerSecond: 7 },
      { eventsPerDay: 10, bytesPerMonth: 99 },
    ]
    expect(limitsAfter({ enabled: false }, before, ceiling)).toEqual({
      ok: true,
      value: { eventsPerDay: 10, requestsPerSecond: 7, bytesPerMonth: 99 },
    })
    expect(limitsAfter({ limits: before }, before, ceiling)).toMatchObject({ ok: false })
  })

  test('are the ceiling where nothing is said, what is said below it, and refused above', () => {
    const ceiling = { eventsPerDay: 10, bytesPerMonth: 99 }
    expect(underCeiling({ eventsPerDay: 3, requestsPerSecond: 7 }, ceiling)).toEqual({
      ok: true,
      value: { eventsPerDay: 3, requestsPerSecond: 7, bytesPerMonth: 99 },
    })
    expect(underCeiling({ eventsPerDay: 11 }, ceiling)).toMatchObject({
      ok: false,
      fault: { pointer: '/limits/eventsPerDay' },
    })
  })
})

describe('an edit', () => {
  const members = { own: ['a', 'b'], operators: ['c'] }
  const before = { a: 1, b: 2, c: 3 }

  test.each([
    ['patch', { a: 5 }, { a: 5, b: 2, c: 3 }],
    ['patch', { a: null }, { b: 2, c: 3 }],
    ['put', { a: 5 }, { a: 5, c: 3 }],
    ['put', {}, { c: 3 }],
  ] as const)('that is a %s of %j leads to %j', (kind, sent, after) => {
    expect(edited(before, sent, { kind, ...members })).toEqual({ ok: true, value: after })
  })

  test('leaves alone what operators decide', () => {
    expect(edited(before, { c: null }, { kind: 'patch', ...members })).toMatchObject({
      ok: false,
      fault: { pointer: '/c' },
    })
  })
})
