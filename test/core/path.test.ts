import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Json, parseJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import {
  compilePath,
  fieldName,
  PATH_CHARS_MAX,
  PATH_TOKENS_MAX,
  pointerOf,
  readPath,
  tokensOf,
} from '../../src/core/path.ts'

const at = (text: string, value: Json) => compilePath(orThrow(readPath(text)))(value)

describe('a path', () => {
  const value = { readings: [{ value: 7 }, null], 'a.b': 1, 'x/y': 2, '~': 3, '': 4, 0: 'zero' }

  test.each([
    ['readings.0.value', 7],
    ['readings[0].value', 7],
    ['/readings/0/value', 7],
    ['/a.b', 1],
    ['/x~1y', 2],
    ['/~0', 3],
    ['/', 4],
    ['0', 'zero'],
    ['readings[1]', null],
  ])('%s finds its value', (text, found) => {
    expect(at(text, value)).toEqual(found)
  })

  test.each([
    'readings[2]',
    'readings.00.value',
    '/readings/-',
    '/readings/-1',
    '/readings/length',
    'readings[1].value',
    '/a.b/c',
    'a.b',
  ])('%s finds nothing, and says so', text => {
    expect(at(text, value)).toBeUndefined()
  })

  test('sees own members only, never the prototype chain', () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'constructor.name', '__defineGetter__'])
      expect(at(name, value)).toBeUndefined()
    expect(at('constructor', { constructor: 1 })).toBe(1)
    expect(at('/0', 'text')).toBeUndefined()
    expect(at('length', 'text')).toBeUndefined()
  })

  test('has one canonical spelling, the pointer', () => {
    for (const text of ['readings.0.value', 'readings[0].value', '/readings/0/value'])
      expect(readPath(text)).toEqual({ ok: true, value: '/readings/0/value' })
  })

  test.each([
    '.a',
    'a.',
    'a..b',
    'a[',
    'a[]',
    'a[x]',
    'a[0',
    '[0]',
    'a[0]b',
    'a[01]',
    '/a~2',
    '/a~',
    '__proto__.polluted',
    '/a/__proto__',
    '\ud800',
    'a'.repeat(PATH_CHARS_MAX + 1),
    `${'a.'.repeat(PATH_TOKENS_MAX)}a`,
  ])('%j is refused', text => {
    expect(readPath(text)).toMatchObject({ ok: false, fault: { code: 'policy-invalid' } })
  })

  test('survives its canonical form: pointers and tokens are the same thing', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 6 }), tokens => {
        fc.pre(!tokens.includes('__proto__'))
        const pointer = pointerOf(tokens)
        expect(tokensOf(pointer)).toEqual(tokens)
        expect(orThrow(readPath(pointer))).toBe(pointer)
      }),
    )
  })

  test('reads what a plain walk reads', () => {
    const places = (value: Json, tokens: string[] = []): [string[], Json][] => [
      [tokens, value],
      ...(typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([key, inner]) => places(inner, [...tokens, key]))
        : []),
    ]
    fc.assert(
      fc.property(fc.json(), text => {
        for (const [tokens, found] of places(orThrow(parseJson(text))))
          expect(compilePath(pointerOf(tokens))(JSON.parse(text))).toEqual(found)
      }),
    )
  })
})

describe("a field's name in issues", () => {
  test('is the dot path where that cannot be misread, else the pointer', () => {
    expect(fieldName('/location/lat')).toBe('location.lat')
    expect(fieldName('/ts')).toBe('ts')
    expect(fieldName('/a.b/c')).toBe('/a.b/c')
    expect(fieldName('/a~1b')).toBe('/a~1b')
    expect(fieldName('/')).toBe('/')
    expect(fieldName('')).toBe('')
  })

  test('leads back to the field', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), tokens => {
        fc.pre(!tokens.includes('__proto__'))
        expect(orThrow(readPath(fieldName(pointerOf(tokens))))).toBe(pointerOf(tokens))
      }),
    )
  })
})
