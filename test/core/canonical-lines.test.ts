import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { referenceEvent } from '../../bench/reference-event.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalize, canonicalJson, JSON_DEPTH_MAX, parseJson } from '../../src/core/canonical-json.ts'
import { canonicalLines } from '../../src/core/canonical-lines.ts'
import { memberWriter } from '../../src/core/canonical-writer.ts'

/** What is seen of each of these texts, as lines of one packet. */
function seen(...texts: readonly string[]): boolean[] {
  const isNext = canonicalLines(utf8(texts.map(text => `${text}\n`).join('')))
  return texts.map(() => isNext())
}

/** What the writer says, which is what counts. */
function isCanonical(text: string): boolean {
  const json = parseJson(text)
  const canonical = json.ok ? canonicalize(json.value) : json
  return canonical.ok && canonical.value === text
}

const keys = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.constantFrom(
    'a',
    'b',
    'aa',
    'A',
    '1',
    '10',
    '__proto__',
    '_',
    '__',
    'é',
    '\ue000',
    '😀',
    '"',
    'a\\',
    '',
  ),
)
const numbers = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.integer({ min: -10_000, max: 10_000 }).map(n => n / 1000),
  fc.constantFrom(
    0,
    -0,
    1e-6,
    1e-7,
    1.5e-6,
    999999999999999,
    1e15,
    2 ** 53,
    2 ** 53 - 1,
    1e21,
    0.1 + 0.2,
    5e-324,
  ),
)
const { value: json } = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(
      numbers,
      fc.string(),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(keys, tie('value')), { maxLength: 4 }).map(entries => Object.fromEntries(entries)),
  ),
}))
/** JSON as people write it: members in any order, now and then a space, a zero or a sign too many. */
const texts = fc.oneof(
  json.map(value => JSON.stringify(value)),
  json.map(value => {
    const canonical = canonicalize(value as never)
    return canonical.ok ? canonical.value : JSON.stringify(value)
  }),
  fc
    .tuple(json, fc.constantFrom(' ', '0', '-', '.0', 'e1', '\\u0041', ',', '\t', '1'), fc.nat())
    .map(([value, more, at]) => {
      const text = JSON.stringify(value)
      const place = at % (text.length + 1)
      return text.slice(0, place) + more + text.slice(place)
    }),
)

describe('a line that is seen to be canonical', () => {
  test('is, if it is JSON: whatever it holds, and whatever stands before it', () => {
    fc.assert(
      fc.property(fc.array(texts, { minLength: 1, maxLength: 3 }), lines => {
        // Bytes are no half of a pair.
        const whole = lines.filter(line => !line.includes('\n') && line.isWellFormed())
        const found = seen(...whole)
        for (const [i, line] of whole.entries())
          if (found[i] === true && parseJson(line).ok) expect(line).toSatisfy(isCanonical)
      }),
      { numRuns: 3_000 },
    )
  })

  test('is every one that events usually have', () => {
    const lines = Array.from({ length: 200 }, (_, i) => canonicalJson(referenceEvent(i)))
    expect(seen(...lines)).toEqual(lines.map(() => true))
    expect(
      seen('{}', '[]', '0', '-1', '0.5', '-0.25', 'null', '"é😀"', '{"a":[true,false,null],"b":{}}'),
    ).toEqual(Array.from({ length: 9 }, () => true))
    expect(seen('0.000001', '0.0000012', '123456789012345', '0.1', '0.30000000000000004')).toEqual(
      Array.from({ length: 5 }, () => true),
    )
  })

  test.each([
    ['{"b":1,"a":2}', 'its keys are in another order'],
    ['{"a":1,"a":2}', 'a key comes twice'],
    ['{"aa":1,"a":2}', 'a key comes after one that it begins'],
    ['{"a": 1}', 'there is a space'],
    ['{"a":1.0}', 'a zero too many'],
    ['{"a":10e1}', 'an exponent that is not needed'],
    ['{"a":-0}', 'a zero with a sign'],
    ['{"a":0.0000001}', 'it would be written with an exponent'],
    ['{"a":9007199254740993}', 'no double is that number'],
    ['{"a":0.1000000000000000055}', 'digits that its double does not need'],
    ['"\\u0041"', 'an escape that is not needed'],
    ['{"__proto__":1}', 'a key that is refused'],
    ['['.repeat(JSON_DEPTH_MAX + 1) + ']'.repeat(JSON_DEPTH_MAX + 1), 'it nests too deep'],
  ])('is not %s: %s', text => {
    expect(isCanonical(text)).toBe(false)
    expect(seen(text, '{}')).toEqual([false, true])
  })

  test('may lack its end', () => {
    expect(canonicalLines(utf8('{"a":1'))()).toBe(false)
    expect(canonicalLines(utf8('"a'))()).toBe(false)
    expect(canonicalLines(new Uint8Array(0))()).toBe(false)
  })
})

describe('the writer of known members', () => {
  const write = memberWriter(['a', 'b', 'longer'])
  const said = (object: object) => {
    const bytes = write(object)
    return bytes && new TextDecoder().decode(bytes)
  }

  test('writes those, in their order, and no other', () => {
    expect(said({ other: 1, longer: ['x'], b: { d: 1, c: 2 }, a: 'é' })).toBe(
      '{"a":"é","b":{"c":2,"d":1},"longer":["x"]}',
    )
    expect(said({ b: 0 })).toBe('{"b":0}')
    expect(said({ a: undefined })).toBe('{}')
  })

  test('refuses what has no canonical form, and writes the next one all the same', () => {
    expect(said({ a: 2 ** 53 })).toBeUndefined()
    expect(said({ a: '\ud800' })).toBeUndefined()
    expect(said({ a: 1 })).toBe('{"a":1}')
  })

  test('says what the canonical form is, of any value', () => {
    fc.assert(
      fc.property(json, value => {
        const canonical = canonicalize({ b: value } as never)
        expect(said({ b: value })).toBe(canonical.ok ? canonical.value : undefined)
      }),
    )
  })
})
