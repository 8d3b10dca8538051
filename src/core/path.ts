import { type Json, pointerToken } from './canonical-json.ts'
import { accepted, type Outcome, refused } from './fault.ts'

/** The canonical spelling of a path: a JSON Pointer (RFC 6901), without the tokens that readPath refuses. */
export type Pointer = string

export const PATH_CHARS_MAX = 512
export const PATH_TOKENS_MAX = 32

/**
 * Accepts a JSON Pointer (`/readings/0/value`, "" for the whole value) or a dot path (`readings.0.value`,
 * `readings[0].value`). A key that holds a dot or a bracket can be reached by pointer only.
 */
export function readPath(text: string): Outcome<Pointer> {
  if (text.length > PATH_CHARS_MAX) return tooLong
  const tokens = text === '' || text.startsWith('/') ? splitPointer(text) : splitDotPath(text)
  if (tokens === undefined)
    return refused(
      'policy-invalid',
      'the path is neither a dot path such as "readings[0].value" nor a JSON Pointer such as "/readings/0/value"',
    )
  if (tokens.length > PATH_TOKENS_MAX)
    return refused('policy-invalid', `the path has more than ${PATH_TOKENS_MAX} parts; shorten it`)
  if (tokens.includes('__proto__'))
    return refused('policy-invalid', 'the path goes through __proto__, a key that no event may hold')
  if (!tokens.every(token => token.isWellFormed()))
    return refused('policy-invalid', 'the path holds half of a surrogate pair; send valid Unicode')
  // A dot path grows where its keys have to be escaped.
  const pointer = pointerOf(tokens)
  return pointer.length > PATH_CHARS_MAX ? tooLong : accepted(pointer)
}

const tooLong = refused('policy-invalid', `the path is longer than ${PATH_CHARS_MAX} characters; shorten it`)

export function pointerOf(tokens: readonly string[]): Pointer {
  return tokens.map(pointerToken).join('')
}

export function tokensOf(pointer: Pointer): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** How issues name a field: as a dot path (`location.lat`), or by pointer where a dot path could be misread. */
export function fieldName(pointer: Pointer): string {
  const tokens = tokensOf(pointer)
  return tokens.length > 0 && tokens.every(token => /^[^./[\]]+$/.test(token)) ? tokens.join('.') : pointer
}

/** Array positions have one spelling: `01` and `-1` are keys, never positions. */
export function isArrayIndex(token: string): boolean {
  return /^(0|[1-9][0-9]{0,15})$/.test(token)
}

export type PathReader = (value: Json) => Json | undefined

/** Split once, read often. Only own members count: what a prototype offers is not in the event. */
export function compilePath(pointer: Pointer): PathReader {
  const steps = tokensOf(pointer).map(compileStep)
  const [only] = steps
  if (only !== undefined && steps.length === 1) return only
  return value => {
    let at: Json | undefined = value
    for (const step of steps) {
      if (at === undefined) return undefined
      at = step(at)
    }
    return at
  }
}

function compileStep(token: string): PathReader {
  const position = isArrayIndex(token) ? Number(token) : undefined
  return value => {
    if (typeof value !== 'object' || value === null) return undefined
    if (Array.isArray(value)) return position === undefined ? undefined : value[position]
    return Object.hasOwn(value, token) ? (value as { readonly [key: string]: Json })[token] : undefined
  }
}

function splitPointer(text: string): string[] | undefined {
  return /~(?![01])/.test(text) ? undefined : tokensOf(text)
}

function splitDotPath(text: string): string[] | undefined {
  const tokens: string[] = []
  for (const part of text.split('.')) {
    const [, key, positions] = /^([^[\]]+)((?:\[[0-9]+\])*)$/su.exec(part) ?? []
    if (key === undefined || positions === undefined) return undefined
    tokens.push(key)
    for (const position of positions.match(/[0-9]+/g) ?? []) {
      if (!isArrayIndex(position)) return undefined
      tokens.push(position)
    }
  }
  return tokens
}
