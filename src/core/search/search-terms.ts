import { sha256Hex } from '#sha256'
import { canonicalJson, type Json } from '../canonical-json.ts'
import { compilePath, type Pointer } from '../path.ts'

/** What of a stream's payloads can be searched: fields by their values, and texts by their words. */
export type StreamSearch = {
  readonly fields?: readonly Pointer[]
  /** Every text at or below these. */
  readonly text?: readonly Pointer[]
}

export const SEARCH_FIELDS_MAX = 16
export const SEARCH_TEXTS_MAX = 8
/** Of a list, each of so many values is found. */
export const VALUES_MAX = 16
/** Of an event's texts together; what comes behind them is not searched. */
export const TEXT_CHARS_MAX = 4_096
export const WORDS_MAX = 64
/** A longer word is found by its beginning. */
export const WORD_CHARS_MAX = 64
/** A longer value is found by its hash. */
const VALUE_CHARS_MAX = 128
const TEXT_DEPTH_MAX = 8

export type ReadTerms = (payload: Json) => string[]

/** What the field's values are found by; other than texts, numbers, booleans and null, nothing is. */
export function valueTerms(field: Pointer): ReadTerms {
  const read = compilePath(field)
  return payload => {
    const value = read(payload)
    const values = Array.isArray(value) ? value.slice(0, VALUES_MAX) : [value]
    return [...new Set(values.flatMap(each => (isScalar(each) ? valueTerm(each) : [])))]
  }
}

export type Scalar = string | number | boolean | null

/** Equal for equal values, and only for them: 1 is not "1". */
export function valueTerm(value: Scalar): string {
  const text = canonicalJson(value)
  return text.length <= VALUE_CHARS_MAX ? text : `#${sha256Hex(text)}`
}

export function isScalar(value: Json | undefined): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

/** The words of all texts at or below these paths. */
export function wordTerms(paths: readonly Pointer[]): ReadTerms {
  const readers = paths.map(compilePath)
  return payload => {
    const texts: string[] = []
    let chars = 0
    const collect = (value: Json | undefined, depth: number) => {
      if (chars >= TEXT_CHARS_MAX || depth > TEXT_DEPTH_MAX) return
      if (typeof value === 'string') {
        texts.push(value.slice(0, TEXT_CHARS_MAX - chars))
        chars += value.length
      } else if (typeof value === 'object' && value !== null)
        for (const each of Object.values(value)) collect(each, depth + 1)
    }
    for (const read of readers) collect(read(payload), 0)
    return wordsOf(texts.join('\n')).slice(0, WORDS_MAX)
  }
}

/** Runs of letters and digits, in one spelling: accents stay, capitals do not. */
export function wordsOf(text: string): string[] {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  return [...new Set(words.map(word => [...word].slice(0, WORD_CHARS_MAX).join('')))]
}
