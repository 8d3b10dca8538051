import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, isObject, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import { digestHex } from '../../../src/core/digest.ts'
import { faultCodes, orThrow } from '../../../src/core/fault.ts'
import { readPath } from '../../../src/core/path.ts'
import { compileSource } from '../../../src/core/policy/normalize-event.ts'
import { policyDigest, sourcePolicyOf } from '../../../src/core/policy/policy-set.ts'
import { readPolicySet, SOURCES_MAX } from '../../../src/core/policy/read-policy-set.ts'
import {
  COPIES_MAX,
  FIELDS_MAX,
  readSourcePolicy,
  VALUE_LEVELS_MAX,
} from '../../../src/core/policy/read-source-policy.ts'
import {
  STATE_BYTES_DEFAULT,
  STATE_BYTES_MAX,
  STATE_BYTES_MIN,
} from '../../../src/core/rules/carried-state.ts'
import { compileRules } from '../../../src/core/rules/check-event.ts'
import { RULES_MAX } from '../../../src/core/rules/rule.ts'
import { POLICY_CHARS_MAX } from '../../../src/core/schema.ts'
import { hostileMembers } from '../rules/examples.ts'
import { anyPayload, anySourcePolicy, envelope } from './examples.ts'

/** Constraints on fields that a respelling can turn around. */
const allConstraints: JsonObject = {
  monotonicFields: ['t', 'a.b', '/u'],
  bounds: { v: { min: 1 }, 'w.x': { max: 2 } },
  enum: { k: ['a', 'b', 1] },
  pattern: { id: '^a', 'd.e': 'b$' },
}

const lengthRule = (value: Json): Json => ({
  kind: 'predicate',
  name: 'p',
  require: { field: 'a', op: 'length', value },
})

/** Lists whose order says nothing. */
const sets = new Set(['required', 'monotonicFields', 'k', 'values'])

/** The same policy as somebody else might write it: members in another order, dot paths as pointers. */
function respelled(json: Json, chance: () => number, key = ''): Json {
  if (Array.isArray(json)) {
    const items: Json[] = json.map(item =>
      (key === 'required' || key === 'monotonicFields') && chance() % 2 === 0 ? asPointer(item) : item,
    )
    return sets.has(key) && chance() % 2 === 0 ? [...items.toReversed(), ...items.slice(0, 1)] : items
  }
  if (!isObject(json)) return json
  const members = Object.entries(json).map(([name, value]): [string, Json] => {
    const isField = ['map', 'coerce', 'bounds', 'enum', 'pattern'].includes(key)
    // What constants and defaults hold is data, and stays.
    const inner = key === 'constants' || key === 'defaults' ? value : respelled(value, chance, name)
    return [isField && chance() % 2 === 0 ? String(asPointer(name)) : name, inner]
  })
  return Object.fromEntries(chance() % 2 === 0 ? members.toReversed() : members)
}

function asPointer(field: Json): Json {
  return typeof field === 'string' ? orThrow(readPath(field)) : field
}

const digestOf = (source: Json) => policyDigest(orThrow(readPolicySet({ v: 1, sources: { '*': source } })))

