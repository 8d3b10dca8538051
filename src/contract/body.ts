import { encode, type Token, Tokenizer, Type } from 'cborg'
import * as z from 'zod'
import { fromHex, sameBytes, toHex } from '../core/bytes.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'

/**
 * The variable field of a token: a CBOR map whose keys are the numbers of its members in the order a schema
 * lists them. One body has one spelling: what is not byte for byte what we would write is refused.
 */
export type BodyCodec<T> = {
  encode(body: T): Uint8Array
  decode(bytes: Uint8Array): Outcome<T>
}

/** Room for the largest, a GDE1 with 64 kB inline. */
const BODY_BYTES_MAX = 68 * 1024

export function bodyCodec<S extends z.ZodType<Record<string, unknown>, Record<string, unknown>>>(
  members: Readonly<Record<string, unknown>>,
  schema: S,
): BodyCodec<z.output<S>> {
  const names = Object.keys(members)
  return {
    encode(body) {
      const wire = schema.encode(body)
      return encode(
        new Map(
          [...names.entries()].flatMap(([i, name]) => (wire[name] === undefined ? [] : [[i, wire[name]]])),
        ),
      )
    },
    decode(body) {
      const map = readFlatMap(body)
      if (map === undefined || !sameBytes(encode(map), body))
        return refused(
          'token-invalid',
          'the body is not a CBOR map of numbers, texts, byte strings and lists of them, in its one deterministic form',
        )
      const unknown = [...map.keys()].find(number => names[number] === undefined)
      if (unknown !== undefined)
        return refused(
          'token-invalid',
          `the body has a member ${unknown}, which this kind of token does not know`,
        )
      const parsed = schema.safeDecode(
        Object.fromEntries([...map].map(([number, value]) => [names[number], value])),
      )
      return parsed.success ? accepted(parsed.data) : refused('token-invalid', complaint(parsed.error))
    },
  }
}

function complaint(error: z.ZodError): string {
  const [issue] = error.issues
  const place = issue?.path.join('.') || 'as a whole'
  return `the body, ${place}: ${issue?.message ?? 'not what this kind of token says'}`
}

/** A byte string of exactly this many bytes, seen as lower-case hex. */
export function hexBytes(length: number) {
  return z.codec(bytes(length, length), z.string(), {
    decode: toHex,
    encode: (text, context) => {
      const value = fromHex(text)
      if (value !== undefined) return value
      context.issues.push({ code: 'custom', input: text, message: 'not lower-case hex of even length' })
      return z.NEVER
    },
  })
}

export function bytes(lengthMin: number, lengthMax: number) {
  return z.custom<Uint8Array>(
    value => value instanceof Uint8Array && value.length >= lengthMin && value.length <= lengthMax,
    lengthMin === lengthMax
      ? `not a byte string of ${lengthMax} bytes`
      : `not a byte string of ${lengthMin} to ${lengthMax} bytes`,
  )
}

export function uint(max = Number.MAX_SAFE_INTEGER) {
  return z.int().min(0).max(max)
}

type Scalar = number | string | Uint8Array

/**
 * The map, flat but for lists of scalars: nothing in a body nests deeper, so a hostile one cannot run a
 * recursive reader out of stack. Undefined where it is anything else.
 */
function readFlatMap(body: Uint8Array): Map<number, Scalar | Scalar[]> | undefined {
  if (body.length > BODY_BYTES_MAX) return undefined
  const tokens = new Tokenizer(body, { strict: true, allowIndefinite: false, allowBigInt: false })
  const map = new Map<number, Scalar | Scalar[]>()
  try {
    if (!Type.equals(tokens.next().type, Type.map)) return undefined
    while (!tokens.done()) {
      const key = tokens.next()
      if (!Type.equals(key.type, Type.uint)) return undefined
      map.set(key.value, readValue(tokens))
    }
    return map
  } catch {
    // Not CBOR, cut short, or of a type that no body holds. One answer covers them, as nobody acts on which.
    return undefined
  }
}

function readValue(tokens: Tokenizer): Scalar | Scalar[] {
  const token = tokens.next()
  if (!Type.equals(token.type, Type.array)) return scalarOf(token)
  const list: Scalar[] = []
  // Announced items that are not there end in the tokenizer's complaint, not in a list of that size.
  while (list.length < token.value) list.push(scalarOf(tokens.next()))
  return list
}

function scalarOf(token: Token): Scalar {
  const known = [Type.uint, Type.string, Type.bytes].some(type => Type.equals(type, token.type))
  if (!known) throw new Error('neither a number, a text nor a byte string')
  return token.value
}
