import { createHash } from 'node:crypto'
import commonJsOracle from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalHash,
  canonicalize,
  canonicalJson,
  isObject,
  JSON_DEPTH_MAX,
  type Json,
  nestsWithin,
  parseCanonicalJson,
  parseJson,
  pointerToken,
} from '../../src/core/canonical-json.ts'
import { CANONICAL_BYTES_MAX } from '../../src/core/canonical-writer.ts'
import { FaultError, orThrow } from '../../src/core/fault.ts'
import published from '../vectors/external/rfc8785.json' with { type: 'json' }

// Its declarations speak of an ES module, its code is CommonJS.
const oracle = commonJsOracle as unknown as typeof commonJsOracle.default

const keys = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.nat({ max: 200 }).map(String),
  fc.constantFrom(
    '',
    'a',
    'A',
    'é',
    '"',
    '\\',
    '\n',
    '\u007f',
    'constructor',
    'toString',
    'toJSON',
    '\ufb33',
    '😀',
  ),
)
const numbers = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -9, max: 9 }),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter(value => Math.abs(value) <= Number.MAX_SAFE_INTEGER),
)
const strings = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme-ascii', maxLength: 400 }))
/** Everything that strict canonical JSON accepts. */
const sound = jsonOf(
  strings,
  numbers,
  keys.filter(key => key !== '__proto__'),
)
/** Everything that a JSON text can hold, sound or not: the keys and values that are refused come up often. */
const parsed = jsonOf(
  fc.oneof(strings, fc.constantFrom('\ud800', 'a\udfff', '😀')),
  fc.oneof(numbers, fc.constantFrom(2 ** 53, -(2 ** 53), 1e21, 1.7976931348623157e308)),
  fc.oneof(keys, fc.constantFrom('__proto__', '\udead', '~/')),
)

function jsonOf(text: fc.Arbitrary<string>, number: fc.Arbitrary<number>, key: fc.Arbitrary<string>) {
  const { json } = fc.letrec<{ json: Json }>(tie => ({
    json: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(text, number, fc.boolean(), fc.constant(null)),
      fc.array(tie('json'), { maxLength: 6 }),
      // Through entries, because that is how a parser makes a member of the name __proto__.
      fc.array(fc.tuple(key, tie('json')), { maxLength: 8 }).map(members => objectOf(members)),
    ),
  }))
  return json
}

function objectOf(members: readonly (readonly [string, Json])[]): Json {
  const object = {}
  for (const [key, value] of members)
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true })
  return object
}

function faultOf(value: Json) {
  const outcome = canonicalize(value)
  return outcome.ok ? undefined : outcome.fault
}

const parse = (text: string) => orThrow(parseJson(text))

