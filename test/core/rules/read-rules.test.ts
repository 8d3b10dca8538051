import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import {
  payloadTypeRule,
  readRules,
  rulesFromConstraints,
  schemaRule,
} from '../../../src/core/rules/read-rules.ts'
import { oneRuleOfEachKind } from './examples.ts'

describe('the rules of a policy', () => {
  test.each(oneRuleOfEachKind.map(rule => [String(rule['kind']), rule] as const))(
    '%s: have a canonical form, which reads as itself',
    (_kind, rule) => {
      const [read] = orThrow(readRules([rule]))
      expect(read).toMatchObject({
        kind: rule['kind'],
        severity: expect.any(String),
        flag: expect.any(Number),
      })
      expect(canonicalJson(orThrow(readRules([read ?? null])))).toBe(canonicalJson([read ?? null]))
    },
  )

  test.each<[string, Json, string]>([
    ['are not a list', {}, ''],
    ['are of no known kind', [{ kind: 'magic' }], '/0/kind'],
    ['misspell a member', [{ kind: 'bounds', field: 'a', mix: 1 }], '/0/mix'],
    ['have a range upside down', [{ kind: 'bounds', field: 'a', min: 2, max: 1 }], '/0'],
    ['set a flag that only ingest sets', [{ kind: 'bounds', field: 'a', min: 2, flag: 'LATE' }], '/0/flag'],
    ['set such a flag by number', [{ kind: 'bounds', field: 'a', min: 2, flag: 0x800 }], '/0/flag'],
    ['set one by a number that is one in 32 bits', [{ kind: 'skew', flag: 2 ** 32 + 1 }], '/0/flag'],
    ['have a severity of their own', [{ kind: 'skew', severity: 'fatal' }], '/0/severity'],
    ['go through __proto__', [{ kind: 'bounds', field: '__proto__.a', min: 2 }], '/0/field'],
    ['have a pattern that goes back', [{ kind: 'pattern', field: 'a', pattern: '(a)\\1' }], '/0/pattern'],
    ['name no payload type', [{ kind: 'payload-type', name: 'toString' }], '/0/name'],
    ['ask for more samples than they keep', [{ kind: 'mad', field: 'a', window: 4 }], '/0'],
    ['keep too much', [{ kind: 'mad', field: 'a', window: 257 }], '/0/window'],
    [
      'err in a predicate',
      [{ kind: 'predicate', name: 'p', require: { all: [{ not: { field: 'a', op: '~' } }] } }],
      '/0/require/all/0/not/op',
    ],
    ['err in a schema', [{ kind: 'schema', schema: { items: { type: 'x' } } }], '/0/schema/items/type'],
    ['hold a key that no event may hold', JSON.parse('[{"kind": "skew", "__proto__": 1}]'), '/0/__proto__'],
    ['add up a field twice', [{ kind: 'sum', fields: ['a', 'b', '/a'], max: 1 }], '/0/fields'],
    ['are too many', Array.from({ length: 65 }, () => ({ kind: 'skew' })), ''],
  ])('are refused where they %s', (_why, json, at) => {
    expect(readRules(json)).toMatchObject({ ok: false, fault: { pointer: at } })
  })
})

describe('short forms', () => {
  test('of constraints become rules of their kinds', () => {
    const rules = rulesFromConstraints({ monotonicFields: ['ts'], bounds: { val: { min: 5 } } })
    expect(orThrow(rules)).toEqual([
      { kind: 'bounds', severity: 'quarantine', flag: 1, field: '/val', min: 5 },
      { kind: 'monotonic', severity: 'flag', flag: 32, field: '/ts', strict: true },
    ])
  })

  test.each<[Json, string]>([
    [{ bounds: { 'a/b': { min: 'x' } } }, '/bounds/a~1b/min'],
    [{ bounds: { a: { min: 1, kind: 'enum' } } }, '/bounds/a/kind'],
    [{ bounds: { a: { min: 1, field: 'b' } } }, '/bounds/a/field'],
    [{ bounds: { a: {} } }, '/bounds/a'],
    [{ bounds: { a: 3 } }, '/bounds/a'],
    [{ pattern: { a: '(?=a)' } }, '/pattern/a'],
    [{ enum: { a: [] } }, '/enum/a'],
    [{ monotonicFields: ['a', '[0]'] }, '/monotonicFields/1'],
    [{ monotonic: ['a'] }, '/monotonic'],
  ])('%j points at the constraint that is wrong', (constraints, at) => {
    expect(rulesFromConstraints(constraints)).toMatchObject({
      ok: false,
      fault: { pointer: at },
    })
  })

  test('of a schema and a payload type become one rule each', () => {
    expect(orThrow(schemaRule({ type: 'object' }))).toMatchObject({ kind: 'schema', flag: 1 })
    expect(orThrow(payloadTypeRule('SENSOR_READING_V1'))).toMatchObject({ kind: 'payload-type' })
    expect(schemaRule({ type: 'x' })).toMatchObject({ fault: { pointer: '/type' } })
    expect(payloadTypeRule('NOPE')).toMatchObject({ fault: { pointer: '' } })
  })
})
