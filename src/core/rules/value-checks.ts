import type { Json } from '../canonical-json.ts'
import type { Envelope } from '../event/envelope.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { orThrow } from '../fault.ts'
import { shown } from '../issue.ts'
import { compilePath, fieldName, tokensOf } from '../path.ts'
import type { CompiledSchema } from './json-schema.ts'
import type { Limits } from './limits.ts'
import { compilePattern } from './pattern.ts'
import { compilePredicate } from './predicate.ts'
import type { RuleOf } from './rule.ts'

/** Numbers that one rule adds up in one event. */
const SUM_TERMS_MAX = 4_096

/** The text, or undefined where the event satisfies the rule. A field that is missing or null does. */
export type ValueCheck = (event: Envelope, limits: Limits) => string | undefined

export function schemaCheck({ check }: CompiledSchema): ValueCheck {
  return (event, limits) => (limits.tooLargeForSchemas ? 'schema::too-large' : check(event.payload))
}

export function boundsCheck({ field, min = -Infinity, max = Infinity }: RuleOf<'bounds'>): ValueCheck {
  const read = compilePath(field)
  const name = fieldName(field)
  return event => {
    const value = read(event.payload) ?? null
    if (value === null) return undefined
    if (typeof value !== 'number') return notANumber(name, value)
    if (value < min) return `bounds-min:${name}:${value}<${min}`
    return value > max ? `bounds-max:${name}:${value}>${max}` : undefined
  }
}

export function enumCheck({ field, values }: RuleOf<'enum'>): ValueCheck {
  const read = compilePath(field)
  const listed = new Set<Json>(values)
  return event => {
    const value = read(event.payload) ?? null
    if (value === null || listed.has(value)) return undefined
    return `enum-violation:${fieldName(field)}:${shown(value)}`
  }
}

export function patternCheck({ field, pattern }: RuleOf<'pattern'>): ValueCheck {
  const read = compilePath(field)
  const { test, programSize } = orThrow(compilePattern(pattern))
  return (event, { patternCharsMax, budget }) => {
    const value = read(event.payload) ?? null
    if (value === null) return undefined
    if (typeof value === 'string' && value.length <= patternCharsMax) {
      budget.steps -= programSize * value.length
      if (test(value)) return undefined
    }
    return `pattern-violation:${fieldName(field)}:${shown(value)}`
  }
}

export function predicateCheck({ name, require }: RuleOf<'predicate'>): ValueCheck {
  const judge = compilePredicate(require)
  return (event, { budget }) => (judge(event.payload, budget) ? undefined : `predicate-false:${name}`)
}

/** A field may hold one number or a list of them. Where none of the fields is there, there is nothing to add up. */
export function sumCheck(rule: RuleOf<'sum'>): ValueCheck {
  const { of, min = -Infinity, max = Infinity } = rule
  const fields = rule.fields.map(field => ({ name: fieldName(field), read: compilePath(field) }))
  const readEach = compilePath(rule.each)
  const stepsEach = 1 + tokensOf(rule.each).length
  const label = shown(fields.map(field => field.name).join('+'))
  return (event, { budget }) => {
    const values = fields.map(field => field.read(event.payload) ?? null)
    if (values.every(value => value === null)) return undefined
    const terms = values.reduce<number>((count, value) => count + termsIn(value), 0)
    budget.steps -= terms * stepsEach
    if (terms > SUM_TERMS_MAX) return `sum-terms:${label}:${terms}>${SUM_TERMS_MAX}`
    let sum = 0
    for (const [i, { name }] of fields.entries()) {
      const value = values[i] ?? null
      if (value === null) return `sum-incomplete:${name}`
      for (const term of Array.isArray(value) ? value.map(readEach) : [value]) {
        if (typeof term !== 'number') return notANumber(name, term ?? null)
        sum += of === 'inverse' ? 1 / term : term
      }
    }
    if (sum < min) return `sum-min:${label}:${sum}<${min}`
    return sum > max ? `sum-max:${label}:${sum}>${max}` : undefined
  }
}

function termsIn(value: Json): number {
  if (Array.isArray(value)) return value.length
  return value === null ? 0 : 1
}

/** A backfilled event is old because somebody asked for it. */
export function stalenessCheck({ maxMs }: RuleOf<'staleness'>): ValueCheck {
  return event => {
    const ageMs = event.ingestTimeMs - event.eventTimeMs
    if (ageMs <= maxMs || (event.qualityFlags & qualityFlags.BACKFILL) !== 0) return undefined
    return `stale-event-time:eventTimeMs:${ageMs}>${maxMs}`
  }
}

export function skewCheck({ maxMs }: RuleOf<'skew'>): ValueCheck {
  return event => {
    const aheadMs = event.eventTimeMs - event.ingestTimeMs
    return aheadMs > maxMs ? `future-event-time:eventTimeMs:${aheadMs}>${maxMs}` : undefined
  }
}

export function notANumber(name: string, value: Json): string {
  return `not-a-number:${name}:${shown(value)}`
}
