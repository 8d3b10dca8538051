import type { Json } from '../canonical-json.ts'
import { type Pointer, tokensOf } from '../path.ts'
import type { Budget } from './budget.ts'
import { pathsOf } from './predicate.ts'
import type { Rule } from './rule.ts'
import { schemaOf, totalWeight } from './weight.ts'

/** Weights of the schemas in force × size of the payload. Beyond it none of them is checked, and all say so. */
const SCHEMA_STEPS_MAX = 4_000_000
/** Instructions of the patterns in force × characters of a text. A longer text matches none of them. */
const PATTERN_STEPS_MAX = 8_000_000

/** What one event may cost is shared by all rules in force, so that many cannot cost more than few. */
export type Limits = {
  readonly tooLargeForSchemas: boolean
  readonly patternCharsMax: number
  readonly budget: Budget
}

export function compileLimits(rules: readonly Rule[]): (payload: Json, budget: Budget) => Limits {
  const schemas = rules.flatMap(rule => schemaOf(rule) ?? [])
  const schemasWeight = schemas.reduce((total, schema) => total + schema.weight, 0)
  const patternsWeight = totalWeight(rules.filter(rule => rule.kind === 'pattern'))
  const patternCharsMax = Math.floor(PATTERN_STEPS_MAX / patternsWeight)
  const sizeMax = Math.floor(SCHEMA_STEPS_MAX / schemasWeight)
  // A pattern looks at every character; the other keywords hardly look at texts.
  const charsPerStep = schemas.some(schema => schema.hasPatterns) ? 1 : 16
  const ruleSteps = rules.reduce((total, rule) => total + partsRead(rule), 0)
  return (payload, budget) => {
    const size = schemas.length === 0 ? 0 : sizeUpTo(payload, sizeMax, charsPerStep)
    const tooLargeForSchemas = size > sizeMax
    budget.steps -= ruleSteps + (tooLargeForSchemas ? 0 : size * schemasWeight)
    return { tooLargeForSchemas, patternCharsMax, budget }
  }
}

/** Parts of the paths that a rule follows in every event. */
function partsRead(rule: Rule): number {
  if (rule.kind === 'predicate') return pathsOf(rule.require).reduce((total, path) => total + parts(path), 0)
  if (rule.kind === 'sum') return rule.fields.reduce((total, path) => total + parts(path), 0)
  const key = 'key' in rule && rule.key !== undefined ? parts(rule.key) : 0
  return 'field' in rule ? parts(rule.field) + key : 1
}

function parts(path: Pointer): number {
  return 1 + tokensOf(path).length
}

/** Values, and one more for every so many characters of a text or key. Stops counting once it is past `max`. */
function sizeUpTo(value: Json, max: number, charsPerStep: number): number {
  if (typeof value === 'string') return 1 + Math.floor(value.length / charsPerStep)
  if (typeof value !== 'object' || value === null) return 1
  let size = 1
  if (Array.isArray(value)) {
    for (const item of value) {
      size += sizeUpTo(item, max - size, charsPerStep)
      if (size > max) break
    }
    return size
  }
  for (const [key, inner] of Object.entries(value)) {
    size += Math.floor(key.length / charsPerStep) + sizeUpTo(inner, max - size, charsPerStep)
    if (size > max) break
  }
  return size
}
