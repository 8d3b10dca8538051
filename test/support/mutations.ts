import { fromHex, toHex } from '../../src/core/bytes.ts'
import { canonicalJson, isObject, type Json, pointerToken } from '../../src/core/canonical-json.ts'

/** One way in which a file is not what it was. */
export type Mutation = { readonly kind: MutationKind; readonly pointer: string; readonly text: string }

export const mutationKinds = [
  'bit',
  'hex',
  'number',
  'letters',
  'type',
  'list',
  'removed',
  'added',
  'reordered',
  'spaced',
  'byte',
] as const
export type MutationKind = (typeof mutationKinds)[number]

/** So many of a file, the same ones for the same seed: each kind in turn, each at a place of its own choosing. */
export function mutationsOf(json: Json, count: number, seed: number): Mutation[] {
  const random = openRandom(seed)
  const all = placesIn(json)
  const text = canonicalJson(json)
  const made: Mutation[] = []
  for (let i = 0; made.length < count; i++) {
    const kind = mutationKinds[i % mutationKinds.length] ?? 'byte'
    const mutation = mutate(kind, json, text, all, random)
    if (mutation !== undefined && mutation.text !== text) made.push(mutation)
  }
  return made
}

type Random = (below: number) => number

/** Mulberry32. */
function openRandom(seed: number): Random {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

type Place = { readonly pointer: string; readonly value: Json }

function placesIn(value: Json, pointer = ''): Place[] {
  if (typeof value !== 'object' || value === null) return [{ pointer, value }]
  return [
    { pointer, value },
    ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, pointer + pointerToken(key))),
  ]
}

function mutate(
  kind: MutationKind,
  json: Json,
  text: string,
  places: readonly Place[],
  random: Random,
): Mutation | undefined {
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)]
  const among = (fits: (value: Json) => boolean) => pick(places.filter(({ value }) => fits(value)))
  const put = (place: Place | undefined, change: (value: Json) => Json): Mutation | undefined =>
    place && {
      kind,
      pointer: place.pointer,
      text: canonicalJson(replaceAt(json, place.pointer, change(place.value))),
    }
  switch (kind) {
    case 'bit':
      return put(pick([longest(places), among(isHex)]), value => flipped(String(value), random))
    case 'hex':
      return put(pick([longest(places), among(isHex)]), value => rewritten(String(value), random))
    case 'number':
      return put(
        among(value => typeof value === 'number'),
        value => Number(value) + (pick([1, -1, 2 ** 32, 1e15]) ?? 1),
      )
    case 'letters':
      return put(
        among(value => typeof value === 'string'),
        value => respelled(String(value), random),
      )
    case 'type':
      return put(
        pick(places.slice(1)),
        () => pick<Json>([null, true, -0.5, '', [], {}, 'ab'.repeat(32)]) ?? null,
      )
    case 'list':
      return put(among(Array.isArray), value => reshuffled(Array.isArray(value) ? value : [], random))
    case 'removed':
    case 'added': {
      const place = among(value => isObject(value) && Object.keys(value).length > 0)
      const members = place !== undefined && isObject(place.value) ? Object.entries(place.value) : []
      const gone = random(members.length)
      // Without its block a proof is one that was made before it: that is no forgery.
      if (kind === 'removed' && members[gone]?.[0] === 'block') return undefined
      return put(place, () =>
        Object.fromEntries(
          kind === 'removed' ? members.filter((_, i) => i !== gone) : [...members, [`x${random(1000)}`, 1]],
        ),
      )
    }
    case 'reordered':
      return { kind, pointer: '', text: JSON.stringify(withOrder(json, random)) }
    case 'spaced': {
      const at = pick(gapsIn(text))
      const space = pick([' ', '\n', '\t', '\r\n', '\ufeff', '\u00a0'])
      return { kind, pointer: '', text: text.slice(0, at) + space + text.slice(at) }
    }
    case 'byte': {
      const at = random(text.length)
      const other = pick(['\0', '\u007f', '"', '\\', '{', '0', 'g', 'é', '\ud800', '😀']) ?? ''
      return { kind, pointer: '', text: text.slice(0, at) + other + text.slice(at + 1) }
    }
  }
}

/** Most of what there is to get wrong: it has half of the changes of bytes. */
function longest(places: readonly Place[]): Place | undefined {
  const lengthOf = ({ value }: Place) => (typeof value === 'string' && isHex(value) ? value.length : 0)
  return places.reduce((found, each) => (lengthOf(each) > lengthOf(found) ? each : found))
}

/** Where JSON may have space: before punctuation outside of strings. */
function gapsIn(text: string): number[] {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)].flatMap(({ index, 0: found }) =>
    found.startsWith('"') ? [] : [index],
  )
}

function isHex(value: Json): boolean {
  return typeof value === 'string' && value.length > 1 && fromHex(value) !== undefined
}

function flipped(hex: string, random: Random): string {
  const bytes = fromHex(hex) ?? new Uint8Array()
  const bit = random(8 * bytes.length)
  return toHex(bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)))
}

/** A run of bytes is taken out, doubled, or made nothing; or the whole is spelled in capitals. */
function rewritten(hex: string, random: Random): string {
  const at = 2 * random(hex.length / 2)
  const end = Math.min(hex.length, at + 2 * (1 + random(40)))
  const [head, run, tail] = [hex.slice(0, at), hex.slice(at, end), hex.slice(end)]
  return (
    [head + tail, head + run + run + tail, head + '00'.repeat(run.length / 2) + tail, hex.toUpperCase()][
      random(4)
    ] ?? hex
  )
}

function respelled(text: string, random: Random): string {
  const at = random(text.length + 1)
  const other = [' ', '\u200b', 'ä', '0', 'A', '"', '\n', ''][random(8)] ?? ''
  return text.slice(0, at) + other + text.slice(at + 1)
}

function reshuffled(list: readonly Json[], random: Random): Json {
  const [first, ...others] = list
  if (first === undefined) return ['00'.repeat(32)]
  return [[...others, first], others, [first, ...list], list.toReversed()][random(4)] ?? []
}

/** Every object that has two members or more begins with another one. */
function withOrder(json: Json, random: Random): Json {
  if (Array.isArray(json)) return json.map(item => withOrder(item, random))
  if (!isObject(json)) return json
  const members = Object.entries(json).map(([key, value]): [string, Json] => [key, withOrder(value, random)])
  const first = 1 + random(Math.max(1, members.length - 1))
  return Object.fromEntries([...members.slice(first), ...members.slice(0, first)])
}

function replaceAt(json: Json, pointer: string, value: Json): Json {
  const [, key, ...rest] = pointer.split('/')
  if (key === undefined) return value
  const inner = rest.map(token => `/${token}`).join('')
  if (Array.isArray(json))
    return json.map((item, i) => (String(i) === key ? replaceAt(item, inner, value) : item))
  if (!isObject(json)) throw new Error(`nothing at ${pointer}`)
  const name = key.replaceAll('~1', '/').replaceAll('~0', '~')
  return { ...json, [name]: replaceAt(json[name] ?? null, inner, value) }
}
