import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { namesOf, qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { type Outcome, orThrow } from '../../../src/core/fault.ts'
import { type Issue, setsAside, worstOf } from '../../../src/core/issue.ts'
import { explain } from '../../../src/core/policy/explain.ts'
import { compileSource } from '../../../src/core/policy/normalize-event.ts'
import { type PolicySet, sourcePolicyOf } from '../../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../../src/core/policy/read-policy-set.ts'
import { emptyState } from '../../../src/core/rules/carried-state.ts'
import { compileRules } from '../../../src/core/rules/check-event.ts'
import { envelope } from './examples.ts'

describe.each(['policies.md'])('docs/%s', page => {
  const groups = groupsOf(readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8'))

  test.each(groups)('the examples from line $line on hold', ({ fences }) => {
    expect.hasAssertions()
    let policy: Outcome<PolicySet> = readPolicySet({ v: 1 })
    let event: Envelope = envelope(null)
    const state = emptyState()
    for (const { kind, json } of fences) {
      if (kind === 'policy') policy = readPolicySet(json)
      else if (kind === 'source') policy = readPolicySet({ v: 1, sources: { '*': json } })
      else if (kind === 'event') event = envelope(json)
      else if (kind === 'canonical') expect(canonicalJson(orThrow(policy))).toBe(canonicalJson(json))
      else if (kind === 'result') expect(resultOf(orThrow(policy), event, state)).toEqual(json)
      else if (kind === 'explain') expect(explain(orThrow(policy), event)).toEqual(json)
      else if (kind === 'fault') expect(policy).toMatchObject({ ok: false, fault: json })
      else expect(kind).toBe('')
    }
  })
})

type Fence = { readonly line: number; readonly kind: string; readonly json: Json }
type Group = { readonly line: number; readonly fences: Fence[] }

/** Each policy with the blocks that follow it up to the next: what the page's header comment says belongs together. */
function groupsOf(page: string): Group[] {
  const groups: Group[] = []
  for (const found of page.matchAll(/^( *)```json ?(\w*)\n([\s\S]*?)^\1```$/gm)) {
    const [, , kind = '', text = ''] = found
    const line = page.slice(0, found.index).split('\n').length
    if (kind === 'policy' || kind === 'source') groups.push({ line, fences: [] })
    groups.at(-1)?.fences.push({ line, kind, json: JSON.parse(text) })
  }
  return groups
}

function resultOf(set: PolicySet, event: Envelope, state: ReturnType<typeof emptyState>): JsonObject {
  const policy = sourcePolicyOf(set, event.sourceId)
  const normalized = compileSource(policy)(event)
  const issues: Issue[] = [...normalized.issues]
  if (!setsAside(issues)) {
    const rules = [...(policy.rules ?? []), ...(set.rules ?? [])]
    issues.push(...compileRules(rules)({ ...event, payload: normalized.payload }, state))
  }
  let flags: number = setsAside(issues) ? qualityFlags.QUARANTINED : 0
  for (const issue of issues) flags |= issue.flag
  return {
    ...(setsAside(issues) ? { quarantined: true } : { payload: normalized.payload }),
    ...(worstOf(issues) === 'reject' && { rejected: true }),
    ...(issues.length > 0 && { issues: issues.map(issue => issue.text) }),
    ...(flags !== 0 && { flags: namesOf(flags) }),
  }
}
