import type { Ajv2020, FuncKeywordDefinition } from 'ajv/dist/2020.js'
import { canonicalJson, type Json } from '../canonical-json.ts'

/**
 * The library compares values by calling their `valueOf` and `toString` and by their `constructor`, and an event
 * may bring members of these names. Here two values are equal if their canonical forms are.
 */
export function compareCanonically(ajv: Ajv2020): Ajv2020 {
  for (const definition of equalityKeywords) {
    ajv.removeKeyword(String(definition.keyword))
    ajv.addKeyword(definition)
  }
  return ajv
}

/** Where the library has them, so that the same keyword is the first to fail. */
const equalityKeywords: readonly FuncKeywordDefinition[] = [
  { keyword: 'const', before: 'not', errors: false, compile: (wanted: Json) => oneOf([wanted]) },
  { keyword: 'enum', schemaType: 'array', before: 'not', errors: false, compile: oneOf },
  {
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    before: 'maxContains',
    errors: false,
    compile: (wanted: boolean) => (items: readonly Json[]) =>
      !wanted || new Set(items.map(identity)).size === items.length,
  },
]

function oneOf(listed: readonly Json[]): (value: Json) => boolean {
  const identities = new Set(listed.map(identity))
  return value => identities.has(identity(value))
}

/** Equal for equal values only: texts are marked, so that none of them reads like an object's canonical form. */
function identity(value: Json): Json {
  if (typeof value === 'string') return `"${value}`
  return typeof value === 'object' && value !== null ? canonicalOnce(value) : value
}

/** Hundreds of keywords may ask about one object, and an event never changes. */
const canonicalForms = new WeakMap<object, string>()

function canonicalOnce(value: Json & object): string {
  const known = canonicalForms.get(value)
  if (known !== undefined) return known
  const text = canonicalJson(value)
  canonicalForms.set(value, text)
  return text
}
