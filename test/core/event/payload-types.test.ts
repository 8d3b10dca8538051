import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { canonicalize, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import {
  PAYLOAD_TYPE_DEFAULT,
  type PayloadTypeName,
  payloadTypes,
} from '../../../src/core/event/payload-types.ts'

const ajv = new Ajv2020({ strict: true })
const names = Object.keys(payloadTypes) as PayloadTypeName[]
const closedTypes = names.filter(name => name !== 'GENERIC_JSON_V1')

describe.each(names)('payload type %s', name => {
  const { schema, example, version } = payloadTypes[name]
  const valid = ajv.compile(schema)

  test('has an example that is valid by its schema and canonical JSON can say', () => {
    expect(valid(example), JSON.stringify(valid.errors)).toBe(true)
    expect(canonicalize(schema).ok && canonicalize(example).ok).toBe(true)
  })

  test('carries its version in its name', () => {
    expect(name).toMatch(new RegExp(`_V${version}$`))
  })
})

describe.each(closedTypes)('payload type %s', name => {
  const schema: JsonObject = payloadTypes[name].schema
  const example = payloadTypes[name].example as JsonObject
  const valid = ajv.compile(schema)

  test('requires each of its required members', () => {
    for (const member of schema['required'] as string[]) {
      const { [member]: _left, ...rest } = example
      expect(valid(rest), member).toBe(false)
    }
  })

  test('refuses members it does not know, and things that are no object', () => {
    for (const bad of [{ ...example, mispelt: 1 }, [example], null, 'text', 5]) expect(valid(bad)).toBe(false)
  })
})

test.each<[PayloadTypeName, JsonObject]>([
  ['ODDS_SNAPSHOT_V1', { outcomes: [{ outcome: 'only one', odds: 2 }] }],
  [
    'ODDS_SNAPSHOT_V1',
    {
      outcomes: [
        { outcome: 'a', odds: 0.9 },
        { outcome: 'b', odds: 2 },
      ],
    },
  ],
  ['ODDS_TICK_V1', { odds: '1.85' }],
  ['ELECTION_POLL_V1', { sampleSize: 0 }],
  ['ELECTION_POLL_V1', { results: [{ choice: 'a', percent: 101 }] }],
  ['MACRO_RELEASE_V1', { value: null }],
  ['ONCHAIN_PRICE_TICK_V1', { price: 0 }],
  ['ONCHAIN_ACTIVITY_V1', { amount: '-5' }],
  ['ONCHAIN_ACTIVITY_V1', { amount: 5 }],
  ['NEWS_SIGNAL_V1', { sentiment: 2 }],
  ['SENSOR_READING_V1', { value: '23.5' }],
  ['SENSOR_READING_V1', { location: { lat: 91, lng: 0 } }],
  ['LOG_RECORD_V1', { severity: 'loud' }],
  ['SYSTEM_EVENT_V1', { outcome: 'maybe' }],
])('%s refuses %j', (name, change) => {
  const example = payloadTypes[name].example as { readonly [member: string]: Json }
  expect(ajv.compile(payloadTypes[name].schema)({ ...example, ...change })).toBe(false)
})

test('what nobody has named a type for may be any JSON', () => {
  const valid = ajv.compile(payloadTypes[PAYLOAD_TYPE_DEFAULT].schema)
  for (const payload of [null, 5, 'x', [], {}, { a: [1] }]) expect(valid(payload)).toBe(true)
})
