import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalize, canonicalJson, JSON_DEPTH_MAX, type Json } from '../../../src/core/canonical-json.ts'
import { namesOf } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { ISSUE_VALUE_CHARS_MAX } from '../../../src/core/issue.ts'
import { compileSource } from '../../../src/core/policy/normalize-event.ts'
import { FIELDS_MAX, readSourcePolicy } from '../../../src/core/policy/read-source-policy.ts'
import { anyPayload, anySourcePolicy, envelope } from './examples.ts'

function normalize(policy: Json, payload: Json) {
  const {
    payload: after,
    issues,
    flags,
  } = compileSource(orThrow(readSourcePolicy(policy)))(envelope(payload))
  return { payload: after, issues: issues.map(issue => issue.text), flags: namesOf(flags) }
}

const clean = (payload: Json) => ({ payload, issues: [], flags: [] })

describe('event normalization', () => {
  test('applies the mapping: what comes out is not what went in', () => {
    expect(normalize({ map: { v: 'readings.0.value' } }, { readings: [{ value: 1 }], noise: 2 })).toEqual(
      clean({ v: 1 }),
    )
  })

  test('passes the payload as it is where the policy has no map, or an empty one', () => {
    for (const policy of [{}, { map: {} }])
      for (const payload of [{ b: 1, a: [1, { c: null }] }, [1, 2], 'text', null, 0])
        expect(normalize(policy, payload)).toEqual(clean(payload))
  })

  test('keeps nested objects objects and arrays in their order', () => {
    const nested = { z: { y: [3, 1, { b: 1, a: 2 }] } }
    expect(normalize({ map: { 'out.deep': 'z' } }, nested)).toEqual(clean({ out: { deep: nested.z } }))
  })

  test('takes "false" for false, and never for true', () => {
    expect(normalize({ coerce: { on: 'boolean' } }, { on: 'false' })).toEqual(clean({ on: false }))
  })

  test('looks for required fields in the payload where there is no map', () => {
    expect(
      normalize(
        { required: ['id', 'ts'], coerce: { ts: 'iso8601->epoch' } },
        { id: 1, ts: '2025-11-20T00:00:00Z' },
      ),
    ).toEqual(clean({ id: 1, ts: 1763596800000 }))
  })

  test("keeps the issue strings' shapes", () => {
    const policy = { required: ['ts'], coercion: { val: 'number', at: 'iso8601' } }
    expect(normalize(policy, { val: 'abc', at: '2024-02-30' })).toEqual({
      payload: { val: 'abc', at: '2024-02-30' },
      issues: ['required-missing:ts', 'coercion-failed:at:2024-02-30', 'coercion-NaN:val:abc'],
      flags: ['INVALID_SCHEMA', 'QUARANTINED'],
    })
  })

  test('lets an event go on only where the policy calls the finding a flag', () => {
    const flagged = { coercion: { val: 'number' }, severity: { 'coercion-NaN': 'flag' } }
    expect(normalize(flagged, { val: '' })).toMatchObject({ flags: ['INVALID_SCHEMA'] })
    expect(normalize({ coercion: { val: 'number' } }, { val: '' })).toMatchObject({
      flags: ['INVALID_SCHEMA', 'QUARANTINED'],
    })
  })

  test('cuts long values in issues, and never through a character', () => {
    const long = '😀'.repeat(500)
    const [issue = ''] = normalize({ coercion: { val: 'number' } }, { val: `x${long}` }).issues
    expect(issue.length).toBeLessThanOrEqual('coercion-NaN:val:'.length + ISSUE_VALUE_CHARS_MAX + 1)
    expect(issue.isWellFormed()).toBe(true)
    expect(normalize({ coercion: { val: 'number' } }, { val: { a: long } }).issues).toEqual([
      'coercion-NaN:val:object',
    ])
  })

  test('coerces inside arrays and objects without touching what was sent', () => {
    const sent = Object.freeze({ readings: Object.freeze([Object.freeze({ value: '7' }), 'x']) })
    expect(normalize({ coercion: { 'readings[0].value': 'integer' } }, sent)).toEqual(
      clean({ readings: [{ value: 7 }, 'x'] }),
    )
    expect(sent.readings[0]).toEqual({ value: '7' })
  })

  test('copies a wide object once, not for every field of it', () => {
    const d = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, '1']))
    const coerce = Object.fromEntries(Array.from({ length: FIELDS_MAX }, (_, i) => [`d.k${i}`, 'integer']))
    const { payload } = normalize({ coerce }, { d })
    expect(payload).toMatchObject({ d: { k0: 1, k511: 1, k512: '1' } })
    expect(d['k0']).toBe('1')
  })

  test('cannot be made to reach a prototype', () => {
    const policy = {
      map: { 'constructor.prototype.polluted': 'x', toString: 'x', valueOf: 'hasOwnProperty' },
    }
    const { payload } = normalize(policy, { x: 'evil' })
    expect(payload).toEqual({ constructor: { prototype: { polluted: 'evil' } }, toString: 'evil' })
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
    expect(Object.hasOwn(Object, 'polluted')).toBe(false)
  })

  test('leaves out a value that its target would nest too deeply, and says so', () => {
    const nested = (levels: number): Json => (levels === 0 ? 1 : [nested(levels - 1)])
    const policy = { map: { 'a.b.c': 'v', same: 'v' } }
    const deepest = JSON_DEPTH_MAX - 4
    expect(normalize(policy, { v: nested(deepest) }).issues).toEqual([])
    const { payload, issues } = normalize(policy, { v: nested(deepest + 1) })
    expect(issues).toEqual(['mapping-failed:a.b.c:too-deep'])
    expect(payload).toEqual({ same: nested(deepest + 1) })
  })

  test('is pure: the event stays as it is, and the answer is the same again and can be written', () => {
    fc.assert(
      fc.property(anySourcePolicy, anyPayload, (json, payload) => {
        const policy = readSourcePolicy(json)
        if (!policy.ok) return
        const before = canonicalJson(payload)
        const normalizer = compileSource(policy.value)
        const first = normalizer(envelope(payload))
        const again = normalizer(envelope(payload))
        expect(canonicalJson(payload)).toBe(before)
        expect(again).toEqual(first)
        expect(canonicalize({ payload: first.payload }).ok).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
