import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { fastFormats } from 'ajv-formats/dist/formats.js'
import {
  canonicalize,
  canonicalJson,
  isObject,
  type Json,
  type JsonObject,
  pointerToken,
} from '../canonical-json.ts'
import { accepted, type Fault, type FaultCode, type Outcome, orThrow, refused } from '../fault.ts'
import { shown } from '../issue.ts'
import { compareCanonically } from './equality-keywords.ts'
import { checkFrugally } from './frugal-keywords.ts'
import { keepLatest } from './kept.ts'
import { compilePattern } from './pattern.ts'

export const SCHEMA_CHARS_MAX = 64 * 1024
/** Subschemas inside each other, references followed. */
const SCHEMA_DEPTH_MAX = 32
/** Values in the schema and instructions of its patterns, references followed. */
const SCHEMA_WEIGHT_MAX = 1_000
const SCHEMA_PATTERNS_MAX = 32
/** A longer text fails every format, before any expression is run over it. */
const FORMAT_CHARS_MAX = 256
/** Compiling takes milliseconds, so compiled schemas are kept. */
const SCHEMAS_KEPT_MAX = 512

/** The issue's text, or undefined where the value fits. */
export type SchemaCheck = (value: Json) => string | undefined

export type CompiledSchema = {
  readonly check: SchemaCheck
  /** What checking a value costs for each part of it. */
  readonly weight: number
  /** Then every character of the value counts. */
  readonly hasPatterns: boolean
}

/**
 * JSON Schema 2020-12 as a publisher may send it: everything that decides about values, nothing that reaches
 * outside the document, calls itself, or grows when references are followed. Answers the schema as sent.
 */
export function readSchema(json: Json): Outcome<JsonObject> {
  if (!isObject(json)) return refused('policy-invalid', 'a schema is a JSON object', '')
  const text = canonicalize(json)
  if (!text.ok) return text
  if (text.value.length > SCHEMA_CHARS_MAX)
    return refused('policy-invalid', `the schema is longer than ${SCHEMA_CHARS_MAX} characters`, '')
  const compiled = compileText(text.value)
  return compiled.ok ? accepted(json) : compiled
}

/** For schemas that readSchema accepted. */
export function compileSchema(schema: JsonObject): CompiledSchema {
  return orThrow(compileText(canonicalJson(schema)))
}

// From the canonical text: which of two mistakes is found first must not depend on the order that somebody wrote.
const compileText = keepLatest(SCHEMAS_KEPT_MAX, text => compile(JSON.parse(text)))

function compile(schema: JsonObject): Outcome<CompiledSchema> {
  const seen = { root: schema, weight: 0, patterns: 0 }
  const fault = inspect(schema, { pointer: '', depth: 0, following: [] }, seen)
  if (fault !== undefined) return { ok: false, fault }
  const bare = withoutNotes(schema)
  if (!metaSchema.validateSchema(bare)) {
    const [error] = metaSchema.errors ?? []
    return refused(
      'policy-invalid',
      `the schema breaks JSON Schema 2020-12: this ${error?.message ?? 'is not one'}`,
      error?.instancePath ?? '',
    )
  }
  // One instance per schema: an instance keeps whatever it has ever compiled.
  const ajv = checkFrugally(
    compareCanonically(new Ajv2020({ ...options, meta: false, validateSchema: false })),
  )
  for (const [name, validate] of formats) ajv.addFormat(name, { type: 'string', validate })
  try {
    const validate = ajv.compile<Json>(bare)
    return accepted({
      check: value => (validate(value) ? undefined : schemaIssue(validate.errors?.at(-1))),
      weight: seen.weight,
      hasPatterns: seen.patterns > 0,
    })
  } catch (error) {
    return refused('policy-invalid', `the schema cannot be compiled: ${shown(String(error))}`, '')
  }
}

// `code` would name the engine in generated modules, which we never ask for; ajv tells patterns apart by text.
const linearPattern = Object.assign(
  (source: string) => ({ ...orThrow(compilePattern(source)), toString: () => source }),
  { code: 'linearPattern' },
)

const options = {
  strict: false,
  logger: false,
  allErrors: false,
  // Without it `required: ["toString"]` would be met by every object's prototype.
  ownProperties: true,
  code: { regExp: linearPattern },
} as const

const metaSchema = compareCanonically(new Ajv2020(options))

/** The last error is the outermost: for `anyOf` it says that none fitted, not how the first one failed. */
function schemaIssue(error: ErrorObject | undefined): string {
  const keyword = error?.keyword ?? 'false'
  const named: unknown = error?.params['missingProperty'] ?? error?.params['additionalProperty']
  const path = (error?.instancePath ?? '') + (typeof named === 'string' ? pointerToken(named) : '')
  return `schema:${shown(path)}:${keyword}`
}