describe('a policy set', () => {
  test('has one digest in all its spellings', () => {
    const spellings: Json[] = [
      { required: ['id', 'ts'], coerce: { ts: 'iso8601->epoch' }, map: { ts: 'a.b[0]', id: 'id' } },
      {
        map: { '/id': '/id', '/ts': 'a.b.0' },
        coercion: { '/ts': 'iso8601 -> epoch' },
        required: ['/ts', 'id'],
      },
      {
        fieldMapping: { id: 'id', ts: '/a/b/0' },
        coercionRules: { ts: 'iso8601->epoch' },
        requiredFields: ['ts', 'ts', 'id'],
        constants: {},
        rules: [],
        severity: { 'required-missing': 'quarantine' },
      },
    ]
    expect(new Set(spellings.map(digestOf)).size).toBe(1)
    expect(digestOf({ required: ['id'] })).not.toBe(digestOf({ required: ['ts'] }))
  })

  test('does not depend on the order of its keys', () => {
    const bounds = { constraints: { bounds: { a: { min: 1 }, b: { max: 2 } }, monotonicFields: ['t'] } }
    const turned = { constraints: { monotonicFields: ['t'], bounds: { b: { max: 2 }, a: { min: 1 } } } }
    expect(digestOf(bounds)).toBe(digestOf(turned))
  })

  test('is digested in its canonical form, defaults written out', () => {
    expect(policyDigest(orThrow(readPolicySet({ v: 1 })))).toBe(
      digestHex('assay:policy:1', '{"classification":"public","license":"unspecified","sources":{},"v":1}'),
    )
  })

  test.each<[string, Json, Json]>([
    ['a state as large as it is anyway', {}, { stateBytesMax: STATE_BYTES_DEFAULT }],
    ['a policy for all that says nothing', {}, { sources: { '*': {} } }],
    [
      'an entry that says what is said of all',
      { sources: { '*': { required: ['x'] } } },
      { sources: { '*': { required: ['x'] }, a: { required: ['/x'] } } },
    ],
    ['no rules and no constants', {}, { rules: [], constants: [] }],
    [
      'the same rule again',
      { rules: [{ kind: 'bounds', field: 'a', min: 1 }] },
      {
        rules: [
          { kind: 'bounds', field: 'a', min: 1 },
          { kind: 'bounds', field: '/a', min: 1, flag: 1 },
        ],
      },
    ],
    [
      'tolerances of nothing',
      { rules: [{ kind: 'divergence', field: 'a', withinMs: 1 }] },
      { rules: [{ kind: 'divergence', field: 'a', withinMs: 1, absolute: 0, relative: -0 }] },
    ],
    [
      'the item itself for each',
      { rules: [{ kind: 'sum', fields: ['a'], max: 1 }] },
      { rules: [{ kind: 'sum', fields: ['a'], max: 1, each: '', of: 'value' }] },
    ],
    [
      'a length of at least nothing',
      { rules: [lengthRule({ max: 2 })] },
      { rules: [lengthRule({ min: 0, max: 2 })] },
    ],
    [
      'listed values in another order, and twice',
      { rules: [{ kind: 'enum', field: 'a', values: ['x', 'y', 1] }] },
      { rules: [{ kind: 'enum', field: 'a', values: [1, 'y', 'x', 'x'] }] },
    ],
    [
      'a constraint again, in another spelling',
      { sources: { '*': { constraints: { monotonicFields: ['a'] } } } },
      { sources: { '*': { constraints: { monotonicFields: ['/a', 'a'] } } } },
    ],
  ])('is the same with %s', (_, less, more) => {
    const digest = (members: Json) =>
      policyDigest(orThrow(readPolicySet({ v: 1, ...(members as JsonObject) })))
    expect(digest(more)).toBe(digest(less))
  })

  test('keeps an empty entry where it takes a source out of what holds for all', () => {
    const set = orThrow(readPolicySet({ v: 1, sources: { '*': { required: ['x'] }, a: {} } }))
    expect(sourcePolicyOf(set, 'a')).toEqual({})
  })

  test('has one digest however its members are ordered and its fields spelled', () => {
    let read = 0
    fc.assert(
      fc.property(anySourcePolicy, fc.infiniteStream(fc.nat()), (source, chances) => {
        const whole = {
          ...source,
          constraints: { ...allConstraints, ...(source['constraints'] as JsonObject) },
        }
        const set = readPolicySet({ v: 1, sources: { s: whole } })
        if (!set.ok) return
        read++
        const chance = () => chances.next().value ?? 0
        const again = readPolicySet({ sources: { s: respelled(whole, chance) }, v: 1 })
        expect(policyDigest(orThrow(again))).toBe(policyDigest(set.value))
      }),
      { numRuns: 300 },
    )
    expect(read).toBeGreaterThan(100)
  })

  test('cannot be changed once it is read', () => {
    const set = orThrow(
      readPolicySet({
        v: 1,
        constants: ['type'],
        sources: { s: { required: ['z'], constants: { a: { b: [1] } }, schema: { enum: [[1]] } } },
      }),
    )
    const loose: unknown[] = []
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      if (!Object.isFrozen(value)) loose.push(value)
      Object.values(value).forEach(visit)
    }
    visit(set)
    expect(loose).toEqual([])
    const { payload } = compileSource(sourcePolicyOf(set, 's'))(envelope({}))
    expect(payload).toEqual({ a: { b: [1] } })
  })

  test('in its canonical form reads as itself', () => {
    let read = 0
    fc.assert(
      fc.property(anySourcePolicy, anySourcePolicy, (source, other) => {
        const set = readPolicySet({
          v: 1,
          sources: { s: source, '*': other },
          constants: ['type', 'domain', 'type'],
        })
        if (!set.ok) return
        read++
        const again = orThrow(readPolicySet(set.value))
        expect(again).toEqual(set.value)
        expect(canonicalJson(again)).toBe(canonicalJson(set.value))
      }),
      { numRuns: 500 },
    )
    expect(read).toBeGreaterThan(100)
  })

  test('holds every short form as a rule, in one order, and reads as itself', () => {
    const set = orThrow(
      readPolicySet({
        v: 1,
        sources: {
          '*': {
            rules: [{ kind: 'skew' }],
            constraints: { monotonicFields: ['t'], bounds: { v: { min: 1 } } },
            schema: { type: 'object' },
            payloadType: 'ODDS_SNAPSHOT_V1',
          },
        },
        fusion: { strategy: 'quorum', min: 2, priority: ['sourceA', 'sourceB'] },
      }),
    )
    expect(sourcePolicyOf(set, 's').rules?.map(rule => rule.kind)).toEqual([
      'payload-type',
      'schema',
      'bounds',
      'monotonic',
      'skew',
    ])
    expect(readPolicySet(set)).toEqual({ ok: true, value: set })
  })

  test("takes a source's own entry, else the one for all, else lets payloads pass", () => {
    const set = orThrow(
      readPolicySet({ v: 1, sources: { a: { required: ['x'] }, '*': { required: ['y'] } } }),
    )
    expect(sourcePolicyOf(set, 'a')).toEqual({ required: ['/x'] })
    expect(sourcePolicyOf(set, 'b')).toEqual({ required: ['/y'] })
    expect(sourcePolicyOf(set, 'constructor')).toEqual({ required: ['/y'] })
    expect(sourcePolicyOf(orThrow(readPolicySet({ v: 1 })), 'toString')).toEqual({})
  })
})

