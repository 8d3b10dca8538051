import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { newBudget } from '../../../src/core/rules/budget.ts'
import {
  type CarriedState,
  emptyState,
  readState,
  writeState,
} from '../../../src/core/rules/carried-state.ts'
import { compileRules } from '../../../src/core/rules/check-event.ts'
import { compilePredicate, readPredicate } from '../../../src/core/rules/predicate.ts'
import { readRules } from '../../../src/core/rules/read-rules.ts'
import { envelope } from '../policy/examples.ts'
import { oneRuleOfEachKind } from './examples.ts'

const compile = (...rules: JsonObject[]) => compileRules(orThrow(readRules(rules)))
const texts = (check: ReturnType<typeof compile>, events: readonly Envelope[], state = emptyState()) =>
  events.map(event => check(event, state).map(issue => issue.text))
const at = (timeMs: number, payload: Json, sourceId = 's') =>
  envelope(payload, { eventTimeMs: timeMs, ingestTimeMs: timeMs, sourceId })

describe('rules about one event', () => {
  test('leave a field that is missing or null alone', () => {
    const check = compile(
      { kind: 'bounds', field: 'v', min: 1 },
      { kind: 'enum', field: 'v', values: [1] },
      { kind: 'pattern', field: 'v', pattern: 'a' },
      { kind: 'sum', fields: ['v'], min: 1 },
      { kind: 'monotonic', field: 'v' },
    )
    expect(texts(check, [envelope({}), envelope({ v: null }), envelope('text')])).toEqual([[], [], []])
  })

  test('say so where a number is something else', () => {
    const check = compile({ kind: 'bounds', field: 'v', min: 1 }, { kind: 'rate', field: 'v', max: 1 })
    expect(texts(check, [envelope({ v: '7' })])).toEqual([['not-a-number:v:7', 'not-a-number:v:7']])
  })

  test('carry their own severity and flag', () => {
    const check = compile({
      kind: 'bounds',
      field: 'v',
      min: 1,
      severity: 'reject',
      flag: 'CONNECTOR_DEGRADED',
    })
    expect(check(envelope({ v: 0 }), emptyState())).toEqual([
      { text: 'bounds-min:v:0<1', severity: 'reject', flag: qualityFlags.CONNECTOR_DEGRADED },
    ])
  })

  test('are checked once where they stand twice', () => {
    const rule = { kind: 'monotonic', field: 'v' }
    expect(texts(compile(rule, rule), [envelope({ v: 1 }), envelope({ v: 2 })])).toEqual([[], []])
  })

  test('accept an event time five seconds ahead, and not a millisecond more', () => {
    const check = compile({ kind: 'skew' })
    const ahead = (ms: number) => envelope({}, { ingestTimeMs: 1_000_000, eventTimeMs: 1_000_000 + ms })
    expect(texts(check, [ahead(5_000), ahead(5_001)])).toEqual([
      [],
      ['future-event-time:eventTimeMs:5001>5000'],
    ])
  })

  test('do not call a backfilled event stale', () => {
    const old = { eventTimeMs: 0, ingestTimeMs: 1_000 }
    const check = compile({ kind: 'staleness', maxMs: 10 })
    expect(texts(check, [envelope({}, { ...old, qualityFlags: qualityFlags.BACKFILL })])).toEqual([[]])
    expect(texts(check, [envelope({}, old)])).toEqual([['stale-event-time:eventTimeMs:1000>10']])
  })

  test('add up nothing where a part is missing', () => {
    const check = compile({ kind: 'sum', fields: ['a', 'b'], max: 2 })
    expect(texts(check, [envelope({ a: 1 }), envelope({ a: 1, b: [1, 1] })])).toEqual([
      ['sum-incomplete:b'],
      ['sum-max:a+b:3>2'],
    ])
  })
})

