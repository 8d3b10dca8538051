import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { faultCodes, type Outcome, orThrow } from '../../../src/core/fault.ts'
import { readFusion } from '../../../src/core/fusion/read-fusion.ts'
import { emptyState, readState, writeState } from '../../../src/core/rules/carried-state.ts'
import { compileRules } from '../../../src/core/rules/check-event.ts'
import { readRules, rulesFromConstraints, schemaRule } from '../../../src/core/rules/read-rules.ts'
import { envelope } from '../policy/examples.ts'
import { hostileMembers, oneRuleOfEachKind } from './examples.ts'

const words = [
  'kind',
  'field',
  'min',
  'max',
  'value',
  'other',
  'op',
  '=',
  '<',
  'in',
  'between',
  'length',
  'exists',
  'all',
  'any',
  'not',
  'schema',
  'bounds',
  'enum',
  'pattern',
  'predicate',
  'name',
  'require',
  'sum',
  'fields',
  'mad',
  'window',
  'rate',
  'strategy',
  'quorum',
  'priority',
  'trust',
  'type',
  'properties',
  'items',
  '$ref',
  '#/$defs/a',
  '$defs',
  'a',
  'allOf',
  'anyOf',
  'if',
  'then',
  '$id',
  'format',
  'date',
  'uniqueItems',
  'maxItems',
  'required',
  'const',
  'number',
  'string',
  'object',
  '__proto__',
  'constructor',
  'toString',
  'valueOf',
  'length',
  'hasOwnProperty',
  '(a+)+$',
  '(?=a)',
  '\\k<x>',
  '\ud800',
  '',
  '/',
  '/a~2',
  'a[0].b',
]
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom<Json[]>(
      null,
      true,
      false,
      0,
      -1,
      1.5,
      256,
      1e308,
      2 ** 53,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
    fc.constantFrom(...words),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...words.filter(word => word !== '__proto__')), tie('value'), {
      maxKeys: 5,
    }),
  ),
})).value

/** A sound rule with one member put elsewhere, removed, or replaced by anything. */
const bentRule = fc
  .tuple(fc.constantFrom(...oneRuleOfEachKind), fc.constantFrom(...words), json, fc.nat())
  .map(([rule, word, value, n]) => {
    const members = Object.keys(rule)
    const member = members[n % members.length] ?? 'kind'
    const bent: Record<string, Json> = { ...rule }
    if (n % 3 === 0) delete bent[member]
    bent[n % 2 === 0 ? member : word] = value
    return bent as JsonObject
  })

/** Whatever is accepted must also run. */
function expectSound<T>(outcome: Outcome<T>, use: (value: T) => void = () => {}): void {
  if (outcome.ok) use(outcome.value)
  else {
    expect(faultCodes).toContain(outcome.fault.code)
    expect(outcome.fault.detail.length).toBeLessThan(600)
  }
}
const payloads: readonly Json[] = [
  null,
  7,
  'text',
  {},
  { v: 1, w: 0, s: 'ok', k: 'a' },
  { v: '1', s: 5, k: {} },
  { v: [1, 2], w: -0 },
  [[[]]],
  ...hostileMembers,
  { v: hostileMembers, w: hostileMembers[0] ?? null, s: { toString: 1 }, k: { valueOf: 1 } },
]
function run(rules: Parameters<typeof compileRules>[0]): void {
  const check = compileRules(rules)
  const state = emptyState()
  for (const payload of payloads)
    for (const issue of check(envelope(payload), state)) expect(issue.text.isWellFormed()).toBe(true)
  expect(readState(writeState(state, 100_000)).ok).toBe(true)
}

describe('what a stranger sends gives a named fault, or rules that run:', () => {
  test('rules of any shape', () => {
    fc.assert(
      fc.property(json, given => expectSound(readRules(given), run)),
      { numRuns: 600 },
    )
  })

  test('rules that were sound before', () => {
    fc.assert(
      fc.property(bentRule, rule => expectSound(readRules([rule]), run)),
      { numRuns: 2_000 },
    )
  })

  test('constraints', () => {
    const constraints = fc.dictionary(
      fc.constantFrom('monotonicFields', 'bounds', 'enum', 'pattern', 'x'),
      json,
      { maxKeys: 3 },
    )
    fc.assert(
      fc.property(constraints, given => expectSound(rulesFromConstraints(given), run)),
      { numRuns: 500 },
    )
  })

  test('schemas', () => {
    const schema = fc.dictionary(
      fc.constantFrom(
        'type',
        'properties',
        'items',
        '$ref',
        '$defs',
        'allOf',
        'anyOf',
        'not',
        'enum',
        'const',
        'pattern',
        'required',
        'minimum',
        'format',
        'if',
        'then',
      ),
      json,
      { maxKeys: 4 },
    )
    fc.assert(
      fc.property(schema, given => expectSound(schemaRule(given), rule => run([rule]))),
      { numRuns: 800 },
    )
  })

  test('fusion policies', () => {
    const members = fc.constantFrom(
      'strategy',
      'key',
      'windowMs',
      'latenessMs',
      'min',
      'priority',
      'trust',
      'field',
      'absolute',
      'windowsMax',
    )
    const policy = fc.tuple(
      fc.constantFrom('quorum', 'priority', 'trust-median'),
      fc.dictionary(members, json, { maxKeys: 3 }),
    )
    fc.assert(
      fc.property(policy, ([strategy, rest]) => expectSound(readFusion({ strategy, ...rest }))),
      { numRuns: 800 },
    )
  })

  test('states', () => {
    const state = emptyState()
    const check = compileRules(orThrow(readRules([{ kind: 'mad', field: 'v', key: 'k' }])))
    for (const k of ['a', 'b']) check(envelope({ v: 1, k }), state)
    const text = fromUtf8(writeState(state, 10_000)) ?? ''
    const piece = fc.constantFrom(
      '"',
      '[',
      ']',
      '{',
      '0',
      '-1',
      '1e999',
      'null',
      ',',
      '\\u0000',
      '\\ud800',
      '"__proto__"',
    )
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(4), piece, (from, cut, inserted) => {
        expectSound(readState(utf8(text.slice(0, from) + inserted + text.slice(from + cut))), read => {
          expect(readState(writeState(read, 10_000))).toEqual({ ok: true, value: read })
        })
      }),
      { numRuns: 800 },
    )
  })
})
