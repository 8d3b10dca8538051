import * as z from 'zod'
import { canonicalJson, type Json, pointerToken } from '../canonical-json.ts'
import { constantMembers } from '../event/line.ts'
import { accepted, type Outcome, refused, refusedInside } from '../fault.ts'
import { readFusion } from '../fusion/read-fusion.ts'
import { STATE_BYTES_DEFAULT, STATE_BYTES_MAX, STATE_BYTES_MIN } from '../rules/carried-state.ts'
import type { Rule } from '../rules/read-rules.ts'
import {
  COMPILED_WEIGHT_MIN,
  compiledFor,
  firstTooHeavy,
  RULES_WEIGHT_MAX,
  ruleName,
  totalWeight,
  weightOf,
} from '../rules/weight.ts'
import { anyJson, canonicalPolicy, closed, identityKey, readAs, readBy } from '../schema.ts'
import { dataClasses, LICENSE_DEFAULT, type PolicySet, type SourcePolicy } from './policy-set.ts'
import { readSourcePolicy, ruleList } from './read-source-policy.ts'

export const SOURCES_MAX = 1024
/** What different schemas and patterns of all sources may weigh: reading a policy takes seconds at the most. */
export const SOURCES_WEIGHT_MAX = 10_000

/**
 * Any accepted spelling in, the canonical form out; reading that again changes nothing. It never changes. What is certified
 * under a set is checked with it for as long as somebody has the set, so what only a database cannot keep is refused
 * where sets are registered (`unregistrable`), and not here.
 */
export function readPolicySet(json: Json): Outcome<PolicySet> {
  const read = readAs(policySetShape, json)
  if (!read.ok) return read
  const text = canonicalPolicy(read.value)
  return text.ok ? accepted(frozen(read.value)) : text
}

const label = z.string().min(1).max(256)

const members = closed({
  v: z.literal(1),
  owner: closed({ identityKey, name: label.exactOptional() }).exactOptional(),
  license: label.default(LICENSE_DEFAULT),
  classification: z.enum(dataClasses).default('public'),
  constants: z.array(z.enum(constantMembers)).default([]),
  stateBytesMax: z.int().min(STATE_BYTES_MIN).max(STATE_BYTES_MAX).default(STATE_BYTES_DEFAULT),
  sources: z
    .record(label, anyJson)
    .refine(sources => Object.keys(sources).length <= SOURCES_MAX, `more than ${SOURCES_MAX} sources`)
    .default({}),
  rules: ruleList.default([]),
  fusion: anyJson.transform(readBy(readFusion)).exactOptional(),
})
const policySetShape = members.transform(readBy(canonicalSet))

function canonicalSet(given: z.output<typeof members>): Outcome<PolicySet> {
  const { constants, stateBytesMax, sources: written, rules, fusion, ...set } = given
  const sources = readSources(written, rules)
  if (!sources.ok) return sources
  return accepted({
    ...set,
    sources: withoutRedundant(sources.value),
    ...(fusion !== undefined && { fusion }),
    ...(constants.length > 0 && { constants: [...new Set(constants)].sort() }),
    ...(stateBytesMax !== STATE_BYTES_DEFAULT && { stateBytesMax }),
    ...(rules.length > 0 && { rules }),
  })
}

type Sources = PolicySet['sources']

/** One after the other, and not further than they are affordable: reading a schema or a pattern compiles it. */
function readSources(
  written: { readonly [id: string]: Json },
  streamRules: readonly Rule[],
): Outcome<Sources> {
  const sources: { [id: string]: SourcePolicy } = {}
  const streamWeight = totalWeight(streamRules)
  const compiled = new Set<string>()
  let weight = 0
  for (const [id, json] of Object.entries(written)) {
    const source = readSourcePolicy(json)
    const at = pointerToken('sources') + pointerToken(id)
    if (!source.ok) return refusedInside(source.fault, at)
    const { rules = [] } = source.value
    const heavy = firstTooHeavy(rules, streamWeight)
    if (heavy !== undefined)
      return refused(
        'policy-invalid',
        `with ${ruleName(heavy)} this source's rules and the stream's weigh more than ${RULES_WEIGHT_MAX}; simplify schemas and patterns`,
        at,
      )
    for (const rule of rules) {
      const what = compiledFor(rule)
      if (what === undefined || compiled.has(what)) continue
      compiled.add(what)
      weight += Math.max(COMPILED_WEIGHT_MIN, weightOf(rule))
      if (weight > SOURCES_WEIGHT_MAX)
        return refused(
          'policy-invalid',
          `with ${ruleName(rule)} the different schemas and patterns of all sources weigh more than ${SOURCES_WEIGHT_MAX}; share or simplify them`,
          at,
        )
    }
    sources[id] = source.value
  }
  return accepted(sources)
}

/** An entry that says what would hold without it says nothing. */
function withoutRedundant(sources: Sources): Sources {
  const nothing = canonicalJson({})
  const everybody = canonicalJson(sources['*'] ?? {})
  return Object.fromEntries(
    Object.entries(sources).filter(
      ([id, policy]) => canonicalJson(policy) !== (id === '*' ? nothing : everybody),
    ),
  )
}

/** Digests and compiled forms are kept for as long as a set lives, so nothing in it may change. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
