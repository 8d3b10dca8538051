import { type Choices, choicesFrom } from '../core/rounds/simulator/choices.ts'
import {
  bodyFormats,
  bodyOf,
  CLOUD_SOURCE,
  codings,
  csvPayload,
  type MixtureBody,
  type MixtureFormat,
  oneByOne,
  type SentItem,
} from './mixture/bodies.ts'
import { cloudNativeId, type Expected, naiveModel } from './mixture/naive-model.ts'

/**
 * What publishers send on a bad day, the same for the same seed: repetitions, revisions, things that return, late
 * ones, some without id or time or both, some that are no events, in every format and coding; and what must become of
 * each, where they come in this order.
 */
export type Mixture = {
  /** As INGEST_SOURCES_JSON wants them. */
  readonly sources: readonly object[]
  readonly requests: readonly MixtureRequest[]
}

export type MixtureRequest = MixtureBody & {
  readonly format: MixtureFormat
  readonly idempotencyKey: string
  readonly items: readonly MixtureExpectation[]
}

export type MixtureExpectation = {
  readonly expected: Expected
  /** Whatever the order in which requests come, it is an event of the same id, or a repetition of one. */
  readonly isOrderless: boolean
}

export function eventMixture({ events, seed }: { events: number; seed: number }): Mixture {
  const choices = choicesFrom(seed)
  const sent = inOrder(makeThings(events, choices), events, choices)
  const groups = grouped(sent, choices)
  const model = naiveModel(NEAR_NOW_MS)
  const requests = groups.map(({ sourceId, format, items }, n): MixtureRequest => {
    const idempotencyKey = `mixture-${seed}-${n}`
    const coding = codings[choices.pick(codings.length)] ?? 'identity'
    return {
      ...bodyOf(format, coding, sourceId, items),
      format,
      idempotencyKey,
      items: items.map((item, i) => ({
        expected: model.judge(item, idempotencyKey, i),
        isOrderless: item.isOrderless,
      })),
    }
  })
  return { sources: mixtureSources, requests }
}

const sourceIds = { any: 'mixture-any', csv: 'mixture-csv', cloud: 'mixture-cloud' } as const

const mixtureSources = [
  { id: sourceIds.any, type: 'webhook', streams: ['mixture'], shape: 'overlay' },
  {
    id: sourceIds.csv,
    type: 'webhook',
    streams: ['mixture-csv'],
    policy: { identify: { nativeId: '/id', eventTime: '/at' } },
  },
  { id: sourceIds.cloud, type: 'webhook', streams: ['mixture'], shape: 'cloud-event' },
]

const formatsOf: Readonly<Record<string, readonly MixtureFormat[]>> = {
  [sourceIds.any]: ['array', 'events', 'overlay', 'ndjson'],
  [sourceIds.csv]: ['csv'],
  [sourceIds.cloud]: ['cloud-structured', 'cloud-batch', 'cloud-binary'],
}

type Item = SentItem & { readonly isOrderless: boolean }
/** Items about one thing, in the order in which they must come. */
type Thing = readonly Item[]

/** Years that tests will not run in, on both sides; so whether an event is later than one without a time is certain. */
const [PAST_MS, FUTURE_MS] = [Date.UTC(2020, 0), Date.UTC(2200, 0)]
const LAST_MS = Date.UTC(9999, 11, 31)
const NEAR_NOW_MS = Date.UTC(2100, 0)

/** Percent of all items. */
const shares = { duplicates: 20, revisions: 5, late: 5, malformed: 1, private: 1 }

function makeThings(events: number, choices: Choices): Thing[] {
  const share = (percent: number) => Math.round((events * percent) / 100)
  const makers: [count: number, each: number, make: (n: number) => Thing][] = [
    [share(shares.revisions) / 2, 2, n => revised(n, choices)],
    [share(shares.revisions) / 4, 3, n => returning(n, choices)],
    [share(shares.late), 2, n => late(n, choices)],
    [share(shares.malformed), 1, n => [malformed(n, choices)]],
    [share(shares.private), 1, n => [confidential(n, choices)]],
    // More payloads under one id than are remembered.
    [1, MANY_REVISIONS, n => overRevised(n, choices)],
  ]
  const things = makers.flatMap(([count, , make], m) =>
    Array.from({ length: Math.ceil(count) }, (_, n) => make(m * 10_000_000 + n)),
  )
  const made = things.reduce((sum, thing) => sum + thing.length, 0)
  const rest = Math.max(0, events - share(shares.duplicates) - made)
  for (let n = 0; n < rest; n++) things.push([plain(90_000_000 + n, choices)])
  return things
}

const MANY_REVISIONS = 40

/** Mostly with an id; the others in all ways in which an event can do without. */
function plain(n: number, choices: Choices): Item {
  const source = choices.pick(10)
  if (source < 2) return csvItem(n, choices)
  if (source < 4) return cloudItem(n, choices)
  const base = anyItem(n)
  switch (choices.pick(6)) {
    case 0:
      return { ...base, timeMs: someTime(choices) }
    case 1:
      return { ...base, seq: n }
    case 2:
      return { ...base, seq: n, timeMs: someTime(choices), timeAsNumber: true }
    case 3:
      return base
    case 4:
      return withId(base, n)
    default:
      return { ...withId(base, n), timeMs: someTime(choices), timeAsNumber: choices.chance(50) }
  }
}

function revised(n: number, choices: Choices): Thing {
  const times = ascending(choices, 2)
  return valuesOf(n, ['first', 'second']).map((item, i) =>
    // Also without times: then the order in which they come is the only one.
    choices.chance(80) ? { ...item, timeMs: times[i] ?? 0 } : item,
  )
}