describe('what one event may cost', () => {
  const list = (length: number) => Array.from({ length }, () => 1)

  test('bounds how many numbers are added up, and says so', () => {
    const check = compile({ kind: 'sum', fields: ['a', 'b', 'c'], max: 1e6 })
    const events = [
      envelope({ a: list(4_000), b: list(96), c: [] }),
      envelope({ a: list(4_000), b: list(97) }),
    ]
    expect(texts(check, events)).toEqual([[], ['sum-terms:a+b+c:4097>4096']])
  })

  test('is shared by all schemas: no payload is checked for which the work would be too much', () => {
    const heavy = (i: number) => ({
      kind: 'schema',
      severity: i % 2 === 0 ? 'flag' : 'reject',
      schema: { title: `${i}`, items: { enum: Array.from({ length: 950 }, (_, n) => n) } },
    })
    const numbers = Array.from({ length: 1_200 }, (_, i) => i % 950)
    expect(texts(compile(heavy(1)), [envelope(numbers)])).toEqual([[]])
    expect(texts(compile(heavy(1), heavy(2), heavy(3), heavy(4)), [envelope(numbers)])).toEqual([
      Array.from({ length: 4 }, () => 'schema::too-large'),
    ])
  })

  test('counts every character where a schema has patterns, and else every sixteenth', () => {
    const schema = (items: Json) => ({ kind: 'schema', schema: { items } })
    const long = envelope(['a'.repeat(900_000)])
    const items = { anyOf: Array.from({ length: 20 }, (_, n) => ({ minLength: n })) }
    expect(texts(compile(schema(items)), [long])).toEqual([[]])
    expect(texts(compile(schema({ ...items, pattern: 'a' })), [long])).toEqual([['schema::too-large']])
  })

  test('is shared by all patterns: a text too long for them matches none', () => {
    const pattern = (i: number) => ({
      kind: 'pattern',
      field: 't',
      pattern: `^[a-z]{500}.*${i}?$`,
      severity: 'flag',
    })
    const text = envelope({ t: 'a'.repeat(9_000) })
    expect(texts(compile(pattern(1)), [text])).toEqual([[]])
    const [found = []] = texts(compile(pattern(1), pattern(2)), [text])
    expect(found.map(issue => issue.slice(0, 20))).toEqual(['pattern-violation:t:', 'pattern-violation:t:'])
  })
})

describe('what a rule costs, in steps, as other implementations must count it', () => {
  const number = { v: 1, w: 2, t: 'a'.repeat(100), u: 'a'.repeat(40), list: [{ x: 1 }, { x: 2 }, { x: 3 }] }
  const anyOrder = { kind: 'rate', field: 'v', max: 9 }
  test.each<[string, JsonObject, number]>([
    ['the parts of its path and one', { kind: 'bounds', field: 'v.x.y', min: 1 }, 4],
    ['one where it has no path', { kind: 'staleness', maxMs: 1 }, 1],
    [
      'the size of the payload times the weight of a schema',
      { kind: 'schema', schema: { type: 'object' } },
      1 + 20 * 2,
    ],
    ['instructions times characters of a text', { kind: 'pattern', field: 'u', pattern: 'b' }, 2 + 40 * 3],
    ['nothing for a pattern without a text', { kind: 'pattern', field: 'v', pattern: 'b' }, 2],
    [
      'each path of a predicate, and each 16 characters of two texts',
      {
        kind: 'predicate',
        name: 'p',
        require: {
          all: [
            { field: 't', op: '>=', other: 'u' },
            { field: 'v', op: 'exists' },
          ],
        },
      },
      4 + 2 + 2,
    ],
    [
      'no text that a predicate does not get to',
      {
        kind: 'predicate',
        name: 'p',
        require: {
          all: [
            { field: 'v', op: '=', value: 2 },
            { field: 't', op: '=', other: 'u' },
          ],
        },
      },
      2 + 4,
    ],
    [
      'each value of a sum, and the path to it',
      { kind: 'sum', fields: ['list', 'v'], each: 'x', max: 9 },
      4 + 4 * 2,
    ],
    ['one where it remembers a number', anyOrder, 2 + 1],
    ['also the path of its key', { ...anyOrder, key: 'w' }, 2 + 2 + 1],
    ['nothing more where the key cannot be used', { ...anyOrder, key: 'list' }, 2 + 2],
  ])('%s', (_, rule, steps) => {
    const budget = newBudget()
    const before = budget.steps
    compile(rule)(envelope(number), emptyState(), { budget })
    expect(before - budget.steps).toBe(steps)
  })

  test('twice the values that it has in its window, or the sources that spoke before', () => {
    const budget = newBudget()
    for (const [rule, third] of [
      [{ kind: 'mad', field: 'v' }, 2 + 1 + 2 * 2],
      [{ kind: 'divergence', field: 'v', withinMs: 9, key: 'k' }, 2 + 2 + 1 + 1],
    ] as const) {
      const [check, state] = [compile(rule), emptyState()]
      for (const v of [1, 2]) check(at(v, { v, k: 'k' }), state)
      const before = budget.steps
      check(at(3, { v: 3, k: 'k' }), state, { budget })
      expect(before - budget.steps).toBe(third)
    }
  })
})

