import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { payloadTypes } from '../../../src/core/event/payload-types.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { compileSchema, readSchema, SCHEMA_CHARS_MAX } from '../../../src/core/rules/json-schema.ts'
import { compilePayloadType } from '../../../src/core/rules/payload-type.ts'
import { hostileMembers } from './examples.ts'

describe('a schema that a publisher registers', () => {
  test.each<[string, Json, string]>([
    ['is not an object', [], ''],
    ['has a value of the wrong type', { type: 'strng' }, '/type'],
    ['has an unknown keyword', { minimun: 3 }, '/minimun'],
    ['refers to another document', { $ref: 'https://example.com/x' }, '/$ref'],
    [
      'refers to a place that is not a definition',
      { $ref: '#/properties/a', properties: { a: true } },
      '/$ref',
    ],
    ['refers to nothing', { $ref: '#/$defs/a' }, '/$ref'],
    ['refers to itself', { $ref: '#' }, '/$ref'],
    [
      'refers to itself by way of others',
      { $ref: '#/$defs/a', $defs: { a: { items: { $ref: '#/$defs/a' } } } },
      '/$defs/a/items/$ref',
    ],
    ['uses a dynamic reference', { $dynamicRef: '#a' }, '/$dynamicRef'],
    ['uses an anchor', { $anchor: 'a' }, '/$anchor'],
    ['names parts of itself', { properties: { a: { $id: 'https://example.com/a' } } }, '/properties/a/$id'],
    ['is of another draft', { $schema: 'http://json-schema.org/draft-07/schema#' }, '/$schema'],
    ['reads a bound from the data', { minimum: { $data: '1/a' } }, '/minimum'],
    ['asks what no other keyword looked at', { unevaluatedProperties: false }, '/unevaluatedProperties'],
    ['has a format of its own', { format: 'regex' }, '/format'],
    ['lists nothing', { enum: [] }, '/enum'],
    [
      'has a pattern that goes back',
      { properties: { 'a/b': { pattern: '(a)\\1' } } },
      '/properties/a~1b/pattern',
    ],
    ['has such a pattern for names', { patternProperties: { '(?=a)': true } }, '/patternProperties/(?=a)'],
    ['has definitions inside', { items: { $defs: {} } }, '/items/$defs'],
    ['is very long', { description: 'a'.repeat(SCHEMA_CHARS_MAX) }, ''],
    ['lists very much', { enum: Array.from({ length: 2_000 }, (_, i) => i) }, ''],
  ])('is refused where it %s', (_why, schema, at) => {
    expect(readSchema(schema)).toMatchObject({
      ok: false,
      fault: { code: expect.stringMatching(/^(policy-invalid|pattern-refused)$/), pointer: at },
    })
  })

  test.each([
    ['nests', 30, 'nests deeper'],
    ['grows', 14, 'parts'],
  ])('is refused where following its references %s without end', (_how, levels, why) => {
    const $defs: Record<string, Json> = { [`d${levels}`]: true }
    for (let i = 0; i < levels; i++)
      $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }
    const outcome = readSchema({ $ref: '#/$defs/d0', $defs })
    expect(outcome).toMatchObject({ ok: false, fault: { detail: expect.stringContaining(why) } })
  })

  test('is refused, and does not throw, where its own members have hostile names', () => {
    for (const value of hostileMembers) {
      expect(readSchema({ type: value }).ok).toBe(false)
      expect(readSchema({ required: [value, value] }).ok).toBe(false)
      expect(readSchema({ enum: [value, value] }).ok).toBe(true)
    }
  })

  test('is refused where it is no sound JSON', () => {
    const deep = (levels: number): Json => (levels === 0 ? 1 : { not: deep(levels - 1) })
    expect(readSchema({ minimum: Number.NaN })).toMatchObject({ fault: { code: 'json-number-unsafe' } })
    expect(readSchema({ const: '\ud800' })).toMatchObject({ fault: { code: 'json-string-unsound' } })
    expect(readSchema(deep(65))).toMatchObject({ fault: { code: 'json-too-deep' } })
  })

  test('gives the same issue in whatever order its keywords were written, and whoever came first', () => {
    const value = { b: 'x', a: 'x' }
    const members: readonly JsonObject[] = [
      { a: { type: 'number' }, b: { type: 'number' } },
      { b: { type: 'number' }, a: { type: 'number' } },
    ]
    const issues = members.map(properties =>
      compileSchema(orThrow(readSchema({ properties, title: JSON.stringify(properties) }))).check(value),
    )
    expect(issues).toEqual(['schema:/a:type', 'schema:/a:type'])
  })

  test('may carry notes, in which nothing is looked up', () => {
    const schema = {
      $id: 'https://example.com/a',
      title: 't',
      examples: [{ $id: 'https://example.com/a' }],
      type: 'string',
    }
    expect(orThrow(readSchema(schema))).toEqual(schema)
    expect(readSchema({ ...schema, title: 'u' }).ok).toBe(true)
  })

  test('prints nothing, whatever it is', () => {
    const printed = ['log', 'warn', 'error'].map(level =>
      vi.spyOn(console, level as 'log').mockImplementation(() => {}),
    )
    for (const schema of [
      { items: [{}] },
      { properties: { a: { minimum: 1 } }, required: ['b'] },
      { type: ['string', 'null'] },
      { if: true },
    ])
      readSchema(schema)
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
  })
})

