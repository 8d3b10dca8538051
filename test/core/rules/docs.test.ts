import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { canonicalJson, isObject, type Json } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { type Outcome, orThrow } from '../../../src/core/fault.ts'
import { decideWindow } from '../../../src/core/fusion/decide.ts'
import { closeByWatermark, compileObserve, noWindows } from '../../../src/core/fusion/open-windows.ts'
import { type FusionPolicy, readFusion } from '../../../src/core/fusion/read-fusion.ts'
import { emptyState } from '../../../src/core/rules/carried-state.ts'
import { compileRules } from '../../../src/core/rules/check-event.ts'
import { type Rule, readRules, rulesFromConstraints } from '../../../src/core/rules/read-rules.ts'
import { ruleShape } from '../../../src/core/rules/rule.ts'
import { envelope } from '../policy/examples.ts'

describe('every example in docs/rules.md holds', () => {
  const page = readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8')
  const blocks = [...page.matchAll(/^```json ?(\w*)\n([\s\S]*?)^```$/gm)].map(
    ([, kind = '', text = ''], i) => ({
      i,
      kind,
      text,
    }),
  )
  const read = exampleReader()

  test.each(blocks)('block $i, $kind', ({ kind, text }) => {
    read(kind, JSON.parse(text))
  })

  test('and every kind of rule has one', () => {
    const kinds = ruleShape.options.map(option => option.shape.kind.value)
    const shown = new Set(
      blocks.flatMap(({ kind, text }) =>
        kind === 'schema' ? ['schema'] : (text.match(/(?<="kind": ")[a-z-]+/g) ?? []),
      ),
    )
    expect(kinds.length).toBeGreaterThan(10)
    expect(kinds.filter(kind => !shown.has(kind))).toEqual([])
  })
})

/** Carries from block to block what the page's header comment says it carries. */
function exampleReader() {
  let rules: Outcome<readonly Rule[]> = readRules([])
  let fusion: Outcome<FusionPolicy> | undefined
  let state = emptyState()
  let found: string[] = []
  let observed: Envelope[] = []

  const enforce = (read: Outcome<readonly Rule[]>) => {
    rules = read
    fusion = undefined
    state = emptyState()
  }
  const meet = (event: Envelope) => {
    observed.push(event)
    if (fusion === undefined) found = compileRules(orThrow(rules))(event, state).map(issue => issue.text)
  }
  const readers: { readonly [kind: string]: (json: Json) => void } = {
    rule: json => enforce(readRules(Array.isArray(json) ? json : [json])),
    schema: json => enforce(readRules([{ kind: 'schema', schema: json }])),
    constraints: json => enforce(rulesFromConstraints(json)),
    fusion: json => {
      fusion = readFusion(json)
      observed = []
    },
    event: json => meet(envelope(json)),
    envelope: json => meet(envelope(null, isObject(json) ? json : {})),
    issues: json => expect(found).toEqual(json),
    canonical: json => {
      const inForce = fusion === undefined ? orThrow(rules)[0] : orThrow(fusion)
      expect(canonicalJson(inForce ?? null)).toBe(canonicalJson(json))
    },
    fused: json => expect(fuse(observed, fusion)).toEqual(json),
    fault: json => expect(fusion ?? rules).toMatchObject({ ok: false, fault: json }),
  }
  return (kind: string, json: Json) => {
    const read = readers[kind]
    if (read === undefined) throw new Error(`docs/rules.md has a block of the unknown kind "${kind}"`)
    read(json)
  }
}

function fuse(events: readonly Envelope[], read: Outcome<FusionPolicy> | undefined) {
  if (read === undefined) throw new Error('no fusion policy is in force')
  const policy = orThrow(read)
  const state = noWindows()
  for (const event of events) compileObserve(policy)(event, state, [])
  return closeByWatermark(state, policy, Number.MAX_SAFE_INTEGER).map(window => decideWindow(window, policy))
}