describe('canonical JSON', () => {
  test.each(published.examples)('writes the published example "$name" byte for byte', example => {
    const { input, output } = example
    // The published examples are not ours to doubt, but a slip in copying them would be.
    expect(oracle(JSON.parse(input))).toBe(output)
    if (example.refused === undefined) expect(canonicalJson(parse(input))).toBe(output)
    else expect(faultOf(parse(input))).toMatchObject({ code: 'json-number-unsafe', pointer: example.refused })
  })

  test('writes the published example with the huge number once that travels as a string', () => {
    const example = published.examples.find(({ name }) => name === 'values')
    expect(canonicalJson(parse(example?.input.replace('1E30', '"1E30"') ?? ''))).toBe(
      example?.output.replace('1e+30', '"1E30"'),
    )
  })

  test.each(published.numbers)('writes the published number $ieee754 as $text, or refuses it', vector => {
    const view = new DataView(new ArrayBuffer(8))
    view.setBigUint64(0, BigInt(`0x${vector.ieee754}`))
    const value = view.getFloat64(0)
    const accepted = vector.text !== null && (!Number.isInteger(value) || Number.isSafeInteger(value))
    if (accepted) expect(canonicalJson([value])).toBe(`[${vector.text}]`)
    else expect(faultOf([value])).toMatchObject({ code: 'json-number-unsafe', pointer: '/0' })
  })

  test('equals the canonicalize package, and its hash, on any value that it accepts', () => {
    fc.assert(
      fc.property(sound, value => {
        const expected = oracle(value) ?? ''
        expect(canonicalize(value)).toEqual({ ok: true, value: expected })
        const hash = createHash('sha256').update(expected, 'utf8').digest('hex')
        expect(canonicalHash(value)).toEqual({ ok: true, value: hash })
      }),
      { numRuns: 6_000 },
    )
  })

  test('says the same of a value however often and in whatever company it is written', () => {
    // Few names in every order, so that the remembered shapes collide, take over and come back.
    const object = fc
      .shuffledSubarray(['a', 'b', 'aa', 'ab', 'é', '10', '9', 'zz', ''])
      .map(names => objectOf(names.map((name, i) => [name, i])))
    fc.assert(
      fc.property(fc.array(object, { minLength: 1, maxLength: 20 }), objects => {
        const expected = objects.map(value => oracle(value))
        for (let time = 0; time < 3; time++) expect(objects.map(canonicalJson)).toEqual(expected)
      }),
      { numRuns: 1_000 },
    )
  })

  test('gives its canonical form back unchanged', () => {
    fc.assert(
      fc.property(sound, value => {
        const text = canonicalJson(value)
        expect(canonicalJson(parse(text))).toBe(text)
        expect(parseCanonicalJson(text).ok).toBe(true)
      }),
    )
  })

  test('orders keys by UTF-16 code units, so that an emoji comes before U+FB33', () => {
    expect(canonicalJson({ '\ufb33': 1, '😀': 2, z: 3, Z: 4, é: 5 })).toBe(
      '{"Z":4,"z":3,"é":5,"😀":2,"\ufb33":1}',
    )
  })

  test('orders keys that look like array indexes as text', () => {
    expect(canonicalJson(parse('{"10":1,"9":2,"1":3,"01":4,"-1":5}'))).toBe(
      '{"-1":5,"01":4,"1":3,"10":1,"9":2}',
    )
  })

  test('orders the keys of wide objects too', () => {
    const wide = objectOf(Array.from({ length: 3_000 }, (_, i) => [`key ${(i * 7919) % 3_000}`, i]))
    for (let time = 0; time < 2; time++) expect(canonicalJson(wide)).toBe(oracle(wide))
  })

  test('writes long and large texts like any other', () => {
    const large = [
      'x'.repeat(256),
      'x'.repeat(257),
      '東京'.repeat(300_000),
      `${'\n'.repeat(300_000)}"`,
      { ['k'.repeat(70)]: 'é'.repeat(2_000_000) },
    ]
    for (let time = 0; time < 2; time++) expect(canonicalJson(large)).toBe(oracle(large))
    expect(canonicalJson('after it')).toBe('"after it"')
  })

  test('writes minus zero as 0, and no other zero', () => {
    expect(canonicalJson(parse('[-0,0,-0.0,0e5]'))).toBe('[0,0,0,0]')
  })

  test.each(['9007199254740991', '9.007199254740991e15', '90071992547409910e-1', '-9007199254740991.0'])(
    'accepts %s, the last integer that a double holds alone',
    text => {
      expect(canonicalJson(parse(text))).toBe(text.startsWith('-') ? '-9007199254740991' : '9007199254740991')
    },
  )

  test.each([
    '9007199254740992',
    '9007199254740993',
    '9.007199254740993e15',
    '900719925474099300e-2',
    '-9007199254740992.0',
    '9007199254740991.5',
    '1e16',
    '1E400',
  ])('refuses %s, which a double may only be nearest to, and points at it', text => {
    expect(faultOf(parse(`{"a":[1,${text}]}`))).toMatchObject({ code: 'json-number-unsafe', pointer: '/a/1' })
  })

  test('refuses half a surrogate pair in a value and in a key, also a remembered one', () => {
    expect(faultOf(parse('{"a":"\\ud83d"}'))).toMatchObject({ code: 'json-string-unsound', pointer: '/a' })
    expect(faultOf(parse('["\\ude00\\ud83d"]'))).toMatchObject({ code: 'json-string-unsound', pointer: '/0' })
    for (let time = 0; time < 3; time++)
      expect(faultOf(parse('{"a":{"\\udead":1}}'))).toMatchObject({
        code: 'json-string-unsound',
        pointer: '/a/\udead',
      })
  })

  test('refuses the key __proto__ wherever a parser has left one', () => {
    for (let time = 0; time < 3; time++)
      expect(faultOf(parse('[{"a":1,"__proto__":{"x":1}}]'))).toMatchObject({
        code: 'json-key-refused',
        pointer: '/0/__proto__',
      })
  })

  test('refuses nesting beyond its bound, and nothing at it', () => {
    const nested = (levels: number) => parse('['.repeat(levels) + ']'.repeat(levels))
    expect(canonicalize(nested(JSON_DEPTH_MAX)).ok).toBe(true)
    const pointer = '/0'.repeat(JSON_DEPTH_MAX)
    expect(faultOf(nested(JSON_DEPTH_MAX + 1))).toMatchObject({ code: 'json-too-deep', pointer })
    expect(faultOf(nested(100_000))).toMatchObject({ code: 'json-too-deep', pointer })
  })

  test('refuses what would be written longer than its bound', () => {
    const megabyte = 'x'.repeat(1024 * 1024 - 3)
    const megabytes = CANONICAL_BYTES_MAX / (1024 * 1024)
    // Each costs its quotes and a comma; the brackets around all of them make the one byte too many.
    expect(faultOf(Array(megabytes).fill(megabyte))).toMatchObject({ code: 'json-too-large' })
    expect(canonicalHash(Array(megabytes - 1).fill(megabyte)).ok).toBe(true)
  })

  test('refuses what is not JSON at all, and points at it', () => {
    const notJson = (value: unknown) => faultOf(value as Json)
    expect(notJson({ a: undefined })).toMatchObject({ code: 'json-value-unsupported', pointer: '/a' })
    expect(notJson([1, 2n])).toMatchObject({ code: 'json-value-unsupported', pointer: '/1' })
    expect(notJson(Array(1))).toMatchObject({ code: 'json-value-unsupported', pointer: '/0' })
    expect(notJson(Number.NaN)).toMatchObject({ code: 'json-number-unsafe', pointer: '' })
    expect(notJson({ a: [Number.POSITIVE_INFINITY] })).toMatchObject({ pointer: '/a/0' })
  })

  test('never throws over a parsed value, and points at its first refusal', () => {
    let refusals = 0
    fc.assert(
      fc.property(parsed, value => {
        const found = firstViolation(value)
        if (found !== undefined) refusals++
        expect(faultOf(value)?.pointer).toBe(found)
        expect(canonicalHash(value).ok).toBe(found === undefined)
      }),
      { numRuns: 5_000 },
    )
    expect(refusals).toBeGreaterThan(500)
  })

  test('escapes what a JSON Pointer escapes', () => {
    expect(pointerToken('a/b~c')).toBe('/a~1b~0c')
    expect(faultOf({ 'a/b~c': [{ '': 1e300 }] })).toMatchObject({ pointer: '/a~1b~0c/0/' })
  })

  test('keeps its answer short where the sender chose a long key', () => {
    const fault = faultOf({ near: { ['k'.repeat(5_000)]: [1e300] } })
    expect(fault).toMatchObject({ code: 'json-number-unsafe', pointer: '/near' })
  })

  test('throws a fault for a value of our own that turns out to be unsound', () => {
    expect(() => canonicalJson({ a: 1e300 })).toThrow(FaultError)
  })
})

