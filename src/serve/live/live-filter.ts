import { sha256Hex } from '#sha256'
import { canonicalJson, type Json, parseJson } from '../../core/canonical-json.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { isLevel, type Level, levels, reachesLevel } from '../../core/level.ts'
import { type LivePartition, type LiveStage, liveStages } from '../../core/live/track.ts'
import { compilePredicate, type Judgement, readPredicate } from '../../core/rules/predicate.ts'

/** Which events somebody wants to hear of. */
export type LiveFilter = {
  readonly topics: ReadonlySet<string> | undefined
  readonly streams: ReadonlySet<string> | undefined
  readonly minLevel: Level
  readonly stages: readonly LiveStage[]
  readonly sourceIds: ReadonlySet<string> | undefined
  readonly types: ReadonlySet<string> | undefined
  readonly where: Judgement | undefined
  readonly split: { readonly index: number; readonly count: number } | undefined
  readonly withEvidence: boolean
  /** Equal filters have equal keys. */
  readonly key: string
}

/** What a filter is decided by in one event. */
export type FilteredEvent = {
  readonly eventId: string
  readonly sourceId: string
  readonly type: string
  partitionKey(): string
  payload(): Json
}

export const LIST_ITEMS_MAX = 64
const ITEM_CHARS_MAX = 256
export const WHERE_CHARS_MAX = 2_048
export const SPLIT_MAX = 1_024
/** Of one predicate over one event. */
const STEPS_MAX = 10_000

const lists = { topics: 'topics', sourceIds: 'sourceIds', streams: 'streams', types: 'types' } as const
const others = ['status', 'minCertificationLevel', 'where', 'split', 'includeProcessingEvidence'] as const
export const filterParameters: readonly string[] = [...Object.keys(lists), ...others]

/** `status` is for those who may choose stages; elsewhere the filter has `stages` and takes no such parameter. */
export function readLiveFilter(query: URLSearchParams, stages?: readonly LiveStage[]): Outcome<LiveFilter> {
  const repeated = others.find(name => query.getAll(name).length > 1)
  if (repeated !== undefined) return wrong(`${repeated} is there more than once; say it once`)
  const read = {
    topics: listIn(query, 'topics'),
    streams: listIn(query, 'streams'),
    sourceIds: listIn(query, 'sourceIds'),
    types: listIn(query, 'types'),
    status: stages === undefined ? stagesIn(query) : stagesFixed(query, stages),
    minLevel: levelIn(query),
    where: whereIn(query),
    split: splitIn(query),
    withEvidence: evidenceIn(query),
  }
  for (const each of Object.values(read)) if (!each.ok) return each
  const { topics, streams, sourceIds, types, status, minLevel, where, split, withEvidence } = read
  if (!topics.ok || !streams.ok || !sourceIds.ok || !types.ok || !status.ok) return impossible
  if (!minLevel.ok || !where.ok || !split.ok || !withEvidence.ok) return impossible
  const said = {
    topics: topics.value ?? null,
    streams: streams.value ?? null,
    sourceIds: sourceIds.value ?? null,
    types: types.value ?? null,
    stages: status.value,
    minLevel: minLevel.value,
    where: where.value?.text ?? null,
    split: split.value ?? null,
    withEvidence: withEvidence.value,
  }
  return accepted({
    topics: setOf(topics.value),
    streams: setOf(streams.value),
    sourceIds: setOf(sourceIds.value),
    types: setOf(types.value),
    stages: status.value,
    minLevel: minLevel.value,
    where: where.value?.judge,
    split: split.value,
    withEvidence: withEvidence.value,
    key: canonicalJson(said),
  })
}

/** Whether it looks at single events; what it asks of partitions and stages is decided by then. */
export function asksOfEvents({ types, where, split }: LiveFilter): boolean {
  return types !== undefined || where !== undefined || split !== undefined
}

/** Whether every event of a partition that is followed passes. */
export function takesAll(filter: LiveFilter): boolean {
  return filter.sourceIds === undefined && !asksOfEvents(filter)
}

export function wantsPartition(
  { topics, streams, minLevel }: LiveFilter,
  { streamId, level, topics: its }: LivePartition,
): boolean {
  if (streams !== undefined && !streams.has(streamId)) return false
  if (topics !== undefined && !its.some(topic => topics.has(topic))) return false
  return reachesLevel(level, minLevel)
}

export function wantsSource({ sourceIds }: LiveFilter, sourceId: string): boolean {
  return sourceIds === undefined || sourceIds.has(sourceId)
}

