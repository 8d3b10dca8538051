import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readFusion } from '../../../src/core/fusion/read-fusion.ts'

describe('a fusion policy', () => {
  test.each<Json>([
    { strategy: 'quorum', min: 2, priority: ['sourceA', 'sourceB'] },
    { strategy: 'priority', priority: ['a'], key: 'room', windowMs: 60_000 },
    { strategy: 'trust-median', field: 'temp', trust: { a: 0.5 } },
  ])('%j has a canonical form, which reads as itself', policy => {
    const canonical = orThrow(readFusion(policy))
    expect(canonicalJson(orThrow(readFusion(canonical)))).toBe(canonicalJson(canonical))
  })

  test('says the same with its defaults written out and without', () => {
    const written = {
      strategy: 'quorum',
      min: 2,
      windowMs: 1_000,
      latenessMs: 0,
      priority: [],
      trust: { a: 1 },
      windowsMax: 1_000,
      absolute: 0,
      relative: 0,
    }
    const terse = orThrow(readFusion({ strategy: 'quorum' }))
    expect(canonicalJson(orThrow(readFusion(written)))).toBe(canonicalJson(terse))
  })

  test.each<[string, Json, string]>([
    ['is no object', null, ''],
    ['has no known strategy', { strategy: 'vote' }, '/strategy'],
    ['wants a median of nothing', { strategy: 'trust-median' }, '/field'],
    ['misspells a member', { strategy: 'quorum', mn: 2 }, '/mn'],
    ['wants nobody to agree', { strategy: 'quorum', min: 0 }, '/min'],
    ['has windows of no length', { strategy: 'quorum', windowMs: 0 }, '/windowMs'],
    ['lists a source twice', { strategy: 'quorum', priority: ['a', 'a'] }, '/priority'],
    ['trusts by a negative weight', { strategy: 'quorum', trust: { a: -1 } }, '/trust/a'],
    ['gives priority a tolerance', { strategy: 'priority', absolute: 1 }, '/absolute'],
  ])('is refused where it %s', (_why, policy, at) => {
    expect(readFusion(policy)).toMatchObject({
      ok: false,
      fault: { code: 'policy-invalid', pointer: at },
    })
  })
})