/** Open, closed, open. */
function returning(n: number, choices: Choices): Thing {
  const times = ascending(choices, 3)
  return valuesOf(n, ['open', 'closed', 'open']).map((item, i) => ({
    ...item,
    timeMs: times[i] ?? 0,
    isOrderless: false,
  }))
}

function late(n: number, choices: Choices): Thing {
  const [before = 0, after = 0] = ascending(choices, 2)
  const [newer, older] = valuesOf(n, ['newer', 'older'])
  if (newer === undefined || older === undefined) return []
  return [
    { ...newer, timeMs: after },
    { ...older, timeMs: before },
  ]
}

function overRevised(n: number, choices: Choices): Thing {
  const times = ascending(choices, MANY_REVISIONS)
  const names = Array.from({ length: MANY_REVISIONS }, (_, i) => `revision ${i}`)
  const items = valuesOf(n, names).map((item, i) => ({ ...item, timeMs: times[i] ?? 0, isOrderless: false }))
  const [first] = items
  // One of those forgotten, late: nobody can say any more.
  return first === undefined ? items : [...items, first]
}

function malformed(n: number, choices: Choices): Item {
  const base = choices.chance(20) ? csvItem(n, choices) : anyItem(n)
  const { id: _, nativeId: __, ...rest } = base
  return { ...rest, malformed: true, flaw: choices.pick(1000) }
}

function confidential(n: number, choices: Choices): Item {
  return { ...withId(anyItem(n), n), timeMs: someTime(choices), private: true }
}

function valuesOf(n: number, values: readonly string[]): Item[] {
  return values.map(value => ({ ...withId(anyItem(n), n), payload: { thing: n, value } }))
}

function anyItem(n: number): Item {
  return {
    sourceId: sourceIds.any,
    streamId: 'mixture',
    payload: { n, value: (n * 37) % 1000, nested: { 'ключ €': [n % 7, null, true], '2': -0.5e-7 } },
    flaw: 0,
    isOrderless: true,
  }
}

function withId(item: Item, n: number): Item {
  return { ...item, id: `thing-${n}`, nativeId: `thing-${n}` }
}

function csvItem(n: number, choices: Choices): Item {
  const id = `row-${n}`
  const timeMs = someTime(choices)
  const note = n % 9 === 0 ? 'two\nlines, and "quotes"' : 'plain'
  return {
    sourceId: sourceIds.csv,
    streamId: 'mixture-csv',
    payload: csvPayload(id, timeMs, n % 100, note),
    id,
    nativeId: id,
    timeMs,
    flaw: 0,
    isOrderless: true,
  }
}

function cloudItem(n: number, choices: Choices): Item {
  return {
    sourceId: sourceIds.cloud,
    streamId: 'mixture',
    payload: { n, temperature: 20 + (n % 10) / 4 },
    id: `cloud-${n}`,
    nativeId: cloudNativeId(CLOUD_SOURCE, `cloud-${n}`),
    ...(choices.chance(90) && { timeMs: someTime(choices) }),
    flaw: 0,
    isOrderless: true,
  }
}

function someTime(choices: Choices): number {
  const [from, to] = choices.chance(30) ? [0, PAST_MS] : [FUTURE_MS, LAST_MS]
  return from + Math.floor((choices.pick(1_000_000) / 1_000_000) * (to - from))
}

function ascending(choices: Choices, count: number): number[] {
  const times = new Set<number>()
  while (times.size < count) times.add(someTime(choices))
  return [...times].sort((a, b) => a - b)
}

/** Everything, shuffled but for the order within a thing, with exact repetitions anywhere. */
function inOrder(things: readonly Thing[], events: number, choices: Choices): Item[] {
  const placed = things.flatMap(thing => {
    const places = thing.map(() => choices.pick(PLACES)).sort((a, b) => a - b)
    return thing.map((item, i) => ({ item, at: places[i] ?? 0 }))
  })
  // Held once however often they come, and what has no identity has no repetition.
  const repeatable = placed.filter(({ item }) => !item.private && !item.malformed)
  const wanted = Math.round((events * shares.duplicates) / 100)
  for (let n = 0; n < wanted && repeatable.length > 0; n++) {
    const original = repeatable[choices.pick(repeatable.length)]
    if (original !== undefined) placed.push({ item: original.item, at: choices.pick(PLACES) })
  }
  return placed.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

const PLACES = 2 ** 30

type Group = { readonly sourceId: string; readonly format: MixtureFormat; readonly items: readonly Item[] }

/** Requests of one source and format each, of any size from one event on. */
function grouped(items: readonly Item[], choices: Choices): Group[] {
  const open = new Map<MixtureFormat, { sourceId: string; items: Item[]; size: number }>()
  const groups: Group[] = []
  for (const item of items) {
    const formats = (formatsOf[item.sourceId] ?? []).filter(
      format => !(item.malformed && oneByOne.has(format)),
    )
    const format = formats[choices.pick(formats.length)] ?? 'array'
    const group = open.get(format) ?? {
      sourceId: item.sourceId,
      items: [],
      size: oneByOne.has(format) ? 1 : 1 + choices.pick(GROUP_MAX),
    }
    open.set(format, group)
    group.items.push(item)
    if (group.items.length < group.size) continue
    groups.push({ sourceId: group.sourceId, format, items: group.items })
    open.delete(format)
  }
  for (const format of bodyFormats) {
    const left = open.get(format)
    if (left !== undefined) groups.push({ sourceId: left.sourceId, format, items: left.items })
  }
  return groups
}

const GROUP_MAX = 120
