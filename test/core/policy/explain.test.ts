import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isObject, type Json } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { type Issue, setsAside } from '../../../src/core/issue.ts'
import { tokensOf } from '../../../src/core/path.ts'
import { explain } from '../../../src/core/policy/explain.ts'
import { compileSource, type Step } from '../../../src/core/policy/normalize-event.ts'
import { type PolicySet, sourcePolicyOf } from '../../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../../src/core/policy/read-policy-set.ts'
import { emptyState } from '../../../src/core/rules/carried-state.ts'
import { compileRules } from '../../../src/core/rules/check-event.ts'
import { anyPayload, anySourcePolicy, envelope } from './examples.ts'

/** Knows nothing of policies: this is the reader's side of an explanation. */
function rebuild(steps: readonly Step[]): Json {
  let payload: Json = {}
  for (const { field, after } of steps)
    if (after !== undefined) payload = withValueAt(payload, tokensOf(field), after)
  return payload
}

function withValueAt(value: Json | undefined, [token, ...rest]: readonly string[], after: Json): Json {
  if (token === undefined) return after
  if (Array.isArray(value))
    return value.map((item, i) => (String(i) === token ? withValueAt(item, rest, after) : item))
  const object = isObject(value) ? value : {}
  const inner = Object.hasOwn(object, token) ? object[token] : undefined
  return { ...object, [token]: withValueAt(inner, rest, after) }
}

describe('explain', () => {
  test('says enough to rebuild the payload, the issues and the flags', () => {
    let explained = 0
    fc.assert(
      fc.property(anySourcePolicy, anyPayload, (source, payload) => {
        const set = readPolicySet({ v: 1, sources: { s: source }, rules: [{ kind: 'skew' }] })
        if (!set.ok) return
        explained++
        const event = envelope(payload)
        const steps = explain(set.value, event)
        const { payload: normalized, issues } = outcome(set.value, event)
        expect(rebuild(steps)).toEqual(normalized)
        expect(steps.flatMap(step => step.issue ?? [])).toEqual(issues)
      }),
      { numRuns: 500 },
    )
    expect(explained).toBeGreaterThan(100)
  })

  test('shows each value before a step as the steps before it left it', () => {
    fc.assert(
      fc.property(anySourcePolicy, anyPayload, (source, payload) => {
        const set = readPolicySet({ v: 1, sources: { s: source } })
        if (!set.ok) return
        const steps = explain(set.value, envelope(payload))
        for (const [i, step] of steps.entries()) {
          if (step.before === undefined) continue
          const soFar = rebuild(steps.slice(0, i))
          expect(withValueAt(soFar, tokensOf(step.field), step.before)).toEqual(soFar)
        }
      }),
    )
  })

  test('asks the rules last, and not about an event that normalising has set aside', () => {
    const set = orThrow(
      readPolicySet({
        v: 1,
        sources: { '*': { coerce: { v: 'number' }, constraints: { bounds: { v: { min: 10 } } } } },
        rules: [{ kind: 'bounds', field: 'v', max: 1, severity: 'flag' }],
      }),
    )
    expect(explain(set, envelope({ v: '5' })).map(step => [step.rule, step.issue?.text])).toEqual([
      ['as-sent', undefined],
      ['coercion:number', undefined],
      ['bounds', 'bounds-min:v:5<10'],
      ['bounds', 'bounds-max:v:5>1'],
    ])
    expect(explain(set, envelope({ v: 'five' })).map(step => step.issue?.text)).toEqual([
      undefined,
      'coercion-NaN:v:five',
    ])
  })
})

/** What the stages do, in one go. */
function outcome(
  set: PolicySet,
  event: ReturnType<typeof envelope>,
): { payload: Json; issues: readonly Issue[] } {
  const policy = sourcePolicyOf(set, event.sourceId)
  const { payload, issues, flags } = compileSource(policy)(event)
  expect(flags).toBe(
    issues.reduce((bits, issue) => bits | issue.flag, setsAside(issues) ? qualityFlags.QUARANTINED : 0),
  )
  if (setsAside(issues)) return { payload, issues }
  const check = compileRules([...(policy.rules ?? []), ...(set.rules ?? [])])
  return { payload, issues: [...issues, ...check({ ...event, payload }, emptyState())] }
}
