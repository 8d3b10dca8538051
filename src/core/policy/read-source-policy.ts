import * as z from 'zod'
import { type Json, nestsWithin, pointerToken } from '../canonical-json.ts'
import { accepted, type Outcome, type Refusal, refused } from '../fault.ts'
import { severities } from '../issue.ts'
import { type Pointer, readPath } from '../path.ts'
import {
  distinctRules,
  payloadTypeRule,
  readRules,
  rulesFromConstraints,
  schemaRule,
} from '../rules/read-rules.ts'
import { RULES_MAX, type Rule } from '../rules/rule.ts'
import { anyJson, canonicalPolicy, closed, path, readAs, readBy } from '../schema.ts'
import { coercions, readCoercion } from './coercion.ts'
import { type Fields, NORMALIZE_SEVERITY, normalizeIssues, type SourcePolicy } from './policy-set.ts'

/** In each of a source's lists of fields. */
export const FIELDS_MAX = 512
/** Nesting of a constant or a default. */
export const VALUE_LEVELS_MAX = 16
/** How many targets may copy the same piece of a payload, which bounds how far a mapping can blow an event up. */
export const COPIES_MAX = 4

/** One source's policy standing alone, as in NORMALIZE_POLICY_JSON. */
export function readSourcePolicy(json: Json): Outcome<SourcePolicy> {
  const read = readAs(sourceShape, json)
  if (!read.ok) return read
  const text = canonicalPolicy(read.value)
  return text.ok ? read : text
}

/** A field as the policy wrote it, for complaints, and as we do. */
type Entry<T> = { readonly key: string; readonly field: Pointer; readonly value: T }

const placedValue = anyJson.refine(value => nestsWithin(value, VALUE_LEVELS_MAX), {
  error: `the value nests deeper than ${VALUE_LEVELS_MAX} levels; flatten it`,
})
const coercionKind = z.string().transform(
  readBy(text => {
    const kind = readCoercion(text)
    if (kind !== undefined) return accepted(kind)
    return refused(
      'policy-invalid',
      `there is no such coercion; known are ${Object.keys(coercions).join(', ')}`,
    )
  }),
)
const targets = fields(readTarget, path)
const constants = fields(readTarget, placedValue)
const kinds = fields(readPath, coercionKind)
const required = z.array(path).max(FIELDS_MAX)
export const ruleList = anyJson.transform(readBy(readRules))

const members = closed({
  identify: closed({
    nativeId: path.exactOptional(),
    eventTime: path.exactOptional(),
    sourceSeq: path.exactOptional(),
  }).exactOptional(),
  map: targets.exactOptional(),
  fieldMapping: targets.exactOptional(),
  constants: constants.exactOptional(),
  defaults: constants.exactOptional(),
  required: required.exactOptional(),
  requiredFields: required.exactOptional(),
  coercion: kinds.exactOptional(),
  coerce: kinds.exactOptional(),
  coercionRules: kinds.exactOptional(),
  severity: z.partialRecord(z.enum(normalizeIssues), z.enum(severities)).exactOptional(),
  payloadType: z.string().transform(readBy(payloadTypeRule)).exactOptional(),
  schema: anyJson.transform(readBy(schemaRule)).exactOptional(),
  constraints: anyJson.transform(readBy(rulesFromConstraints)).exactOptional(),
  rules: ruleList.exactOptional(),
})

const sourceShape = members.transform(readBy(canonicalSource))

function canonicalSource(given: z.output<typeof members>): Outcome<SourcePolicy> {
  const twice = spelledTwice(given, [
    ['coercion', 'coerce', 'coercionRules'],
    ['map', 'fieldMapping'],
    ['required', 'requiredFields'],
  ])
  if (twice !== undefined) return twice
  const mapKey = given.fieldMapping === undefined ? 'map' : 'fieldMapping'
  const map = given[mapKey] ?? []
  const constants = given.constants ?? []
  const defaults = given.defaults ?? []
  const clash =
    collision({ [mapKey]: map, constants }) ??
    collision({ constants, defaults }) ??
    copiedTooOften(map, mapKey)
  if (clash !== undefined) return clash

  const identify = given.identify ?? {}
  const required = [...new Set(given.required ?? given.requiredFields)].sort()
  const coercion = given.coercion ?? given.coerce ?? given.coercionRules ?? []
  const severity = normalizeIssues.flatMap(code => {
    const chosen = given.severity?.[code]
    return chosen === undefined || chosen === NORMALIZE_SEVERITY ? [] : [[code, chosen] as const]
  })
  const written: Rule[] = [...(given.constraints ?? []), ...(given.rules ?? [])]
  if (given.schema !== undefined) written.unshift(given.schema)
  if (given.payloadType !== undefined) written.unshift(given.payloadType)
  const rules = distinctRules(written)
  if (rules.length > RULES_MAX)
    return refused('policy-invalid', `the source has more than ${RULES_MAX} rules in all; drop some`)

  // What says nothing is left out, so that `{}` and `{"map": {}}` are one policy.
  return accepted({
    ...(Object.keys(identify).length > 0 && { identify }),
    ...(map.length > 0 && { map: asFields(map) }),
    ...(constants.length > 0 && { constants: asFields(constants) }),
    ...(defaults.length > 0 && { defaults: asFields(defaults) }),
    ...(required.length > 0 && { required }),
    ...(coercion.length > 0 && { coercion: asFields(coercion) }),
    ...(severity.length > 0 && { severity: Object.fromEntries(severity) }),
    ...(rules.length > 0 && { rules }),
  })
}