/**
 * What a keyword's value is made of. A keyword that is not here is refused, not ignored. `unevaluatedItems` and
 * `unevaluatedProperties` are not: the library takes a member called `constructor` for evaluated.
 */
const keywords: { readonly [keyword: string]: 'note' | 'value' | 'schema' | 'list' | 'map' } = {
  $schema: 'note',
  $id: 'note',
  $comment: 'note',
  title: 'note',
  description: 'note',
  default: 'note',
  examples: 'note',
  deprecated: 'note',
  readOnly: 'note',
  writeOnly: 'note',
  contentEncoding: 'note',
  contentMediaType: 'note',
  $ref: 'value',
  type: 'value',
  const: 'value',
  enum: 'value',
  format: 'value',
  pattern: 'value',
  minLength: 'value',
  maxLength: 'value',
  minimum: 'value',
  maximum: 'value',
  exclusiveMinimum: 'value',
  exclusiveMaximum: 'value',
  multipleOf: 'value',
  minItems: 'value',
  maxItems: 'value',
  uniqueItems: 'value',
  minContains: 'value',
  maxContains: 'value',
  minProperties: 'value',
  maxProperties: 'value',
  required: 'value',
  dependentRequired: 'value',
  items: 'schema',
  contains: 'schema',
  additionalProperties: 'schema',
  propertyNames: 'schema',
  not: 'schema',
  if: 'schema',
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword; nothing awaits this table
  then: 'schema',
  else: 'schema',
  prefixItems: 'list',
  allOf: 'list',
  anyOf: 'list',
  oneOf: 'list',
  properties: 'map',
  patternProperties: 'map',
  dependentSchemas: 'map',
  $defs: 'map',
  definitions: 'map',
}

/** Beyond the values in them: formats are expressions, the others write out a list of all items or keys. */
const costlyKeywords: { readonly [keyword: string]: number } = {
  format: 8,
  uniqueItems: 4,
  minProperties: 4,
  maxProperties: 4,
  additionalProperties: 4,
  propertyNames: 4,
}

const formats: readonly (readonly [string, (text: string) => boolean])[] = (
  [
    'date',
    'time',
    'date-time',
    'duration',
    'uri',
    'email',
    'hostname',
    'ipv4',
    'ipv6',
    'uuid',
    'json-pointer',
  ] as const
).map(name => [name, boundedFormat(fastFormats[name])])

/** The library's own expressions, which are simple but do go back; hence the cap. */
function boundedFormat(format: (typeof fastFormats)['date']): (text: string) => boolean {
  const expression = typeof format === 'object' && 'validate' in format ? format.validate : format
  if (!(expression instanceof RegExp)) throw new Error('ajv-formats no longer offers this format as a RegExp')
  return text => text.length <= FORMAT_CHARS_MAX && expression.test(text)
}

type Place = {
  readonly pointer: string
  readonly depth: number
  /** References on the way here, to see one that leads to itself. */
  readonly following: readonly string[]
}
type Inspection = {
  readonly root: JsonObject
  weight: number
  patterns: number
}