describe('a canonicaliser must not', () => {
  test('turn nested objects into strings', () => {
    expect(canonicalJson({ b: { d: 1, c: { e: 2 } }, a: 0 })).toBe('{"a":0,"b":{"c":{"e":2},"d":1}}')
  })

  test('turn arrays into objects with sorted keys', () => {
    const items = Array.from({ length: 11 }, (_, i) => 10 - i)
    expect(canonicalJson({ items })).toBe('{"items":[10,9,8,7,6,5,4,3,2,1,0]}')
    expect(canonicalJson([])).not.toBe(canonicalJson({}))
  })
})

describe('reading JSON', () => {
  test('takes the last of repeated keys, as ECMAScript does', () => {
    expect(parse('{"a":1,"b":2,"a":3}')).toEqual({ a: 3, b: 2 })
  })

  test('keeps a member named __proto__ a member', () => {
    const value = parse('{"__proto__":{"admin":true}}')
    expect(Object.keys(value as object)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  })

  test('reads bytes as it reads text, and refuses bytes that are not UTF-8', () => {
    expect(parseJson(new TextEncoder().encode('{"é":"😀"}'))).toEqual({ ok: true, value: { é: '😀' } })
    expect(parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toMatchObject({ fault: { code: 'json-unreadable' } })
    expect(parseJson(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)).ok).toBe(false)
  })

  test('refuses a byte order mark', () => {
    expect(parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)).ok).toBe(false)
    expect(parseJson('\ufeff1').ok).toBe(false)
  })

  test('refuses text beyond the bound that the caller set', () => {
    expect(parseJson('[1]', 3).ok).toBe(true)
    expect(parseJson('[1] ', 3)).toMatchObject({ fault: { code: 'json-too-large' } })
  })

  test('says where the text breaks off, and never what it says', () => {
    const outcome = parseJson('{"password":"hunter2",}')
    expect(outcome).toMatchObject({ ok: false, fault: { code: 'json-unreadable' } })
    expect(JSON.stringify(outcome)).toContain('at character 22')
    expect(JSON.stringify(outcome)).not.toContain('hunter2')
  })

  test('answers any bytes and any text without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => typeof parseJson(bytes).ok === 'boolean'),
      {
        numRuns: 3_000,
      },
    )
    const cutText = fc.tuple(sound, fc.nat(), fc.string({ maxLength: 2 }))
    fc.assert(
      fc.property(cutText, ([value, at, inserted]) => {
        const text = canonicalJson(value)
        const place = at % (text.length + 1)
        const outcome = parseJson(text.slice(0, place) + inserted + text.slice(place + 1))
        if (outcome.ok) expect(typeof canonicalize(outcome.value).ok).toBe('boolean')
        else expect(outcome.fault.code).toBe('json-unreadable')
      }),
      { numRuns: 3_000 },
    )
  })

  test.each(['{"b":1,"a":2}', '[1 ]', '1.0', '"\\u0061"', '{"a":1,"a":1}', '-0', '1e2'])(
    'refuses %s where only the canonical form will do',
    text => {
      expect(parseJson(text).ok).toBe(true)
      expect(parseCanonicalJson(text)).toMatchObject({ fault: { code: 'json-unreadable' } })
    },
  )

  test('passes on why a text has no canonical form', () => {
    expect(parseCanonicalJson('[1e300]')).toMatchObject({
      fault: { code: 'json-number-unsafe', pointer: '/0' },
    })
    expect(parseCanonicalJson('[1')).toMatchObject({ fault: { code: 'json-unreadable' } })
  })

  test('counts how deep lists and objects stand in each other, and never further than asked', () => {
    expect(nestsWithin('text', 0)).toBe(true)
    expect([nestsWithin([], 0), nestsWithin([], 1)]).toEqual([false, true])
    expect([nestsWithin({ a: [{}] }, 2), nestsWithin({ a: [{}] }, 3)]).toEqual([false, true])
    const deep = parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    expect(nestsWithin(deep, JSON_DEPTH_MAX)).toBe(false)
  })

  test('tells objects from everything else', () => {
    expect([{}, { a: 1 }].every(isObject)).toBe(true)
    expect([null, [], 'a', 1, true, undefined].some(isObject)).toBe(false)
  })
})

/** Written from the rules, one at a time and slowly: the pointer of the first member that breaks one. */
function firstViolation(value: Json, pointer = '', depth = 1): string | undefined {
  if (typeof value === 'string') return hasLoneSurrogate(value) ? pointer : undefined
  if (typeof value === 'number') return Math.abs(value) >= 2 ** 53 ? pointer : undefined
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > 64) return pointer
  for (const key of Object.keys(value)) {
    const inside = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (key === '__proto__' || hasLoneSurrogate(key)) return inside
    const found = firstViolation(Object.getOwnPropertyDescriptor(value, key)?.value, inside, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

function hasLoneSurrogate(text: string): boolean {
  return [...text].some(character => /^[\ud800-\udfff]$/.test(character))
}
