import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { payloadTypes } from '../../../src/core/event/payload-types.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { compileSchema, readSchema, SCHEMA_CHARS_MAX } from '../../../src/core/rules/json-schema.ts'
import { compilePayloadType } from '../../../src/core/rules/payload-type.ts'

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
    ['compares all items of an endless list', { uniqueItems: true }, '/uniqueItems'],
    ['compares all items of a very long list', { uniqueItems: true, maxItems: 257 }, '/uniqueItems'],
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
    expect(readSchema(schema, '/schema')).toMatchObject({
      ok: false,
      fault: { code: expect.stringMatching(/^(policy-invalid|pattern-refused)$/), pointer: `/schema${at}` },
    })
  })

  test.each([
    ['nests', 30, 'nests deeper'],
    ['grows', 14, 'parts'],
  ])('is refused where following its references %s without end', (_how, levels, why) => {
    const $defs: Record<string, Json> = { [`d${levels}`]: true }
    for (let i = 0; i < levels; i++)
      $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }
    const outcome = readSchema({ $ref: '#/$defs/d0', $defs }, '')
    expect(outcome).toMatchObject({ ok: false, fault: { detail: expect.stringContaining(why) } })
  })

  test('may carry notes, in which nothing is looked up', () => {
    const schema = {
      $id: 'https://example.com/a',
      title: 't',
      examples: [{ $id: 'https://example.com/a' }],
      type: 'string',
    }
    expect(orThrow(readSchema(schema, ''))).toEqual(schema)
    expect(readSchema({ ...schema, title: 'u' }, '').ok).toBe(true)
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
      readSchema(schema, '')
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
  })
})

test.each(Object.entries(payloadTypes))('the payload type %s accepts its example', (name, { example }) => {
  expect(compilePayloadType(name)(example)).toBeUndefined()
})

describe('a compiled schema', () => {
  const check = (schema: JsonObject) => compileSchema(orThrow(readSchema(schema, '')) as JsonObject)

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

  test('looks at the length of a list before comparing all its items', () => {
    const items = Array.from({ length: 100_000 }, (_, i) => ({ i }))
    expect(check({ maxItems: 256, uniqueItems: true })(items)).toBe('schema::maxItems')
  })

  test('looks at no payload for which the work would be too much', () => {
    const heavy = check({ items: { anyOf: Array.from({ length: 450 }, (_, i) => ({ const: i })) } })
    expect(heavy(Array.from({ length: 100_000 }, () => 0.5))).toBe('schema::too-large')
    expect(heavy(['x'.repeat(1_000_000)])).toBe('schema::too-large')
    expect(heavy([0, 449])).toBeUndefined()
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