export function wantsEvent(
  filter: LiveFilter,
  { isKeyed }: Pick<LivePartition, 'isKeyed'>,
  event: FilteredEvent,
): boolean {
  if (!wantsSource(filter, event.sourceId)) return false
  if (filter.types !== undefined && !filter.types.has(event.type)) return false
  if (filter.split !== undefined) {
    const { index, count } = filter.split
    if (shareBy(digestOf(event, isKeyed), count) !== index) return false
  }
  return filter.where === undefined || filter.where(event.payload(), { steps: STEPS_MAX })
}

/** From 1 on: whose share of a stream this key is, of so many. */
export function shareOf(key: string, count: number): number {
  return shareBy(digestOfKey(key), count)
}

function shareBy(digest: number, count: number): number {
  return (digest % count) + 1
}

function digestOfKey(key: string): number {
  return Number.parseInt(sha256Hex(key).slice(0, 12), 16)
}

/** Of each event once, however many shares are asked for. */
const digests = { ofKeys: new WeakMap<FilteredEvent, number>(), ofIds: new WeakMap<FilteredEvent, number>() }

function digestOf(event: FilteredEvent, isKeyed: boolean): number {
  const { [isKeyed ? 'ofKeys' : 'ofIds']: known } = digests
  const digestKnown = known.get(event)
  if (digestKnown !== undefined) return digestKnown
  const digest = digestOfKey(isKeyed ? event.partitionKey() : event.eventId)
  known.set(event, digest)
  return digest
}

const impossible = refused('query-invalid', 'the filter cannot be read')

function setOf(values: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return values === undefined ? undefined : new Set(values)
}

function listIn(query: URLSearchParams, name: keyof typeof lists): Outcome<readonly string[] | undefined> {
  if (!query.has(name)) return accepted(undefined)
  const values = query
    .getAll(name)
    .flatMap(text => text.split(','))
    .map(text => text.trim())
    .filter(text => text !== '')
  if (values.length === 0) return wrong(`${name} is empty; name some, or leave it out`)
  if (values.length > LIST_ITEMS_MAX) return wrong(`${name} has more than ${LIST_ITEMS_MAX} of them`)
  if (values.some(value => value.length > ITEM_CHARS_MAX))
    return wrong(`${name} has one of more than ${ITEM_CHARS_MAX} characters`)
  return accepted([...new Set(values)].sort())
}

function stagesIn(query: URLSearchParams): Outcome<readonly LiveStage[]> {
  const status = query.get('status')
  if (status === null) return accepted(liveStages)
  const words = status.split(',').map(word => word.trim())
  const stages = liveStages.filter(stage => words.includes(stage))
  if (stages.length === 0 || words.some(word => !liveStages.some(stage => stage === word)))
    return wrong(`status is not a list of ${liveStages.join(', ')}`)
  return accepted(stages)
}

function stagesFixed(query: URLSearchParams, stages: readonly LiveStage[]): Outcome<readonly LiveStage[]> {
  return query.has('status')
    ? wrong('status is not asked for here: everything has the same; /watch shows the others')
    : accepted(stages)
}

function levelIn(query: URLSearchParams): Outcome<Level> {
  const level = query.get('minCertificationLevel') ?? 'basic'
  return isLevel(level) ? accepted(level) : wrong(`minCertificationLevel is none of ${levels.join(', ')}`)
}

function whereIn(
  query: URLSearchParams,
): Outcome<{ readonly text: string; readonly judge: Judgement } | undefined> {
  const text = query.get('where')
  if (text === null) return accepted(undefined)
  if (text.length > WHERE_CHARS_MAX) return wrong(`where has more than ${WHERE_CHARS_MAX} characters`)
  const json = parseJson(text, WHERE_CHARS_MAX)
  if (!json.ok) return wrong(`where is not JSON: ${json.fault.detail}`)
  const predicate = readPredicate(json.value)
  if (!predicate.ok) return wrong(`where${predicate.fault.pointer ?? ''}: ${predicate.fault.detail}`)
  return accepted({ text: canonicalJson(json.value), judge: compilePredicate(predicate.value) })
}

function splitIn(query: URLSearchParams): Outcome<LiveFilter['split']> {
  const text = query.get('split')
  if (text === null) return accepted(undefined)
  const [, i, n] = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/.exec(text) ?? []
  const [index, count] = [Number(i), Number(n)]
  return index >= 1 && index <= count && count <= SPLIT_MAX
    ? accepted({ index, count })
    : wrong(`split is not i/n, with i from 1 to n and n at most ${SPLIT_MAX}`)
}

function evidenceIn(query: URLSearchParams): Outcome<boolean> {
  const text = query.get('includeProcessingEvidence') ?? 'false'
  return text === 'true' || text === 'false'
    ? accepted(text === 'true')
    : wrong('includeProcessingEvidence is neither true nor false')
}

function wrong(detail: string): Outcome<never> {
  return refused('query-invalid', detail)
}
