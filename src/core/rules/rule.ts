import * as z from 'zod'
import { type QualityFlag, qualityFlags } from '../event/quality-flags.ts'
import { QUALITY_FLAGS_MAX } from '../event/read-envelope.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { type Severity, severities } from '../issue.ts'
import { anyJson, closed, path, readBy } from '../schema.ts'
import { readSchema } from './json-schema.ts'
import { compilePattern } from './pattern.ts'
import { readPayloadTypeName } from './payload-type.ts'
import { readPredicate, setOfScalars } from './predicate.ts'

/** One thing that an event must satisfy, in its canonical form: defaults filled in, fields as JSON Pointers. */
export type Rule = z.output<typeof ruleShape>
type RuleKind = Rule['kind']
export type RuleOf<K extends RuleKind> = Extract<Rule, { kind: K }>

export const RULES_MAX = 64
const LISTED_VALUES_MAX = 1_024
const SUM_FIELDS_MAX = 64
/** Values that a rolling rule keeps per key. */
const ROLLING_WINDOW_MAX = 256
/** Clocks differ a little; an event time further ahead than this is not a clock's fault. */
const SKEW_DEFAULT_MS = 5_000

/** The bits that a rule can find cause for. The others say what ingest did. */
const ruleFlags = [
  'INVALID_SCHEMA',
  'STALE_EVENT_TIME',
  'FUTURE_EVENT_TIME',
  'SOURCE_DIVERGENCE',
  'OUTLIER_DETECTED',
  'PARTIAL_COVERAGE',
  'CONNECTOR_DEGRADED',
] as const satisfies readonly QualityFlag[]
const ruleFlagBits = ruleFlags.reduce((bits, name) => bits | qualityFlags[name], 0)

const durationMs = z.int().min(0)
const tolerance = z.number().min(0).default(0)
const pattern = z.string().transform(readBy(source => keeping(source, compilePattern(source))))
const schema = anyJson.transform(readBy(readSchema))
const flag = z.union(
  [
    z.enum(ruleFlags).transform(name => qualityFlags[name]),
    z.literal('NONE').transform(() => 0),
    z
      .int()
      .min(0)
      .max(QUALITY_FLAGS_MAX)
      .refine(bits => (bits & ~ruleFlagBits) === 0),
  ],
  { error: `the flag that a rule sets is one of ${ruleFlags.join(', ')} or NONE` },
)

function verdict(severity: Severity, name: QualityFlag | 'NONE') {
  return {
    severity: z.enum(severities).default(severity),
    flag: flag.default(name === 'NONE' ? 0 : qualityFlags[name]),
  }
}

/** Where a rule remembers by key: a field of the payload, or else the event's partitionKey; always per source. */
const keyed = { field: path, key: path.exactOptional() }

const rolling = {
  ...keyed,
  window: z.int().min(2).max(ROLLING_WINDOW_MAX).default(32),
  samplesMin: z.int().min(2).max(ROLLING_WINDOW_MAX).default(8),
  /** The spread is taken to be at least this, so that a sensor that stood still may move a little. */
  spreadMin: z.number().min(0).default(0),
}
function samplesFit(rule: { readonly window: number; readonly samplesMin: number }): boolean {
  return rule.samplesMin <= rule.window
}
const tooFewSamples = 'the window never holds "samplesMin" values; lower that or widen the window'

export const range = { min: z.number().exactOptional(), max: z.number().exactOptional() }
function isRange({ min, max }: { readonly min?: number; readonly max?: number }): boolean {
  return min === undefined ? max !== undefined : max === undefined || min <= max
}
const noRange = 'give "min", "max" or both, and no "min" above "max"'

export const ruleShape = z.discriminatedUnion(
  'kind',
  [
    closed({ kind: z.literal('schema'), ...verdict('quarantine', 'INVALID_SCHEMA'), schema }),
    closed({
      kind: z.literal('payload-type'),
      ...verdict('quarantine', 'INVALID_SCHEMA'),
      name: z.string().transform(readBy(readPayloadTypeName)),
    }),
    closed({
      kind: z.literal('bounds'),
      ...verdict('quarantine', 'INVALID_SCHEMA'),
      field: path,
      ...range,
    }).refine(isRange, noRange),
    closed({
      kind: z.literal('enum'),
      ...verdict('quarantine', 'INVALID_SCHEMA'),
      field: path,
      values: setOfScalars(LISTED_VALUES_MAX),
    }),
    closed({
      kind: z.literal('pattern'),
      ...verdict('quarantine', 'INVALID_SCHEMA'),
      field: path,
      pattern,
    }),
    closed({
      kind: z.literal('predicate'),
      ...verdict('quarantine', 'NONE'),
      name: z
        .string()
        .min(1)
        .max(64)
        .refine(name => name.isWellFormed()),
      require: anyJson.transform(readBy(readPredicate)),
    }),
    closed({
      kind: z.literal('sum'),
      ...verdict('flag', 'OUTLIER_DETECTED'),
      fields: z
        .array(path)
        .min(1)
        .max(SUM_FIELDS_MAX)
        .refine(fields => new Set(fields).size === fields.length, 'a field is listed twice; keep one'),
      /** Where each item of a list holds its number; "" for the item itself. */
      each: path.default(''),
      of: z.enum(['value', 'inverse']).default('value'),
      ...range,
    }).refine(isRange, noRange),
    closed({
      kind: z.literal('staleness'),
      ...verdict('quarantine', 'STALE_EVENT_TIME'),
      maxMs: durationMs,
    }),
    closed({
      kind: z.literal('skew'),
      ...verdict('quarantine', 'FUTURE_EVENT_TIME'),
      maxMs: durationMs.default(SKEW_DEFAULT_MS),
    }),
    closed({
      kind: z.literal('monotonic'),
      ...verdict('flag', 'OUTLIER_DETECTED'),
      ...keyed,
      strict: z.boolean().default(true),
    }),
    closed({
      kind: z.literal('rate'),
      ...verdict('flag', 'OUTLIER_DETECTED'),
      ...keyed,
      max: z.number().min(0),
      per: z.enum(['second', 'event']).default('second'),
    }),
    closed({
      kind: z.literal('z-score'),
      ...verdict('flag', 'OUTLIER_DETECTED'),
      ...rolling,
      max: z.number().min(0).default(3),
    }).refine(samplesFit, tooFewSamples),
    closed({
      kind: z.literal('mad'),
      ...verdict('flag', 'OUTLIER_DETECTED'),
      ...rolling,
      max: z.number().min(0).default(3.5),
    }).refine(samplesFit, tooFewSamples),
    closed({
      kind: z.literal('divergence'),
      ...verdict('flag', 'SOURCE_DIVERGENCE'),
      ...keyed,
      withinMs: durationMs,
      absolute: tolerance,
      relative: tolerance,
    }),
  ],
  { error: 'there is no rule of this kind' },
)

/** Checked now, compiled again where it runs: the rule itself stays plain data. */
function keeping<T>(value: T, checked: Outcome<unknown>): Outcome<T> {
  return checked.ok ? accepted(value) : refused(checked.fault.code, checked.fault.detail)
}