test.each<[number, JsonObject]>([
  [1, {}],
  [1, { title: 't', $id: 'https://example.com/a', examples: [[1, 2]] }],
  [6, { type: 'array', items: { enum: [1, 2] } }],
  [2 + 3, { items: { const: { a: [1] } }, description: 'd' }],
  [3, { type: ['null'] }],
  [2 + 2 * 3, { anyOf: [{ minimum: 1 }, { maximum: 1 }] }],
  [2 + 2 + 3, { properties: { a: {}, b: { not: true } } }],
  [1 + 4 + 1 + 2, { $defs: { a: { type: 'null' } }, $ref: '#/$defs/a' }],
  [2 + 8, { format: 'date' }],
  [
    1 + 5 * (1 + 4),
    {
      uniqueItems: true,
      minProperties: 1,
      maxProperties: 1,
      additionalProperties: true,
      propertyNames: true,
    },
  ],
  [2 + 3, { pattern: 'b' }],
])('a schema weighs %i: %j', (weight, schema) => {
  expect(compileSchema(orThrow(readSchema(schema))).weight).toBe(weight)
})

test.each(Object.entries(payloadTypes))('the payload type %s accepts its example', (name, { example }) => {
  expect(compilePayloadType(name).check(example)).toBeUndefined()
})

describe('a compiled schema', () => {
  const check = (schema: JsonObject) => compileSchema(orThrow(readSchema(schema))).check

  test('names the place and the keyword', () => {
    const issue = check({ type: 'object', properties: { a: { items: { type: 'number' } } } })({ a: [1, 'x'] })
    expect(issue).toBe('schema:/a/1:type')
  })

  test('names the member that is missing or too much', () => {
    const closed = check({ properties: { a: true }, required: ['a'], additionalProperties: false })
    expect(closed({})).toBe('schema:/a:required')
    expect(closed({ a: 1, b: 2 })).toBe('schema:/b:additionalProperties')
  })

  test('asks an object for its own members, never for those of its prototype', () => {
    expect(check({ required: ['toString'] })({})).toBe('schema:/toString:required')
    expect(check({ properties: { constructor: { type: 'string' } } })({})).toBeUndefined()
  })

  test('matches patterns in linear time', () => {
    const text = `${'a'.repeat(100_000)}!`
    expect(check({ pattern: '^(a+)+$' })(text)).toBe('schema::pattern')
    expect(check({ patternProperties: { '^(a|a)*b$': false } })({ [text]: 1 })).toBeUndefined()
  })

  test('looks at no format of a text beyond the cap', () => {
    expect(check({ format: 'email' })(`${'a'.repeat(100_000)}@`)).toBe('schema::format')
    expect(check({ format: 'date-time' })('2025-11-20T00:00:00Z')).toBeUndefined()
  })

  test('compares by canonical form, whatever names the members have', () => {
    const equal: readonly (readonly [JsonObject, Json, boolean])[] = [
      [{ const: { x: 1 } }, { valueOf: 1 }, false],
      [{ const: { valueOf: 1 } }, { valueOf: 1 }, true],
      [{ const: { a: 1, b: [0] } }, { b: [-0], a: 1 }, true],
      [{ const: '{"a":1}' }, { a: 1 }, false],
      [{ const: null }, {}, false],
      [{ enum: [[], { x: 1 }] }, { toString: 1 }, false],
      [{ enum: [[], { x: 1 }] }, [], true],
      [{ enum: [1, 'a', null] }, '1', false],
      [{ uniqueItems: true }, [{ valueOf: 1 }, { valueOf: 2 }], true],
      [{ uniqueItems: true }, [{ constructor: {} }, { constructor: {} }], false],
      [{ uniqueItems: true }, [1, '1', true, 'true', null, 'null', [], '[]'], true],
      [{ uniqueItems: true, items: { type: 'string' } }, ['__proto__', '__proto__'], false],
      [{ uniqueItems: false }, [1, 1], true],
    ]
    for (const [schema, value, fits] of equal) {
      const keyword = Object.keys(schema)[0]
      expect(check(schema)(value)).toBe(fits ? undefined : `schema::${keyword}`)
    }
  })

  test('runs on whatever an event calls its members', () => {
    const fussy = check({
      anyOf: [{ const: { x: 1 } }, { enum: [{ a: 1 }, []] }, { uniqueItems: true, minItems: 2 }],
      dependentRequired: { length: ['constructor'] },
    })
    for (const value of hostileMembers) expect(fussy(value) ?? '').toMatch(/^(schema:|$)/)
  })

  test('bounds what a hostile key does to the issue', () => {
    const issue = check({ additionalProperties: false })({
      [`${'k'.repeat(63)}\u{1f600}${'k'.repeat(1_000)}`]: 1,
    })
    expect(issue?.isWellFormed()).toBe(true)
    expect(issue?.length).toBeLessThan(100)
  })

  test('agrees with an unguarded validator about harmless schemas', () => {
    const leaf = fc.constantFrom<JsonObject>(
      { type: 'number', minimum: 0 },
      { type: 'string', maxLength: 2 },
      { enum: ['a', 1, null] },
      { type: 'array', items: { type: 'integer' }, maxItems: 2 },
      { pattern: '^a' },
    )
    const schemas = fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), leaf),
    })
    const values = fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.oneof(fc.integer(), fc.string({ maxLength: 3 }), fc.constant(null), fc.array(fc.integer())),
    )
    const seen = fc.sample(schemas, { numRuns: 40, seed: 7 })
    const oracle = new Ajv2020({ strict: false })
    for (const schema of seen) {
      const guarded = check(schema)
      const plain = oracle.compile(schema)
      fc.assert(
        fc.property(values, value => {
          expect(guarded(value) === undefined).toBe(plain(value))
        }),
        { numRuns: 30 },
      )
    }
  })
})
