import { isObject, type Json } from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import type { Limits } from '../registry/limits.ts'

const measures = [
  'requestsPerSecond',
  'eventsPerSecond',
  'eventsPerDay',
  'bytesPerDay',
  'eventsPerMonth',
  'bytesPerMonth',
] as const satisfies readonly (keyof Limits)[]

/** What a publisher asks for, where the operator allows as much; what it does not name is as high as it may be. */
export function underCeiling(asked: Limits, ceiling: Limits): Outcome<Limits> {
  for (const measure of measures) {
    const [wanted, most] = [asked[measure], ceiling[measure]]
    if (wanted !== undefined && most !== undefined && wanted > most)
      return refused(
        'registration-invalid',
        `the operator of this node allows ${most}; say that or less, or leave it out for all of it`,
        `/limits/${measure}`,
      )
  }
  return accepted(collect(measure => asked[measure] ?? ceiling[measure]))
}

/** Of a change that says nothing of limits: they are lowered with the ceiling, and keep nobody from changing the rest. */
export function limitsAfter(sent: Json, limits: Limits, ceiling: Limits): Outcome<Limits> {
  if (isObject(sent) && Object.hasOwn(sent, 'limits')) return underCeiling(limits, ceiling)
  return accepted(
    collect(measure => {
      const [now = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY] = [
        limits[measure],
        ceiling[measure],
      ]
      return Number.isFinite(Math.min(now, most)) ? Math.min(now, most) : undefined
    }),
  )
}

function collect(each: (measure: keyof Limits) => number | undefined): Limits {
  const limits: { -readonly [M in keyof Limits]: number } = {}
  for (const measure of measures) {
    const value = each(measure)
    if (value !== undefined) limits[measure] = value
  }
  return limits
}
