import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, isObject, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import { checkFrugally } from '../../../src/core/rules/frugal-keywords.ts'
import { compileSchema, readSchema } from '../../../src/core/rules/json-schema.ts'

const options = { strict: false, logger: false, ownProperties: true, validateSchema: false } as const

describe('a schema that is checked frugally', () => {
  test('finds what the library finds, and names it alike', () => {
    fc.assert(
      fc.property(schema, fc.array(value, { minLength: 20, maxLength: 20 }), (schema, values) => {
        fc.pre(readSchema(schema).ok)
        const asSent = stockAjv().compile(schema)
        const stock = stockAjv().compile(flat(schema))
        const { check } = compileSchema(schema)
        for (const value of values) {
          const issue = check(value)
          expect(issue).toBe(issueOf(stock(value), stock.errors))
          expect(issue === undefined).toBe(asSent(value))
        }
      }),
      { numRuns: 60 },
    )
  })

  test.each<[string, JsonObject]>([
    ['anyOf', { anyOf: [{ maxItems: 1 }, { type: 'string' }, false] }],
    ['oneOf', { oneOf: [{ maxItems: 1 }, { type: 'string' }, false] }],
    ['oneOf that several fit', { oneOf: [{ minItems: 1 }, { type: 'array' }, false] }],
    ['contains', { contains: { type: 'string' } }],
    ['contains with bounds', { contains: { anyOf: [{ const: 1 }, { const: 2 }] }, minContains: 4 }],
    ['propertyNames', { items: { propertyNames: { anyOf: [{ maxLength: 0 }, { pattern: '^b' }] } } }],
    [
      'if',
      {
        if: { contains: { type: 'string' } },
        else: { contains: { not: { type: 'object' } }, minContains: 6 },
      },
    ],
    [
      'references inside each other',
      {
        contains: { $ref: '#/$defs/a' },
        $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }, { $ref: '#/$defs/b' }] }, b: { type: 'string' } },
      },
    ],
  ])('makes one error, however many branches fail: %s', (_of, schema) => {
    const validate = checkFrugally(new Ajv2020(options)).compile(schema)
    expect(validate([1, 2, 3, { a: 1 }, [], null])).toBe(false)
    expect(validate.errors).toHaveLength(1)
  })

  test('does not throw where the library loses its account of evaluated members', () => {
    const members = { patternProperties: { '^a': { type: 'number' } } }
    const schema = { anyOf: [{ ...members, anyOf: [true, { ...members, additionalProperties: true }] }] }
    expect(() => new Ajv2020(options).compile(schema)({ a: {} })).toThrow(TypeError)
    expect(checkFrugally(new Ajv2020(options)).compile(schema)({ a: {} })).toBe(false)
  })

  test('divides as the library does', () => {
    const quotients = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.constantFrom(1e20, 1e21, -1e21, 1e300, -0, 1e-7, 5e-324, 2 ** 53, 0.1 * 3),
    )
    const divisors = fc.constantFrom(1, 7, 0.1, 0.01, 1e-7, 1e300, 5e-324)
    fc.assert(
      fc.property(quotients, divisors, (quotient, multipleOf) => {
        const both = [checkFrugally(new Ajv2020(options)), new Ajv2020(options)]
        const [frugal, stock] = both.map(ajv => ajv.compile({ multipleOf }))
        for (const number of [quotient, quotient * multipleOf]) expect(frugal?.(number)).toBe(stock?.(number))
      }),
    )
  })
})

function stockAjv(): Ajv2020 {
  const ajv = new Ajv2020(options)
  ajv.opts.unevaluated = false
  return ajv
}

function issueOf(fits: boolean, errors: readonly ErrorObject[] | null | undefined): string | undefined {
  if (fits) return undefined
  const { instancePath, keyword, params } = errors?.at(-1) ?? expect.unreachable()
  const member = params['missingProperty'] ?? params['additionalProperty']
  return `schema:${instancePath}${member === undefined ? '' : `/${member}`}:${keyword}`
}