describe('a predicate', () => {
  const judge = (predicate: Json, payload: Json) =>
    compilePredicate(orThrow(readPredicate(predicate)))(payload, newBudget())

  test.each<[Json, Json, boolean]>([
    [{ field: 'a', op: '=', value: 1 }, { a: 1 }, true],
    [{ field: 'a', op: '=', value: '1' }, { a: 1 }, false],
    [{ field: 'a', op: '!=', value: 1 }, {}, false],
    [{ field: 'a', op: '!=', value: 1 }, { a: 2 }, true],
    [{ field: 'a', op: '<', value: 'b' }, { a: 'a' }, true],
    [{ field: 'a', op: '<', value: 'b' }, { a: 0 }, false],
    [{ field: 'a', op: '>=', value: 'b' }, { a: 0 }, false],
    [{ field: 'a', op: '<=', other: 'b' }, { a: 2, b: 2 }, true],
    [{ field: 'a', op: '<=', other: 'b' }, { a: 2 }, false],
    [{ field: 'a', op: 'in', value: [1, 'x'] }, { a: 'x' }, true],
    [{ field: 'a', op: 'in', value: [1] }, {}, false],
    [{ field: 'a', op: 'exists', value: false }, { a: null }, true],
    [{ field: 'a', op: 'between', value: [1, 2] }, { a: 2 }, true],
    [{ field: 'a', op: 'between', value: [1, 2] }, { a: '2' }, false],
    [{ field: 'a', op: 'length', value: 2 }, { a: 'ab' }, true],
    [{ field: 'a', op: 'length', value: { min: 1 } }, { a: [] }, false],
    [{ not: { field: 'a', op: '=', value: 1 } }, {}, true],
  ])('%j of %j is %s', (predicate, payload, expected) => {
    expect(judge(predicate, payload)).toBe(expected)
  })

  test('is bounded in depth and size', () => {
    const nested = (levels: number): Json =>
      levels === 1 ? { field: 'a', op: 'exists' } : { not: nested(levels - 1) }
    expect(readPredicate(nested(8)).ok).toBe(true)
    expect(readPredicate(nested(9)).ok).toBe(false)
    expect(readPredicate({ all: Array.from({ length: 64 }, () => ({ field: 'a', op: 'exists' })) }).ok).toBe(
      false,
    )
  })
})

