import type { Json } from '../canonical-json.ts'
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
}

export function compileLimits(rules: readonly Rule[]): (payload: Json) => Limits {
  const schemas = rules.flatMap(rule => schemaOf(rule) ?? [])
  const schemasWeight = schemas.reduce((total, schema) => total + schema.weight, 0)
  const patternsWeight = totalWeight(rules.filter(rule => rule.kind === 'pattern'))
  const patternCharsMax = Math.floor(PATTERN_STEPS_MAX / patternsWeight)
  const sizeMax = Math.floor(SCHEMA_STEPS_MAX / schemasWeight)
  // A pattern looks at every character; the other keywords hardly look at texts.
  const charsPerStep = schemas.some(schema => schema.hasPatterns) ? 1 : 16
  return payload => ({
    tooLargeForSchemas: schemas.length > 0 && sizeUpTo(payload, sizeMax, charsPerStep) > sizeMax,
    patternCharsMax,
  })
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
