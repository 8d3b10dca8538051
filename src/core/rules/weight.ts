import { canonicalJson } from '../canonical-json.ts'
import { orThrow } from '../fault.ts'
import { fieldName } from '../path.ts'
import { type CompiledSchema, compileSchema } from './json-schema.ts'
import { compilePattern } from './pattern.ts'
import { compilePayloadType } from './payload-type.ts'
import type { Rule } from './rule.ts'

/** What the schemas and patterns that apply to one event may weigh: its source's rules and the stream's. */
export const RULES_WEIGHT_MAX = 4_000

/** Parts of a schema, instructions of a pattern; the other kinds take no compiling, and pay from the packet's budget. */
export function weightOf(rule: Rule): number {
  return rule.kind === 'pattern'
    ? orThrow(compilePattern(rule.pattern)).programSize
    : (schemaOf(rule)?.weight ?? 0)
}

export function schemaOf(rule: Rule): CompiledSchema | undefined {
  if (rule.kind === 'schema') return compileSchema(rule.schema)
  return rule.kind === 'payload-type' ? compilePayloadType(rule.name) : undefined
}

export function totalWeight(rules: readonly Rule[]): number {
  return rules.reduce((total, rule) => total + weightOf(rule), 0)
}

/** Compiling even the smallest of what is compiled takes a while. */
export const COMPILED_WEIGHT_MIN = 40

/** What is compiled for a rule: equal for rules that share it; undefined where nothing is. */
export function compiledFor(rule: Rule): string | undefined {
  switch (rule.kind) {
    case 'schema':
      return canonicalJson([rule.kind, rule.schema])
    case 'payload-type':
      return canonicalJson([rule.kind, rule.name])
    case 'pattern':
      return canonicalJson([rule.kind, rule.pattern])
    default:
      return undefined
  }
}

/** The first rule with which these, added to what others weigh, are too heavy for one event. */
export function firstTooHeavy(rules: readonly Rule[], othersWeight = 0): Rule | undefined {
  let weight = othersWeight
  return rules.find(rule => {
    weight += weightOf(rule)
    return weight > RULES_WEIGHT_MAX
  })
}

/** How a fault names a rule. */
export function ruleName(rule: Rule): string {
  return 'field' in rule ? `the ${rule.kind} rule of ${fieldName(rule.field)}` : `the ${rule.kind} rule`
}
