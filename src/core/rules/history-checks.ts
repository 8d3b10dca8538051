import type { Envelope } from '../event/envelope.ts'
import { compileKey } from '../event/event-key.ts'
import { compilePath, fieldName } from '../path.ts'
import type { RuleMemory } from './carried-state.ts'
import type { RuleOf } from './rule.ts'
import { notANumber } from './value-checks.ts'

/**
 * A rule that compares an event with earlier ones. `remembered` is what `learn` answered for the event before
 * it of the same source and key; undefined for the first. Memories hold the values themselves: a running sum
 * would depend on how it came about.
 */
export type HistoryCheck = {
  /** The field, as issues name it. */
  readonly name: string
  /** What the event says; an issue's text where it says it badly; undefined where it says nothing. */
  readonly observe: (event: Envelope) => Observation | string | undefined
  /** What `find` costs, as ./limits.ts counts. */
  readonly steps: Asked<number>
  readonly find: Asked<string | undefined>
  readonly learn: (seen: Observation, remembered: readonly number[] | undefined) => readonly number[]
}

type Asked<Answer> = (
  seen: Observation,
  remembered: readonly number[] | undefined,
  memory: RuleMemory | undefined,
) => Answer

type Observation = {
  readonly sourceId: string
  readonly key: string
  readonly timeMs: number
  readonly value: number
}

export function monotonicCheck(rule: RuleOf<'monotonic'>): HistoryCheck {
  const name = fieldName(rule.field)
  return {
    name,
    observe: observation(rule),
    steps: () => 1,
    find({ value }, [previous] = []) {
      if (previous === undefined) return undefined
      if (rule.strict)
        return value <= previous ? `monotonic-violation:${name}:${value}<=${previous}` : undefined
      return value < previous ? `monotonic-violation:${name}:${value}<${previous}` : undefined
    },
    learn: ({ value }) => [value],
  }
}

export function rateCheck(rule: RuleOf<'rate'>): HistoryCheck {
  const name = fieldName(rule.field)
  return {
    name,
    observe: observation(rule),
    steps: () => 1,
    find({ value, timeMs }, [previousMs, previous] = []) {
      if (previousMs === undefined || previous === undefined || value === previous) return undefined
      const change = Math.abs(value - previous)
      if (rule.per === 'event')
        return change > rule.max ? `rate-exceeded:${name}:${change}>${rule.max}` : undefined
      // Two values at one instant changed infinitely fast, which is what the division says.
      const rate = change / (Math.abs(timeMs - previousMs) / 1_000)
      return rate > rule.max ? `rate-exceeded:${name}:${rate}>${rule.max}/s` : undefined
    },
    learn: latest,
  }
}

/** Distance from the mean, in standard deviations of the window. */
export function zScoreCheck(rule: RuleOf<'z-score'>): HistoryCheck {
  return rollingCheck(rule, window => {
    const mean = sum(window) / window.length
    const variance = sum(window.map(value => (value - mean) * (value - mean))) / window.length
    return { centre: mean, spread: Math.sqrt(variance) }
  })
}

/** Distance from the median, in median absolute deviations scaled to compare with a standard deviation. */
export function madCheck(rule: RuleOf<'mad'>): HistoryCheck {
  return rollingCheck(rule, window => {
    const centre = median(window)
    return { centre, spread: 1.4826 * median(window.map(value => Math.abs(value - centre))) }
  })
}

/** Compares with the latest value of every other source for the same key, where that is recent enough. */
export function divergenceCheck(rule: RuleOf<'divergence'>): HistoryCheck {
  const name = fieldName(rule.field)
  const { absolute, relative, withinMs } = rule
  return {
    name,
    observe: observation(rule),
    steps: ({ key }, _remembered, memory) => 1 + (memory?.get(key)?.size ?? 0),
    find({ sourceId, key, timeMs, value }, _remembered, memory) {
      let divergent: { sourceId: string; value: number } | undefined
      for (const [other, { values }] of memory?.get(key) ?? []) {
        const [otherMs, otherValue] = values
        if (other === sourceId || otherMs === undefined || otherValue === undefined) continue
        if (Math.abs(timeMs - otherMs) > withinMs) continue
        if (Math.abs(value - otherValue) <= Math.max(absolute, relative * Math.abs(otherValue))) continue
        // The first by name, so that the answer does not depend on who spoke first.
        if (divergent === undefined || other < divergent.sourceId)
          divergent = { sourceId: other, value: otherValue }
      }
      return divergent && `source-divergence:${name}:${value}!=${divergent.value}@${divergent.sourceId}`
    },
    learn: latest,
  }
}

function observation(rule: { field: string; key?: string }): HistoryCheck['observe'] {
  const readValue = compilePath(rule.field)
  const keyOf = compileKey(rule.key)
  const name = fieldName(rule.field)
  const keyName = rule.key === undefined ? 'partitionKey' : fieldName(rule.key)
  return event => {
    const value = readValue(event.payload) ?? null
    if (value === null) return undefined
    if (typeof value !== 'number') return notANumber(name, value)
    const key = keyOf(event)
    if (key === undefined) return `key-unusable:${name}:${keyName}`
    return { sourceId: event.sourceId, key, timeMs: event.eventTimeMs, value }
  }
}

/** An event that arrives out of order says nothing newer. */
function latest(
  { timeMs, value }: Observation,
  remembered: readonly number[] | undefined,
): readonly number[] {
  const [previousMs] = remembered ?? []
  return remembered !== undefined && previousMs !== undefined && timeMs < previousMs
    ? remembered
    : [timeMs, value]
}

function rollingCheck(
  rule: RuleOf<'z-score'> | RuleOf<'mad'>,
  describe: (window: readonly number[]) => { centre: number; spread: number },
): HistoryCheck {
  const name = fieldName(rule.field)
  return {
    name,
    observe: observation(rule),
    steps: (_seen, window = []) => 1 + 2 * window.length,
    find({ value }, window = []) {
      if (window.length < rule.samplesMin) return undefined
      const { centre, spread } = describe(window)
      const allowed = rule.max * Math.max(spread, rule.spreadMin)
      const distance = Math.abs(value - centre)
      return distance > allowed ? `outlier-${rule.kind}:${name}:${distance}>${allowed}` : undefined
    },
    learn: ({ value }, window = []) =>
      window.length < rule.window
        ? [...window, value]
        : [...window.slice(window.length - rule.window + 1), value],
  }
}

/** In order of arrival, which the state keeps: floating-point addition depends on it. */
function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
