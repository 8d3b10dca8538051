import { isObject, type Json, pointerToken } from './canonical-json.ts'
import { accepted, type FaultCode, type Outcome, refused } from './fault.ts'
import { zeroCharacterIn } from './zero-character.ts'

/**
 * Objects of which every member is known and bounded: what others send is read by one table of checks and used
 * as it is. Plain functions rather than a schema library, because events pass here by the ten thousand.
 */
export type Check = (value: Json) => Misfit | undefined

/** Completes the sentence "<member> must be …". The pointer is relative to the value that was checked. */
export type Misfit = { readonly must: string; readonly pointer: string }

type MustHave<T> = { readonly [K in keyof T as Record<never, never> extends Pick<T, K> ? never : K]: Check }
type MayHave<T> = { readonly [K in keyof T as Record<never, never> extends Pick<T, K> ? K : never]-?: Check }

/** Longer names of members are the sender's own text, and are not repeated in faults. */
export const SHOWN_KEY_CHARS_MAX = 64

export function closedObject<T>(mustHave: MustHave<T>, mayHave: MayHave<T>): Check {
  const required = Object.keys(mustHave)
  const checks = new Map<string, Check>([
    ...Object.entries<Check>(mustHave),
    ...Object.entries<Check>(mayHave),
  ])
  return value => {
    if (!isObject(value)) return misfit('an object')
    for (const key in value) {
      const check = checks.get(key)
      if (check === undefined) return unknownMember(key)
      const wrong = check(value[key] as Json)
      if (wrong !== undefined) return inside(key, wrong)
    }
    const absent = required.find(key => !Object.hasOwn(value, key))
    return absent === undefined ? undefined : misfit('present', pointerToken(absent))
  }
}

/** Here and in `and` alone a checked value takes the type that its check stands for. */
export function closedReader<T>(what: string, code: FaultCode, check: Check): (value: Json) => Outcome<T> {
  return value => {
    const wrong = check(value)
    if (wrong === undefined) return accepted(value as unknown as T)
    return refused(code, `${what}: ${wrong.pointer || 'it'} must be ${wrong.must}`, wrong.pointer)
  }
}

/** A check that goes on to ask more of what passed the first one, which gave it its type. */
export function and<T>(check: Check, more: (value: T) => Misfit | undefined): Check {
  return value => check(value) ?? more(value as unknown as T)
}

export function text(charsMax: number): Check {
  const wrong = misfit(`a string of 1 to ${charsMax} characters of valid Unicode`)
  return value =>
    typeof value === 'string' && value.length > 0 && value.length <= charsMax && value.isWellFormed()
      ? undefined
      : wrong
}

export function hex(bytes: number): Check {
  const wrong = misfit(`${bytes} bytes in lower-case hex`)
  return value =>
    typeof value === 'string' && value.length === 2 * bytes && isHex(value) ? undefined : wrong
}

export function integer(min: number, max: number): Check {
  const wrong = misfit(`an integer from ${min} to ${max}`)
  return value =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? undefined
      : wrong
}

export const count: Check = integer(0, Number.MAX_SAFE_INTEGER)

const notTime = misfit('an integer of milliseconds since 1970, below 2^53')
export const timeMs: Check = value =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? undefined : notTime

/** A compressed public key. */
export const identityKey: Check = value =>
  typeof value === 'string' && value.length === 66 && /^0[23]/.test(value) && isHex(value)
    ? undefined
    : notIdentityKey
const notIdentityKey = misfit('a compressed public key: 33 bytes in lower-case hex, the first 02 or 03')

export function oneOf(values: readonly Json[]): Check {
  const wrong = misfit(`one of ${values.join(', ')}`)
  return value => (values.includes(value) ? undefined : wrong)
}

export function orNull(check: Check): Check {
  return value => (value === null ? undefined : check(value))
}

export function listOf(check: Check, itemsMax: number): Check {
  const wrong = misfit(`a list of at most ${itemsMax} items`)
  return value => {
    if (!Array.isArray(value) || value.length > itemsMax) return wrong
    for (let i = 0; i < value.length; i++) {
      const found = check(value[i])
      if (found !== undefined) return inside(i, found)
    }
    return undefined
  }
}

/** Of all of it: databases cannot keep what holds it. */
export const withoutZeroCharacter: Check = value => {
  const pointer = zeroCharacterIn(value)
  return pointer === undefined ? undefined : misfit('without the character U+0000', pointer)
}

/** For values that the canonical form checks: of the right kind by being JSON at all. */
export const anything: Check = () => undefined

export function misfit(must: string, pointer = ''): Misfit {
  return { must, pointer }
}

export function inside(key: string | number, wrong: Misfit): Misfit {
  return { must: wrong.must, pointer: pointerToken(key) + wrong.pointer }
}

function unknownMember(key: string): Misfit {
  return misfit(
    'left out: no such member is known',
    key.length > SHOWN_KEY_CHARS_MAX ? '' : pointerToken(key),
  )
}

function isHex(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false
  }
  return true
}