function inspect(schema: Json, place: Place, seen: Inspection): Fault | undefined {
  const fault = (detail: string, at = '', code: FaultCode = 'policy-invalid') =>
    refused(code, detail, place.pointer + at).fault
  const tooHeavy = () =>
    fault(`with its references followed the schema has more than ${SCHEMA_WEIGHT_MAX} parts; simplify it`)
  if (++seen.weight > SCHEMA_WEIGHT_MAX) return tooHeavy()
  if (place.depth > SCHEMA_DEPTH_MAX) return fault(`the schema nests deeper than ${SCHEMA_DEPTH_MAX} levels`)
  if (typeof schema === 'boolean') return undefined
  if (!isObject(schema)) return fault('a schema is an object, true or false')

  for (const [keyword, value] of Object.entries(schema)) {
    const at = pointerToken(keyword)
    const shape = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined
    if (shape === undefined)
      return fault(`the keyword "${shown(keyword)}" is not one that a rule's schema may use`, at)
    if ((keyword === '$defs' || keyword === 'definitions') && place.depth > 0)
      return fault('definitions stand at the top of the schema', at)
    seen.weight += ownWeight(keyword, shape, value)
    const wrong = checkKeyword(keyword, value, place, seen)
    if (wrong !== undefined) return wrong
    if (seen.weight > SCHEMA_WEIGHT_MAX) return tooHeavy()
    const inside = subschemas(shape, value)
    if (inside === undefined) return fault(`"${keyword}" has a value of the wrong type`, at)
    for (const [token, inner] of inside) {
      const deeper = { ...place, pointer: place.pointer + at + token, depth: place.depth + 1 }
      const found = inspect(inner, deeper, seen)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** Of a keyword, without the subschemas in it; but each name or place that one stands at counts. */
function ownWeight(keyword: string, shape: (typeof keywords)[string], value: Json): number {
  const more = costlyKeywords[keyword] ?? 0
  switch (shape) {
    case 'value':
      return more + countValues(value)
    case 'list':
    case 'map':
      return more + 1 + Object.keys(value ?? {}).length
    default:
      return more
  }
}

function checkKeyword(keyword: string, value: Json, place: Place, seen: Inspection): Fault | undefined {
  const at = place.pointer + pointerToken(keyword)
  const fault = (detail: string) => refused('policy-invalid', detail, at).fault
  switch (keyword) {
    case '$schema':
      return value === 'https://json-schema.org/draft/2020-12/schema'
        ? undefined
        : fault('rules read JSON Schema 2020-12 only')
    case '$id':
      return place.depth === 0 && typeof value === 'string'
        ? undefined
        : fault('an identifier stands at the top of the schema only')
    case '$ref':
      return followReference(value, place, seen)
    case 'format':
      return formats.some(([name]) => name === value)
        ? undefined
        : fault(`the format is not one of ${formats.map(([name]) => name).join(', ')}`)
    case 'pattern':
      return checkPattern(value, at, seen)
    case 'patternProperties': {
      for (const source of isObject(value) ? Object.keys(value) : []) {
        const wrong = checkPattern(source, at + pointerToken(source), seen)
        if (wrong !== undefined) return wrong
      }
      return undefined
    }
    case 'enum':
      return Array.isArray(value) && value.length === 0 ? fault('an empty list allows nothing') : undefined
    default:
      return undefined
  }
}

/** Only into the definitions at the top: those are schemas for certain, and their names need no decoding. */
function followReference(value: Json, place: Place, seen: Inspection): Fault | undefined {
  const at = `${place.pointer}/$ref`
  const [, group, name] =
    (typeof value === 'string' && /^#\/(\$defs|definitions)\/([A-Za-z0-9_.-]+)$/.exec(value)) || []
  if (typeof value !== 'string' || group === undefined || name === undefined)
    return refused('policy-invalid', 'a reference is "#/$defs/<name>"; nothing outside is read', at).fault
  if (place.following.includes(value))
    return refused('policy-invalid', 'the reference leads back to itself; recursive schemas are refused', at)
      .fault
  const definitions = seen.root[group]
  if (!isObject(definitions) || !Object.hasOwn(definitions, name))
    return refused('policy-invalid', 'the reference names a definition that is not there', at).fault
  const target = {
    pointer: `/${group}/${name}`,
    depth: place.depth + 1,
    following: [...place.following, value],
  }
  return inspect(definitions[name] ?? true, target, seen)
}

function checkPattern(source: Json, at: string, seen: Inspection): Fault | undefined {
  if (++seen.patterns > SCHEMA_PATTERNS_MAX)
    return refused('pattern-refused', `the schema has more than ${SCHEMA_PATTERNS_MAX} patterns`, at).fault
  if (typeof source !== 'string') return refused('pattern-refused', 'a pattern is a string', at).fault
  const compiled = compilePattern(source)
  if (!compiled.ok) return { ...compiled.fault, pointer: at }
  seen.weight += compiled.value.programSize
  return undefined
}

function subschemas(
  shape: (typeof keywords)[string],
  value: Json,
): readonly (readonly [token: string, schema: Json])[] | undefined {
  switch (shape) {
    case 'schema':
      return [['', value]]
    case 'list':
      return Array.isArray(value)
        ? value.map((inner: Json, i) => [pointerToken(i), inner] as const)
        : undefined
    case 'map':
      return isObject(value)
        ? Object.entries(value).map(([key, inner]) => [pointerToken(key), inner] as const)
        : undefined
    default:
      return []
  }
}

/** Notes decide nothing, and what nobody compiles cannot hide an identifier. */
function withoutNotes(schema: JsonObject): JsonObject {
  const bare: Record<string, Json> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    const shape = keywords[keyword]
    if (shape !== 'note') bare[keyword] = bareValue(shape, value)
  }
  return bare
}

function bareValue(shape: (typeof keywords)[string] | undefined, value: Json): Json {
  const bareSchema = (inner: Json) => (isObject(inner) ? withoutNotes(inner) : inner)
  if (shape === 'schema') return bareSchema(value)
  if (shape === 'list' && Array.isArray(value)) return value.map(bareSchema)
  if (shape === 'map' && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bareSchema(inner)]))
  return value
}

function countValues(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1
  let count = 1
  for (const inner of Object.values(value)) count += countValues(inner)
  return count
}