/** An object keyed by field in any spelling, to entries in the order of their pointers. */
function fields<T>(readField: (text: string) => Outcome<Pointer>, value: z.ZodType<T>) {
  return z.record(z.string(), value).transform(
    readBy((given): Outcome<readonly Entry<T>[]> => {
      const entries = new Map<Pointer, Entry<T>>()
      for (const [key, item] of Object.entries(given)) {
        const field = readField(key)
        if (!field.ok) return refused('policy-invalid', field.fault.detail, pointerToken(key))
        if (entries.has(field.value))
          return refused(
            'policy-invalid',
            'this field is named twice, in two spellings; keep one',
            pointerToken(key),
          )
        entries.set(field.value, { key, field: field.value, value: item })
      }
      if (entries.size > FIELDS_MAX)
        return refused('policy-invalid', `more than ${FIELDS_MAX} fields; split the source`)
      return accepted([...entries.values()].sort((a, b) => (a.field < b.field ? -1 : 1)))
    }),
  )
}

function asFields<T>(entries: readonly Entry<T>[]): Fields<T> {
  return Object.fromEntries(entries.map(entry => [entry.field, entry.value]))
}

/** A field that a policy makes: it has a name, and stands in objects only. */
function readTarget(text: string): Outcome<Pointer> {
  if (text === '') return refused('policy-invalid', 'the whole payload cannot be set; name a field of it')
  if (!text.startsWith('/') && text.includes('['))
    return refused('policy-invalid', 'array positions can be read but not made; name a field of an object')
  return readPath(text)
}

function spelledTwice(given: object, spellings: readonly (readonly string[])[]): Refusal | undefined {
  for (const names of spellings) {
    const [first, second] = names.filter(name => Object.hasOwn(given, name))
    if (second !== undefined)
      return refused(
        'policy-invalid',
        `"${second}" says the same as "${first}"; keep one`,
        pointerToken(second),
      )
  }
  return undefined
}

/** Two entries that set one field, or a field and something inside it, would depend on their order. */
function collision(lists: Readonly<Record<string, readonly Entry<unknown>[]>>): Refusal | undefined {
  const set = new Map<Pointer, string>()
  const all = Object.entries(lists).flatMap(([list, entries]) => entries.map(entry => ({ ...entry, list })))
  for (const { list, key, field } of all) {
    const at = pointerToken(list) + pointerToken(key)
    if (set.has(field))
      return refused('policy-invalid', `"${set.get(field)}" sets the same field; keep one`, at)
    set.set(field, list)
  }
  for (const { list, key, field } of all) {
    const around = ancestors(field).find(ancestor => set.has(ancestor))
    if (around === undefined) continue
    const at = pointerToken(list) + pointerToken(key)
    return refused(
      'policy-invalid',
      `the field lies inside ${around}, which "${set.get(around)}" sets whole`,
      at,
    )
  }
  return undefined
}

function copiedTooOften(map: readonly Entry<Pointer>[], mapKey: string): Refusal | undefined {
  const copies = new Map<Pointer, number>()
  for (const { value } of map) copies.set(value, (copies.get(value) ?? 0) + 1)
  for (const { key, value } of map) {
    const total = [value, ...ancestors(value)].reduce((sum, source) => sum + (copies.get(source) ?? 0), 0)
    if (total > COPIES_MAX)
      return refused(
        'policy-invalid',
        `more than ${COPIES_MAX} targets copy this part of the payload; drop some`,
        pointerToken(mapKey) + pointerToken(key),
      )
  }
  return undefined
}

function ancestors(pointer: Pointer): Pointer[] {
  const found: Pointer[] = []
  for (let end = pointer.lastIndexOf('/'); end >= 0; end = pointer.lastIndexOf('/', end - 1)) {
    found.push(pointer.slice(0, end))
    if (end === 0) break
  }
  return found
}
