import * as z from 'zod'
import { isObject, type Json, pointerToken } from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { closed, readAs } from '../schema.ts'
import { RULES_MAX, type Rule, ruleShape } from './rule.ts'

export type { Rule } from './rule.ts'

/** The `rules` of a policy. What it answers can be read again and stays as it is. */
export function readRules(json: Json | undefined, pointer: string): Outcome<readonly Rule[]> {
  if (json === undefined) return accepted([])
  return at(pointer, readAs(z.array(ruleShape).max(RULES_MAX, `more than ${RULES_MAX} rules`), json))
}

/** The short form, `constraints: {monotonicFields, bounds, enum, pattern}`, as rules with their usual verdicts. */
export function rulesFromConstraints(json: Json, pointer: string): Outcome<readonly Rule[]> {
  const given = readAs(constraintsShape, json)
  if (!given.ok) return at(pointer, given)
  const { monotonicFields = [], bounds = {}, enum: listed = {}, pattern = {} } = given.value

  const written: (readonly [where: string, rule: Json])[] = [
    ...Object.entries(bounds).map(([field, limits]) =>
      isObject(limits)
        ? ([`/bounds${pointerToken(field)}`, { ...limits, kind: 'bounds', field }] as const)
        : ([`/bounds${pointerToken(field)}`, limits] as const),
    ),
    ...Object.entries(listed).map(
      ([field, values]) => [`/enum${pointerToken(field)}`, { kind: 'enum', field, values }] as const,
    ),
    ...Object.entries(pattern).map(
      ([field, text]) =>
        [`/pattern${pointerToken(field)}`, { kind: 'pattern', field, pattern: text }] as const,
    ),
    ...monotonicFields.map((field, i) => [`/monotonicFields/${i}`, { kind: 'monotonic', field }] as const),
  ]
  if (written.length > RULES_MAX)
    return refused('policy-invalid', `the constraints make more than ${RULES_MAX} rules; drop some`, pointer)

  const rules: Rule[] = []
  for (const [where, json] of written) {
    const rule = readAs(ruleShape, json)
    // Whose rule it is says enough: the owner wrote no rule whose members could be pointed at.
    if (!rule.ok) return refused(rule.fault.code, rule.fault.detail, pointer + where)
    rules.push(rule.value)
  }
  return accepted(rules)
}

/** A policy's `schema`: JSON Schema 2020-12, within the bounds of ./json-schema.ts. */
export function schemaRule(json: Json, pointer: string): Outcome<Rule> {
  return asRule({ kind: 'schema', schema: json }, '/schema', pointer)
}

/** A policy's `payloadType`: one of the types that ../event/payload-types.ts defines. */
export function payloadTypeRule(name: string, pointer: string): Outcome<Rule> {
  return asRule({ kind: 'payload-type', name }, '/name', pointer)
}

const anyValue = z.custom<Json>(value => value !== undefined)
const byField = z.record(z.string(), anyValue)
const constraintsShape = closed({
  monotonicFields: z.array(z.string()).exactOptional(),
  bounds: byField.exactOptional(),
  enum: byField.exactOptional(),
  pattern: byField.exactOptional(),
})

/** `member` is where the rule holds what stands at `pointer` in the policy. */
function asRule(json: Json, member: string, pointer: string): Outcome<Rule> {
  const rule = readAs(ruleShape, json)
  if (rule.ok) return rule
  const { code, detail, pointer: inside = '' } = rule.fault
  return refused(code, detail, pointer + (inside.startsWith(member) ? inside.slice(member.length) : ''))
}

function at<T>(pointer: string, outcome: Outcome<T>): Outcome<T> {
  if (outcome.ok) return outcome
  return refused(outcome.fault.code, outcome.fault.detail, pointer + (outcome.fault.pointer ?? ''))
}
