import { _, type Ajv2020, type CodeKeywordDefinition, type KeywordCxt } from 'ajv/dist/2020.js'
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
const equalityKeywords: readonly CodeKeywordDefinition[] = [
  { keyword: 'const', before: 'not', code: ask((wanted: Json) => oneOf([wanted])) },
  { keyword: 'enum', schemaType: 'array', before: 'not', code: ask(oneOf) },
  {
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    before: 'maxContains',
    code: ask(
      (wanted: boolean) => (items: readonly Json[]) =>
        !wanted || new Set(items.map(identity)).size === items.length,
    ),
  },
]

/** Not as the library would: it writes down where in the event the value stands, every time. */
function ask<Wanted, Value>(compile: (wanted: Wanted) => (value: Value) => boolean) {
  return (cxt: KeywordCxt): void => {
    const fits = cxt.gen.scopeValue('keyword', { ref: compile(cxt.schema) })
    cxt.pass(_`${fits}(${cxt.data})`)
  }
}

function oneOf(listed: readonly Json[]): (value: Json) => boolean {
  const identities = new Set(listed.map(identity))
  return value => identities.has(identity(value))
}

/** Equal for equal values only. */
function identity(value: Json): Json {
  return typeof value === 'object' && value !== null ? canonicalOnce(value) : value
}

/** Hundreds of keywords may ask about one object, and an event never changes. */
const canonicalForms = new WeakMap<object, string>()

function canonicalOnce(value: Json & object): string {
  const known = canonicalForms.get(value)
  if (known !== undefined) return known
  // No text that may be sent begins with half of a surrogate pair, so none of them reads like an object.
  const marked = `\ud800${canonicalJson(value)}`
  canonicalForms.set(value, marked)
  return marked
}