describe('rules that remember', () => {
  test('do so per source and key', () => {
    const check = compile({ kind: 'monotonic', field: 'v', key: 'k' })
    const events = [
      at(1, { k: 'a', v: 5 }),
      at(2, { k: 'b', v: 1 }),
      at(3, { k: 'a', v: 4 }, 'other'),
      at(4, { k: 'a', v: 5 }),
    ]
    expect(texts(check, events)).toEqual([[], [], [], ['monotonic-violation:v:5<=5']])
  })

  test('keep keys apart that look like parts of an object', () => {
    const check = compile({ kind: 'monotonic', field: 'v', key: 'k' })
    const state = emptyState()
    texts(check, [at(1, { k: '__proto__', v: 5 }, '__proto__'), at(2, { k: 'constructor', v: 5 })], state)
    const again = orThrow(readState(writeState(state, 10_000)))
    expect(texts(check, [at(3, { k: '__proto__', v: 4 }, '__proto__')], again)).toEqual([
      ['monotonic-violation:v:4<=5'],
    ])
  })

  test('allow standing still where they are told to', () => {
    const check = compile({ kind: 'monotonic', field: 'v', strict: false })
    expect(texts(check, [at(1, { v: 5 }), at(2, { v: 5 }), at(3, { v: 4 })])).toEqual([
      [],
      [],
      ['monotonic-violation:v:4<5'],
    ])
  })

  test('learn nothing from an event that is set aside', () => {
    const check = compile({ kind: 'bounds', field: 'v', max: 100 }, { kind: 'monotonic', field: 'v' })
    expect(texts(check, [at(1, { v: 1 }), at(2, { v: 1_000 }), at(3, { v: 2 })])[2]).toEqual([])
  })

  test('measure a change by event time, and two values at one time as infinitely fast', () => {
    const check = compile({ kind: 'rate', field: 'v', max: 2 })
    const events = [at(1_000, { v: 0 }), at(2_000, { v: 2 }), at(3_000, { v: 5 }), at(3_000, { v: 6 })]
    expect(texts(check, events)).toEqual([
      [],
      [],
      ['rate-exceeded:v:3>2/s'],
      ['rate-exceeded:v:Infinity>2/s'],
    ])
  })

  test('see an outlier once there are samples enough', () => {
    const check = compile({ kind: 'z-score', field: 'v', window: 4, samplesMin: 4 })
    const events = [1, 3, 1, 3, 100].map((v, i) => at(i, { v }))
    expect(texts(check, events)).toEqual([[], [], [], [], ['outlier-z-score:v:98>3']])
  })

  test('let a sensor that stood still move a little, where a least spread is assumed', () => {
    const events = [5, 5, 5, 5.5].map((v, i) => at(i, { v }))
    const still = { kind: 'mad', field: 'v', samplesMin: 2 }
    expect(texts(compile(still), events)[3]).toEqual(['outlier-mad:v:0.5>0'])
    expect(texts(compile({ ...still, spreadMin: 1 }), events)[3]).toEqual([])
  })

  test('compare sources only while their values are recent', () => {
    const check = compile({ kind: 'divergence', field: 'v', withinMs: 1_000, relative: 0.1 })
    const events = [
      at(0, { v: 100 }, 'b'),
      at(500, { v: 200 }, 'a'),
      at(900, { v: 105 }, 'c'),
      at(2_000, { v: 900 }, 'd'),
    ]
    expect(texts(check, events)).toEqual([
      [],
      ['source-divergence:v:200!=100@b'],
      ['source-divergence:v:105!=200@a'],
      [],
    ])
  })

  test('name a key that cannot be one', () => {
    const check = compile({ kind: 'monotonic', field: 'v', key: 'k' })
    const events = [at(1, { v: 1 }), at(2, { v: 1, k: {} }), at(3, { v: 1, k: 'x'.repeat(257) })]
    expect(texts(check, events)).toEqual(events.map(() => ['key-unusable:v:k']))
  })
})

const events = fc.array(
  fc
    .record({
      k: fc.constantFrom('a', 'b', '__proto__'),
      v: fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true, min: -1e3, max: 1e3 })),
      w: fc.integer({ min: -3, max: 3 }),
      s: fc.constantFrom('ok', 'AB', ''),
      sourceId: fc.constantFrom('s', 't', 'u'),
      timeMs: fc.integer({ min: 0, max: 20_000 }),
    })
    .map(({ sourceId, timeMs, ...payload }) => at(timeMs, payload, sourceId)),
  { maxLength: 40 },
)

describe('cutting one sequence of events into packets', () => {
  const check = compile(
    ...oneRuleOfEachKind
      .filter(rule => rule['kind'] !== 'payload-type')
      .map(rule => ({ ...rule, severity: rule['kind'] === 'pattern' ? 'quarantine' : 'flag' })),
  )
  const carry = (state: CarriedState) => orThrow(readState(writeState(state, 1_000_000)))

  test('at any place changes no issue and not a byte of the final state', () => {
    fc.assert(
      fc.property(events, fc.array(fc.boolean(), { maxLength: 40 }), (sequence, cuts) => {
        const whole = emptyState()
        const together = sequence.map(event => check(event, whole))
        let state = emptyState()
        const apart = sequence.map((event, i) => {
          if (cuts[i]) state = carry(state)
          return check(event, state)
        })
        expect(apart).toEqual(together)
        expect(writeState(state, 1_000_000)).toEqual(writeState(whole, 1_000_000))
      }),
      { numRuns: 300 },
    )
  })

  test('and nothing depends on the order in which keys came', () => {
    fc.assert(
      fc.property(events, sequence => {
        const forward = emptyState()
        const backward = emptyState()
        const monotonic = compile({ kind: 'monotonic', field: 'v', key: 'id' })
        const distinct = sequence.map((event, i) =>
          at(i, { id: i, v: (event.payload as JsonObject)['v'] ?? 0 }),
        )
        for (const event of distinct) monotonic(event, forward)
        for (const event of distinct.toReversed()) monotonic(event, backward)
        expect(writeState(forward, 1_000_000)).toEqual(writeState(backward, 1_000_000))
      }),
    )
  })
})