describe('a mistake in a policy', () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, `s${i}`]))
  const nested = (levels: number): Json => (levels === 0 ? 1 : { n: nested(levels - 1) })

  test.each<[string, Json, string, RegExp]>([
    ['an unknown key', { requierd: ['a'] }, '/requierd', /did you mean "required"/],
    ['an unknown key of identify', { identify: { eventtime: 't' } }, '/identify/eventtime', /"eventTime"/],
    ['an unknown key like no other', { xyzzy: 1 }, '/xyzzy', /known are identify, map/],
    ['a member spelled twice', { coerce: { a: 'number' }, coercion: { a: 'string' } }, '/coerce', /keep one/],
    ['a field named twice', { map: { a: 'x', '/a': 'y' } }, '/map/a', /named twice/],
    ['a target inside another', { map: { a: 'x', 'a.b': 'y' } }, '/map/a.b', /inside \/a/],
    [
      'a target inside another, spelled otherwise',
      { fieldMapping: { a: 'x', '/a/b': 'y' } },
      '/fieldMapping/~1a~1b',
      /inside \/a/,
    ],
    ['a constant inside a target', { map: { a: 'x' }, constants: { 'a.b': 1 } }, '/constants/a.b', /inside/],
    ['a mapped constant', { map: { a: 'x' }, constants: { a: 1 } }, '/constants/a', /same field/],
    [
      'a default of a constant',
      { constants: { a: 1 }, defaults: { '/a': 2 } },
      '/defaults/~1a',
      /same field/,
    ],
    ['no target', { map: { '': 'x' } }, '/map/', /name a field/],
    ['an array made', { map: { 'a[0]': 'x' } }, '/map/a[0]', /array positions/],
    ['an unsound path', { map: { a: 'x..y' } }, '/map/a', /neither a dot path/],
    ['an unsound field', { coerce: { 'a..b': 'number' } }, '/coerce/a..b', /neither a dot path/],
    ['a way to a prototype', { map: { 'a.__proto__.b': 'x' } }, '/map/a.__proto__.b', /__proto__/],
    ['no such coercion', { coerce: { a: 'float' } }, '/coerce/a', /known are string, number/],
    ['a coercion that is no text', { coerce: { a: 1 } }, '/coerce/a', /string/],
    ['no such severity', { severity: { 'coercion-NaN': 'ignore' } }, '/severity/coercion-NaN', /flag/],
    ['no such issue', { severity: { 'bounds-min': 'flag' } }, '/severity/bounds-min', /./],
    ['too many fields', { map: many(FIELDS_MAX + 1) }, '/map', /more than/],
    ['a deep constant', { constants: { a: nested(VALUE_LEVELS_MAX + 1) } }, '/constants/a', /nests deeper/],
    ['a list for an object', { map: ['a'] }, '/map', /./],
    ['a text for a list', { required: 'a' }, '/required', /./],
    ['a rule of no kind', { rules: [{ kind: 'magic' }] }, '/rules/0/kind', /./],
    ['a schema that is none', { schema: { type: 'colour' } }, '/schema/type', /./],
    [
      'bounds that are none',
      { constraints: { bounds: { v: { mn: 1 } } } },
      '/constraints/bounds/v/mn',
      /did you mean "min"/,
    ],
    ['no such payload type', { payloadType: 'weather' }, '/payloadType', /./],
  ])('is pointed at: %s', (_, source, pointer, detail) => {
    const outcome = readSourcePolicy(source)
    expect(outcome).toMatchObject({ ok: false, fault: { code: 'policy-invalid', pointer } })
    expect(!outcome.ok && outcome.fault.detail).toMatch(detail)
  })

  test.each<[Json, string]>([
    [{}, '/v'],
    [{ v: 2 }, '/v'],
    [{ v: 1, source: {} }, '/source'],
    [{ v: 1, owner: { identityKey: `04${'a'.repeat(64)}` } }, '/owner/identityKey'],
    [{ v: 1, owner: {} }, '/owner/identityKey'],
    [{ v: 1, classification: 'secret' }, '/classification'],
    [{ v: 1, constants: ['payload'] }, '/constants/0'],
    [{ v: 1, stateBytesMax: STATE_BYTES_MIN - 1 }, '/stateBytesMax'],
    [{ v: 1, stateBytesMax: STATE_BYTES_MAX + 1 }, '/stateBytesMax'],
    [{ v: 1, sources: { 's/1': { map: { a: 1 } } } }, '/sources/s~11/map/a'],
    [{ v: 1, fusion: { strategy: 'guess' } }, '/fusion/strategy'],
    [[], ''],
    [null, ''],
  ])('%j is refused at %s', (json, pointer) => {
    expect(readPolicySet(json)).toMatchObject({ ok: false, fault: { code: 'policy-invalid', pointer } })
  })

  test('of size is refused: too many sources, too long a document', () => {
    const sources = Object.fromEntries(Array.from({ length: SOURCES_MAX + 1 }, (_, i) => [`s${i}`, {}]))
    expect(readPolicySet({ v: 1, sources })).toMatchObject({ fault: { pointer: '/sources' } })
    const license = 'x'.repeat(POLICY_CHARS_MAX)
    expect(readPolicySet({ v: 1, license })).toMatchObject({ fault: { code: 'json-too-large' } })
  })

  test('of its canonical form is refused: what short forms stand for counts', () => {
    const fields = (length: number) => Array.from({ length }, (_, i) => `f${i}`)
    const sources = (length: number, of: number) =>
      Object.fromEntries(fields(length).map(id => [id, { constraints: { monotonicFields: fields(of) } }]))
    expect(readPolicySet({ v: 1, sources: sources(SOURCES_MAX, RULES_MAX) })).toMatchObject({
      fault: { code: 'json-too-large' },
    })
    expect(readPolicySet({ v: 1, sources: sources(100, RULES_MAX) }).ok).toBe(true)

    const nested = (levels: number): Json => (levels === 0 ? 1 : [nested(levels - 1)])
    for (const levels of Array.from({ length: 70 }, (_, i) => i)) {
      const read = readPolicySet({ v: 1, sources: { s: { schema: { const: nested(levels) } } } })
      if (read.ok) expect(readPolicySet(read.value)).toEqual(read)
      else expect(faultCodes).toContain(read.fault.code)
    }
  })

  test('of weight is refused, and the rule named: more than one event may cost', () => {
    const heavy = (i: number) => ({ kind: 'pattern', field: `f${i}`, pattern: `a{550}${i}` })
    const rules = Array.from({ length: 9 }, (_, i) => heavy(i))
    expect(readPolicySet({ v: 1, rules: rules.slice(0, 7) }).ok).toBe(true)
    expect(readPolicySet({ v: 1, rules })).toMatchObject({
      fault: {
        code: 'policy-invalid',
        pointer: '/rules/7',
        detail: expect.stringMatching(/pattern rule of f7/),
      },
    })
    const together = { v: 1, rules: rules.slice(0, 4), sources: { s: { rules: rules.slice(4, 8) } } }
    expect(readPolicySet(together)).toMatchObject({
      fault: { pointer: '/sources/s', detail: expect.stringMatching(/pattern rule of f7 .* the stream's/) },
    })
  })

  test('of weight is refused: more different schemas and patterns than can be compiled in a moment', () => {
    const schemas = (count: number, different: boolean) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [
          `s${1_000 + i}`,
          { schema: { minimum: different ? i : 0 } },
        ]),
      )
    const outcome = readPolicySet({ v: 1, sources: schemas(260, true) })
    expect(outcome).toMatchObject({
      fault: {
        code: 'policy-invalid',
        pointer: '/sources/s1250',
        detail: expect.stringMatching(/schema rule/),
      },
    })
    expect(readPolicySet({ v: 1, sources: schemas(SOURCES_MAX, false) }).ok).toBe(true)
  })

  test.each<[string, (evil: Json) => JsonObject]>([
    ['rules', evil => ({ rules: evil })],
    ['license', evil => ({ license: evil })],
    ['required', evil => ({ sources: { a: { required: evil } } })],
    ['owner', evil => ({ owner: { identityKey: evil } })],
    ['fields', evil => ({ rules: [{ kind: 'sum', fields: evil, max: 1 }] })],
    ['name', evil => ({ rules: [{ kind: 'predicate', name: evil, require: { field: 'a', op: 'exists' } }] })],
    ['values', evil => ({ rules: [{ kind: 'enum', field: 'a', values: evil }] })],
    ['priority', evil => ({ fusion: { strategy: 'quorum', priority: evil } })],
    ['pattern', evil => ({ rules: [{ kind: 'pattern', field: 'a', pattern: evil }] })],
  ])('is an object with a hostile length for %s', (_, members) => {
    const evil = { length: { toString: 'x', valueOf: 'y' } }
    expect(readPolicySet({ v: 1, ...members(evil) })).toMatchObject({
      ok: false,
      fault: { code: 'policy-invalid' },
    })
  })

  test('is not repeated where it is long', () => {
    const outcome = readSourcePolicy({ map: { ['k'.repeat(10_000)]: 'x' } })
    expect(outcome).toMatchObject({ ok: false, fault: { pointer: '/map' } })
    expect(JSON.stringify(outcome).length).toBeLessThan(500)
  })

  test('is a pattern that could hang an agent, under its own code', () => {
    expect(readSourcePolicy({ constraints: { pattern: { a: '(a)\\1' } } })).toMatchObject({
      ok: false,
      fault: { code: 'pattern-refused', pointer: '/constraints/pattern/a' },
    })
  })

  test('is a mapping that would multiply an event', () => {
    const copies = (count: number) => ({
      map: Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, ''])),
    })
    expect(readSourcePolicy(copies(COPIES_MAX)).ok).toBe(true)
    expect(readSourcePolicy(copies(COPIES_MAX + 1)).ok).toBe(false)
    const { map } = copies(COPIES_MAX)
    expect(readSourcePolicy({ map: { ...map, more: 'a.b.c' } })).toMatchObject({
      fault: { pointer: '/map/more' },
    })
  })

  test('is named, and never thrown, whatever was sent', () => {
    let refused = 0
    fc.assert(
      fc.property(mutatedPolicy, anyPayload, (json, payload) => {
        const set = readPolicySet(json)
        if (!set.ok) {
          refused++
          expect(faultCodes).toContain(set.fault.code)
          expect(set.fault.detail.length).toBeLessThan(2_000)
          return
        }
        const policy = sourcePolicyOf(set.value, 's')
        compileRules(policy.rules ?? [])
        canonicalJson(compileSource(policy)(envelope(payload)).payload)
      }),
      { numRuns: 3_000 },
    )
    expect(refused).toBeGreaterThan(1_000)
  })
})

/** A policy with one place of it replaced by anything, or anything at all. */
const mutatedPolicy: fc.Arbitrary<Json> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        anySourcePolicy,
        fc.nat(),
        fc.oneof(fc.jsonValue(), fc.string(), fc.double(), fc.constantFrom(...hostileMembers)),
      )
      .map(([source, place, value]) => replaced({ v: 1, sources: { s: source } }, place, value as Json)),
  },
  { weight: 1, arbitrary: fc.jsonValue().map(value => value as Json) },
)

function replaced(json: Json, place: number, value: Json): Json {
  const places = countOf(json)
  let at = place % places
  const walk = (inner: Json): Json => {
    if (at-- === 0) return value
    if (Array.isArray(inner)) return inner.map(walk)
    if (isObject(inner))
      return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key, walk(item)]))
    return inner
  }
  return walk(json)
}

function countOf(json: Json): number {
  if (typeof json !== 'object' || json === null) return 1
  return Object.values(json).reduce<number>((sum, inner) => sum + countOf(inner), 1)
}
