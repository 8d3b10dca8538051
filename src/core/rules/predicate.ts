import * as z from 'zod'
import { canonicalJson, isObject, type Json, pointerToken } from '../canonical-json.ts'
import { accepted, type Outcome, refused, refusedInside } from '../fault.ts'
import { compilePath, type Pointer } from '../path.ts'
import { closed, path, readAs } from '../schema.ts'
import type { Budget } from './budget.ts'

/**
 * Business rules as data. The language is total: every predicate says true or false about every payload, in
 * time bounded by its own size; it cannot loop, read a clock or leave the payload.
 */
export type Predicate =
  | { readonly all: readonly Predicate[] }
  | { readonly any: readonly Predicate[] }
  | { readonly not: Predicate }
  | Comparison

type Comparison = z.output<typeof comparisonShape>

const PREDICATE_DEPTH_MAX = 8
const PREDICATE_PARTS_MAX = 64
const PREDICATE_VALUES_MAX = 256
/** Characters of two texts. */
const COMPARED_PER_STEP = 16

export function readPredicate(json: Json): Outcome<Predicate> {
  return readPart(json, { pointer: '', depth: 1 }, { parts: 0 })
}

/** Long texts take long to compare, which the budget pays for. */
export type Judgement = (payload: Json, budget: Budget) => boolean

export function compilePredicate(predicate: Predicate): Judgement {
  if ('all' in predicate) {
    const parts = predicate.all.map(compilePredicate)
    return (payload, budget) => parts.every(part => part(payload, budget))
  }
  if ('any' in predicate) {
    const parts = predicate.any.map(compilePredicate)
    return (payload, budget) => parts.some(part => part(payload, budget))
  }
  if ('not' in predicate) {
    const part = compilePredicate(predicate.not)
    return (payload, budget) => !part(payload, budget)
  }
  return compileComparison(predicate)
}

/** The fields that it may look at, each time it does. */
export function pathsOf(predicate: Predicate): readonly Pointer[] {
  if ('all' in predicate) return predicate.all.flatMap(pathsOf)
  if ('any' in predicate) return predicate.any.flatMap(pathsOf)
  if ('not' in predicate) return pathsOf(predicate.not)
  return 'other' in predicate && predicate.other !== undefined
    ? [predicate.field, predicate.other]
    : [predicate.field]
}

const scalar = z.union([z.string(), z.number(), z.boolean()])
const length = z.int().min(0)

/** Neither order nor repetition means anything, so neither is kept. */
export function setOfScalars(valuesMax: number) {
  return z
    .array(scalar)
    .min(1)
    .max(valuesMax)
    .transform(values => {
      const byText = new Map(values.map(value => [canonicalJson(value), value]))
      return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
    })
}

function comparison<Op extends string>(op: Op) {
  return closed({
    field: path,
    op: z.literal(op),
    value: scalar.exactOptional(),
    other: path.exactOptional(),
  }).refine(part => (part.value === undefined) !== (part.other === undefined), {
    error: 'compare with either "value" or "other", a field of the same payload',
  })
}

const comparisonShape = z.discriminatedUnion(
  'op',
  [
    comparison('='),
    comparison('!='),
    comparison('<'),
    comparison('<='),
    comparison('>'),
    comparison('>='),
    closed({
      field: path,
      op: z.literal('in'),
      value: setOfScalars(PREDICATE_VALUES_MAX),
    }),
    closed({ field: path, op: z.literal('exists'), value: z.boolean().default(true) }),
    closed({
      field: path,
      op: z.literal('between'),
      value: z.tuple([z.number(), z.number()]),
    }),
    closed({
      field: path,
      op: z.literal('length'),
      value: z.union([
        length.transform(exactly => ({ min: exactly, max: exactly })),
        closed({ min: length.default(0), max: length.exactOptional() }),
      ]),
    }),
  ],
  { error: 'there is no such comparison; known are = != < <= > >= in exists length between' },
)

type Place = { readonly pointer: string; readonly depth: number }

function readPart(json: Json, { pointer, depth }: Place, seen: { parts: number }): Outcome<Predicate> {
  if (++seen.parts > PREDICATE_PARTS_MAX)
    return refused('policy-invalid', `the predicate has more than ${PREDICATE_PARTS_MAX} parts`, pointer)
  if (depth > PREDICATE_DEPTH_MAX)
    return refused('policy-invalid', `the predicate nests deeper than ${PREDICATE_DEPTH_MAX} levels`, pointer)
  if (!isObject(json)) return refused('policy-invalid', 'a predicate is an object', pointer)

  const [connective, ...others] = Object.keys(json)
  const inner = connective === undefined ? undefined : json[connective]
  if (connective === 'not' && others.length === 0 && inner !== undefined) {
    const part = readPart(inner, { pointer: `${pointer}/not`, depth: depth + 1 }, seen)
    return part.ok ? accepted({ not: part.value }) : part
  }
  if ((connective === 'all' || connective === 'any') && others.length === 0) {
    if (!Array.isArray(inner) || inner.length === 0)
      return refused(
        'policy-invalid',
        `"${connective}" lists one predicate or more`,
        `${pointer}/${connective}`,
      )
    const parts: Predicate[] = []
    for (const [i, item] of inner.entries()) {
      const at = `${pointer}/${connective}${pointerToken(i)}`
      const part = readPart(item, { pointer: at, depth: depth + 1 }, seen)
      if (!part.ok) return part
      parts.push(part.value)
    }
    return accepted(connective === 'all' ? { all: parts } : { any: parts })
  }
  const leaf = readAs(comparisonShape, json)
  return leaf.ok ? leaf : refusedInside(leaf.fault, pointer)
}

/** A field that is missing or null satisfies no comparison, `!=` included; ask `exists` about it. */
function compileComparison(part: Comparison): Judgement {
  const read = compilePath(part.field)
  switch (part.op) {
    case 'exists':
      return payload => ((read(payload) ?? null) !== null) === part.value
    case 'in': {
      const values = new Set<Json>(part.value)
      return payload => values.has(read(payload) ?? null)
    }
    case 'between': {
      const [min, max] = part.value
      return payload => {
        const value = read(payload)
        return typeof value === 'number' && min <= value && value <= max
      }
    }
    case 'length': {
      const { min, max = Number.POSITIVE_INFINITY } = part.value
      return payload => {
        const value = read(payload)
        if (typeof value !== 'string' && !Array.isArray(value)) return false
        return min <= value.length && value.length <= max
      }
    }
    default: {
      const holds = relations[part.op]
      const { value, other } = part
      const readOther = other === undefined ? () => value : compilePath(other)
      return (payload, budget) => {
        const left = read(payload) ?? null
        const right = readOther(payload) ?? null
        if (typeof left === 'string' && typeof right === 'string')
          budget.steps -= Math.floor(Math.min(left.length, right.length) / COMPARED_PER_STEP)
        return left !== null && right !== null && holds(left, right)
      }
    }
  }
}

/** Order exists between two numbers and between two strings (by UTF-16 code unit), and nowhere else. */
const relations: { readonly [op in '=' | '!=' | '<' | '<=' | '>' | '>=']: (a: Json, b: Json) => boolean } = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': ordered((a, b) => a < b),
  '<=': ordered((a, b) => a <= b),
  '>': ordered((a, b) => a > b),
  '>=': ordered((a, b) => a >= b),
}

function ordered(holds: (a: number | string, b: number | string) => boolean) {
  return (a: Json, b: Json): boolean =>
    ((typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string')) &&
    holds(a, b)
}
