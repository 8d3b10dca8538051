import * as z from 'zod'
import { canonicalJson, type Json, pointerToken } from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { anyJson, closed, readAs } from '../schema.ts'
import { RULES_MAX, type Rule, range, ruleShape } from './rule.ts'
import { RULES_WEIGHT_MAX, ruleName, weightOf } from './weight.ts'

export type { Rule } from './rule.ts'

/** The `rules` of a policy. What it answers can be read again and stays as it is. */
export function readRules(json: Json): Outcome<readonly Rule[]> {
  const listed = readAs(ruleList, json)
  if (!listed.ok) return listed
  return readEach(listed.value.map((rule, i) => ({ rule, at: (inside = '') => pointerToken(i) + inside })))
}

/**
 * The short form, `constraints: {monotonicFields, bounds, enum, pattern}`, as rules with their usual verdicts, in
 * the order of kinds and fields: the short form has none of its own.
 */
export function rulesFromConstraints(json: Json): Outcome<readonly Rule[]> {
  const given = readAs(constraintsShape, json)
  if (!given.ok) return given
  const { monotonicFields = [], bounds = {}, enum: listed = {}, pattern = {} } = given.value

  // Which constraint it is says enough: the owner wrote no rule whose members could be pointed at.
  const short = (rule: Json, ...where: readonly (string | number)[]): Written => {
    const pointer = where.map(pointerToken).join('')
    return { rule, at: () => pointer }
  }
  const written = [
    ...Object.entries(bounds).map(([field, limits]) =>
      short({ ...limits, kind: 'bounds', field }, 'bounds', field),
    ),
    ...Object.entries(listed).map(([field, values]) => short({ kind: 'enum', field, values }, 'enum', field)),
    ...monotonicFields.map((field, i) => short({ kind: 'monotonic', field }, 'monotonicFields', i)),
    ...Object.entries(pattern).map(([field, text]) =>
      short({ kind: 'pattern', field, pattern: text }, 'pattern', field),
    ),
  ]
  if (written.length > RULES_MAX)
    return refused('policy-invalid', `the constraints make more than ${RULES_MAX} rules; drop some`, '')
  const rules = readEach(written)
  return rules.ok ? accepted([...rules.value].sort(byKindThenField)) : rules
}

/** A policy's `schema`: JSON Schema 2020-12, within the bounds of ./json-schema.ts. */
export function schemaRule(json: Json): Outcome<Rule> {
  return asRule({ kind: 'schema', schema: json }, '/schema')
}

/** A policy's `payloadType`: one of the types that ../event/payload-types.ts defines. */
export function payloadTypeRule(name: string): Outcome<Rule> {
  return asRule({ kind: 'payload-type', name }, '/name')
}

/** The same rule twice counts once, where it first stood. */
export function distinctRules(rules: readonly Rule[]): readonly Rule[] {
  const distinct = new Map<string, Rule>()
  for (const rule of rules) {
    const text = canonicalJson(rule)
    if (!distinct.has(text)) distinct.set(text, rule)
  }
  return [...distinct.values()]
}

const ruleList = z.array(anyJson).max(RULES_MAX, `more than ${RULES_MAX} rules`)
const byField = z.record(z.string(), anyJson)
const constraintsShape = closed({
  monotonicFields: z.array(z.string()).exactOptional(),
  bounds: z.record(z.string(), closed(range)).exactOptional(),
  enum: byField.exactOptional(),
  pattern: byField.exactOptional(),
})

/** A rule as somebody wrote it, and what to point at where something `inside` it is wrong. */
type Written = { readonly rule: Json; readonly at: (inside?: string) => string }

/** One after the other, and not further than they are affordable: reading a schema or a pattern compiles it. */
function readEach(written: readonly Written[]): Outcome<readonly Rule[]> {
  const rules = new Map<string, Rule>()
  let weight = 0
  for (const { rule: json, at } of written) {
    const rule = readAs(ruleShape, json)
    if (!rule.ok) return refused(rule.fault.code, rule.fault.detail, at(rule.fault.pointer))
    const text = canonicalJson(rule.value)
    if (rules.has(text)) continue
    rules.set(text, rule.value)
    weight += weightOf(rule.value)
    if (weight > RULES_WEIGHT_MAX)
      return refused(
        'policy-invalid',
        `with ${ruleName(rule.value)} these rules weigh more than ${RULES_WEIGHT_MAX}; simplify schemas and patterns`,
        at(),
      )
  }
  return accepted([...rules.values()])
}

/** `member` is where the rule holds what the policy holds. */
function asRule(json: Json, member: string): Outcome<Rule> {
  const rule = readAs(ruleShape, json)
  if (rule.ok) return rule
  const { code, detail, pointer = '' } = rule.fault
  return refused(code, detail, pointer.startsWith(member) ? pointer.slice(member.length) : '')
}

function byKindThenField(a: Rule, b: Rule): number {
  const [first, second] = [sortKey(a), sortKey(b)]
  const i = first.findIndex((part, i) => part !== second[i])
  return (first[i] ?? '') < (second[i] ?? '') ? -1 : 1
}

function sortKey(rule: Rule): readonly string[] {
  return [rule.kind, 'field' in rule ? rule.field : '', canonicalJson(rule)]
}