/**
 * In canonical order, and definitions without references: where one has them the library names an `if` around it,
 * which elsewhere gives way to what failed inside.
 */
function flat({ $defs = {}, ...top }: JsonObject): JsonObject {
  const inline = (part: Json): Json => {
    if (Array.isArray(part)) return part.map(inline)
    if (!isObject(part)) return part
    if (typeof part['$ref'] === 'string') return inline(definition(part['$ref']))
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, inline(inner)]))
  }
  const definition = (reference: string) => (isObject($defs) ? ($defs[reference.slice(-2)] ?? true) : true)
  return JSON.parse(canonicalJson({ ...top, $defs: inline($defs) }))
}

const name = fc.constantFrom('a', 'b', 'c', 'ab', '0')
const scalar = fc.constantFrom<Json>(null, true, false, 0, 1, 2, 3, 1.5, '', 'a', 'b', 'ab')
const { value } = fc.letrec<{ value: Json }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

const leaf = fc.constantFrom<Json>(
  true,
  false,
  {},
  { type: 'number' },
  { type: 'string' },
  { type: ['array', 'null'] },
  { type: 'object', minProperties: 1, maxProperties: 2 },
  { type: 'integer', minimum: 1 },
  { const: 1 },
  { const: [1] },
  { enum: ['a', 1, null, { a: 1 }] },
  { uniqueItems: true, minItems: 1 },
  { required: ['a', 'b'] },
  { dependentRequired: { a: ['b', 'c'] } },
  { minLength: 1, maxLength: 1 },
  { pattern: '^a' },
  { multipleOf: 2, exclusiveMaximum: 3 },
)
const names = ['d0', 'd1', 'd2']
const reference = fc.constantFrom(...names).map(name => ({ $ref: `#/$defs/${name}` }))
const { schema } = fc.letrec<{ schema: JsonObject; part: Json; holder: JsonObject }>(tie => {
  const part = tie('part')
  // No booleans: keywords name those otherwise where no reference is between.
  const definition = fc.oneof(reference, tie('holder'))
  const list = fc.array(part, { minLength: 1, maxLength: 3 })
  const map = fc.dictionary(name, part, { maxKeys: 3, noNullPrototype: true })
  const count = fc.integer({ min: 0, max: 3 })
  return {
    part: fc.oneof({ maxDepth: 4, depthSize: 'small' }, leaf, reference, tie('holder')),
    // One or two keywords that hold schemas: with more, nearly everything fails at the first.
    holder: fc
      .tuple(
        fc.oneof<fc.Arbitrary<JsonObject>[]>(
          fc.record({ anyOf: list }),
          fc.record({ oneOf: list }),
          fc.record({ allOf: list }),
          fc.record({ not: part }),
          // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword; nothing awaits it
          fc.record({ if: part, then: part, else: part }, { requiredKeys: ['if'] }),
          fc.record(
            { contains: part, minContains: count, maxContains: count },
            { requiredKeys: ['contains'] },
          ),
        ),
        fc.oneof<fc.Arbitrary<JsonObject>[]>(
          fc.constant({}),
          leaf.map(schema => (typeof schema === 'boolean' ? {} : (schema as JsonObject))),
          fc.record({ items: part, prefixItems: list }, { requiredKeys: [] }),
          fc.record(
            {
              properties: map,
              additionalProperties: part,
              patternProperties: fc.constant({ '^a': { type: 'number' } }),
            },
            { requiredKeys: [] },
          ),
          fc.record({ propertyNames: part }),
          fc.record({ dependentSchemas: map }),
        ),
      )
      .map(([one, other]) => ({ ...one, ...other })),
    schema: fc
      .tuple(fc.oneof(reference, fc.constant({})), tie('holder'), ...names.map(() => definition))
      .map(([ref, top, ...definitions]) => ({
        ...ref,
        ...top,
        $defs: Object.fromEntries(names.map((name, i) => [name, definitions[i] ?? true])),
      })),
  }
})