describe('the state', () => {
  const check = compile({ kind: 'monotonic', field: 'v', key: 'k' })
  const filled = (keys: number) => {
    const state = emptyState()
    for (let i = 0; i < keys; i++) check(at(1_000 + i, { k: `key-${i}`, v: i }), state)
    return state
  }

  test('has no bytes while there is nothing to remember', () => {
    expect(writeState(emptyState(), 1_024)).toEqual(new Uint8Array(0))
    expect(orThrow(readState(null))).toEqual(emptyState())
    expect(orThrow(readState(new Uint8Array(0)))).toEqual(emptyState())
  })

  test('keeps within its bound: what was touched longest ago leaves first', () => {
    const written = writeState(filled(100), 1_024)
    expect(written.length).toBeLessThanOrEqual(1_024)
    const kept = orThrow(readState(written))
    expect(kept.evicted).toBeGreaterThan(0)
    const keys = [...kept.memories.values()].flatMap(memory => [...memory.keys()])
    const expected = Array.from({ length: 100 - kept.evicted }, (_, i) => `key-${i + kept.evicted}`)
    expect(keys.sort()).toEqual(expected.sort())
  })

  test('lets the lower key leave first of two touched at once', () => {
    const state = emptyState()
    for (const k of ['b', 'a', 'c']) check(at(7, { k, v: 1 }), state)
    const full = writeState(state, 1_000_000).length
    const kept = orThrow(readState(writeState(state, full - 1)))
    expect([...(kept.memories.values().next().value?.keys() ?? [])]).not.toContain('a')
  })

  test('says of a key that it may have forgotten that its coverage is partial', () => {
    const state = orThrow(readState(writeState(filled(100), 1_024)))
    expect(check(at(5_000, { k: 'key-0', v: 1 }), state)).toEqual([
      { text: 'partial-coverage:v:key-0', severity: 'flag', flag: qualityFlags.PARTIAL_COVERAGE },
    ])
    expect(check(at(5_001, { k: 'key-0', v: 2 }), state)).toEqual([])
    expect(check(at(5_002, { k: 'key-99', v: 1_000 }), state)).toEqual([])
  })

  test('is not held for ever by an event time in the far future', () => {
    const state = emptyState()
    check(envelope({ k: 'future', v: 1 }, { eventTimeMs: Number.MAX_SAFE_INTEGER, ingestTimeMs: 5 }), state)
    check(at(6, { k: 'now', v: 1 }), state)
    const full = writeState(state, 1_000_000).length
    const kept = new TextDecoder().decode(writeState(state, full - 1))
    expect(kept).not.toContain('future')
  })

  test('is refused in any form but the one it is written in', () => {
    const text = new TextDecoder().decode(writeState(filled(3), 10_000))
    const sound: JsonObject = JSON.parse(text)
    const memories = sound['memories'] as Json[]
    const broken: Json[] = [
      { ...sound, v: 2 },
      { ...sound, more: 1 },
      { ...sound, evicted: -1 },
      { ...sound, memories: [...memories].reverse() },
      { ...sound, memories: [memories[0] ?? null, memories[0] ?? null] },
      { ...sound, memories: [['short', 's', 'k', 1, 1]] },
      { ...sound, memories: [['0123456789abcdef', 's', 'k', -1, 1]] },
      { ...sound, memories: [['0123456789abcdef', 's', 'k', 1, 'x']] },
      { ...sound, memories: [['0123456789abcdef', 's', 'k', 1]] },
      { ...sound, fusion: { closedTo: ['x'], policyId: '', windows: [] } },
      { ...sound, fusion: { closedTo: [10], policyId: '', windows: [[10, 'k', 0, [['e', 's', 1, 0, 1]]]] } },
      { ...sound, fusion: { closedTo: [], policyId: '', windows: [[10, 'k', 0, []]] } },
      { evicted: 0, fusion: { closedTo: [], policyId: '', windows: [] }, memories: [], v: 1 },
    ]
    for (const json of broken)
      expect(readState(new TextEncoder().encode(canonicalJson(json)))).toMatchObject({
        ok: false,
        fault: { code: 'state-invalid' },
      })
    expect(readState(new TextEncoder().encode(` ${text}`)).ok).toBe(false)
    expect(readState(Uint8Array.of(0xff)).ok).toBe(false)
    expect(readState(new TextEncoder().encode(text)).ok).toBe(true)
  })
})
