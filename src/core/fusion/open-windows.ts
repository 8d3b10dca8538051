import { canonicalJson, isObject, type Json, nestsWithin } from '../canonical-json.ts'
import { writeCanonical } from '../canonical-writer.ts'
import { digestHex } from '../digest.ts'
import type { Envelope } from '../event/envelope.ts'
import { compileKey } from '../event/event-key.ts'
import { QUALITY_FLAGS_MAX } from '../event/read-envelope.ts'
import { compilePath } from '../path.ts'
import { FUSION_WINDOWS_MAX, type FusionPolicy } from './read-fusion.ts'

/**
 * Windows that wait for more observations. They close in one order only, by (end, key), so a single border
 * tells for every window whether it has closed, also for those that nobody remembers.
 */
export type FusionState = {
  /** In the order in which they close. */
  readonly windows: OpenWindow[]
  closedTo: Border | null
  /** Names the fusion policy that opened the windows. */
  policyId: string
}

/** Where windows have closed up to; without a key, every window with that end has. */
type Border = { readonly endMs: number; readonly key?: string }

type Place = { readonly endMs: number; readonly key: string }

type OpenWindow = Place & {
  /** In order of arrival. */
  readonly observations: Observation[]
  /** Observations that found no room. */
  dropped: number
}

export type Observation = {
  readonly eventId: string
  readonly sourceId: string
  readonly eventTimeMs: number
  readonly qualityFlags: number
  readonly value: Json
  /** What it adds to the state, a comma included: measured once, for values may be large and stay for long. */
  readonly bytes: number
}

/** A window that closed; `early` where it had to make room. */
export type ClosedWindow = OpenWindow & { readonly early: boolean }

/** So many sources can have their vote in a window. */
export const WINDOW_OBSERVATIONS_MAX = 256
const POLICY_ID_CHARS = 16
/** State nests what it carries a few levels deeper, and canonical JSON has a floor. */
const FUSION_VALUE_LEVELS_MAX = 32
/** Of what is counted over the life of a partition: far from where counting on would lose ones. */
const COUNT_MAX = 2 ** 48

export function noWindows(): FusionState {
  return { windows: [], closedTo: null, policyId: '' }
}

/**
 * What one fusion policy collected another cannot decide: a policy that changes gives the open windows up, and
 * what has closed stays closed. Without a policy nothing is remembered.
 */
export function adoptPolicy(state: FusionState, policy: FusionPolicy | undefined): void {
  const policyId =
    policy === undefined ? '' : digestHex('assay:fusion:1', canonicalJson(policy)).slice(0, POLICY_ID_CHARS)
  if (state.policyId !== policyId) state.windows.length = 0
  if (policy === undefined) state.closedTo = null
  state.policyId = policyId
}

/** Whether what an event observes has been decided without it. */
export function compileLateness(policy: FusionPolicy): (event: Envelope, state: FusionState) => boolean {
  const sight = compileSight(policy)
  return (event, state) => {
    const seen = sight(event)
    return seen !== undefined && hasClosed(state, seen)
  }
}

/**
 * Takes note of what an event observes, if anything, and if its window is not closed. Windows that have to make
 * room for it are added to `closed`.
 */
export type Observe = (event: Envelope, state: FusionState, closed: ClosedWindow[]) => void

export function compileObserve(policy: FusionPolicy): Observe {
  const sight = compileSight(policy)
  return (event, state, closed) => {
    const seen = sight(event)
    if (seen === undefined || hasClosed(state, seen)) return
    takeIn(openAt(state.windows, seen), observation(event, seen.value))
    if (state.windows.length > policy.windowsMax) closed.push(...closeOldest(state, 1))
  }
}

type Sighting = Place & { readonly value: Json }

function compileSight(policy: FusionPolicy): (event: Envelope) => Sighting | undefined {
  const keyOf = compileKey(policy.key)
  const readField = policy.field === undefined ? undefined : compilePath(policy.field)
  return event => {
    const key = keyOf(event)
    const value = readField === undefined ? event.payload : readField(event.payload)
    const endMs = event.eventTimeMs - (event.eventTimeMs % policy.windowMs) + policy.windowMs
    if (key === undefined || !isTimeMs(endMs)) return undefined
    return isObservable(value, readField !== undefined) ? { endMs, key, value } : undefined
  }
}

function openAt(windows: OpenWindow[], { endMs, key }: Place): OpenWindow {
  const at = placeOf(windows, { endMs, key })
  const there = windows[at]
  if (there !== undefined && there.endMs === endMs && there.key === key) return there
  const opened = { endMs, key, observations: [], dropped: 0 }
  windows.splice(at, 0, opened)
  return opened
}

/** How many windows close before this one. */
function placeOf(windows: readonly OpenWindow[], wanted: Place): number {
  let [low, high] = [0, windows.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const window = windows[middle]
    if (window !== undefined && byEndThenKey(window, wanted) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * A full window lets go of the oldest observation that its own source has superseded, so that no source keeps
 * others out by talking. Only where there is none, because too many sources spoke, the newcomer leaves.
 */
function takeIn(window: OpenWindow, seen: Observation): void {
  const { observations } = window
  observations.push(seen)
  if (observations.length <= WINDOW_OBSERVATIONS_MAX) return
  const votes = latestBySource(observations)
  const superseded = observations.findIndex(other => votes.get(other.sourceId) !== other)
  observations.splice(superseded < 0 ? WINDOW_OBSERVATIONS_MAX : superseded, 1)
  window.dropped++
}

/** A source has one vote per window: what it said last, and of one event time what arrived last. */
export function latestBySource(observations: readonly Observation[]): Map<string, Observation> {
  const latest = new Map<string, Observation>()
  for (const seen of observations) {
    const before = latest.get(seen.sourceId)
    if (before === undefined || seen.eventTimeMs >= before.eventTimeMs) latest.set(seen.sourceId, seen)
  }
  return latest
}

/** In the first packet whose watermark reaches end + lateness. What ended by then has closed for good. */
export function closeByWatermark(
  state: FusionState,
  policy: FusionPolicy,
  watermarkMs: number,
): ClosedWindow[] {
  const endMs = watermarkMs - policy.latenessMs
  const open = state.windows.findIndex(window => window.endMs > endMs)
  const closing = state.windows.splice(0, open < 0 ? state.windows.length : open)
  if (endMs > 0 && endMs >= (state.closedTo?.endMs ?? 0)) state.closedTo = { endMs }
  return closing.map(window => ({ ...window, early: false }))
}

/** Closes the oldest windows until the others take at most `bytesMax` of the state. */
export function closeToFit(state: FusionState, bytesMax: number): ClosedWindow[] {
  const sizes = state.windows.map(windowBytes)
  let bytes = 0
  for (const size of sizes) bytes += size
  let closing = 0
  for (const size of sizes) {
    if (bytes <= bytesMax) break
    bytes -= size
    closing++
  }
  return closeOldest(state, closing)
}

function closeOldest(state: FusionState, count: number): ClosedWindow[] {
  const closing: ClosedWindow[] = []
  for (let i = 0; i < count; i++) {
    const window = state.windows.shift()
    if (window === undefined) break
    state.closedTo = { endMs: window.endMs, key: window.key }
    closing.push({ ...window, early: true })
  }
  return closing
}

/** `{closedTo: [] | [endMs] | [endMs, key], policyId, windows: [[endMs, key, dropped, [observation…]]…]}`, windows in order. */
export function writeFusionState({ windows, closedTo, policyId }: FusionState): Json {
  const border =
    closedTo === null ? [] : [closedTo.endMs, ...(closedTo.key === undefined ? [] : [closedTo.key])]
  return { closedTo: border, policyId, windows: windows.map(stored) }
}

export function readFusionState(json: Json | undefined): FusionState | undefined {
  if (!isObject(json) || Object.keys(json).join() !== 'closedTo,policyId,windows') return undefined
  const { policyId, windows } = json
  const closedTo = readBorder(json['closedTo'])
  if (closedTo === undefined || typeof policyId !== 'string' || policyId.length > POLICY_ID_CHARS)
    return undefined
  if (!Array.isArray(windows) || windows.length > FUSION_WINDOWS_MAX) return undefined
  const state: FusionState = { windows: [], closedTo, policyId }
  for (const item of windows) {
    const window = readWindow(item)
    const before = state.windows.at(-1)
    if (window === undefined || hasClosed(state, window)) return undefined
    if (before !== undefined && byEndThenKey(before, window) >= 0) return undefined
    state.windows.push(window)
  }
  return state
}

export function isTimeMs(json: Json | undefined): json is number {
  return Number.isSafeInteger(json) && Number(json) >= 0
}

export function isCount(json: Json | undefined): json is number {
  return isTimeMs(json) && json <= COUNT_MAX
}

/** What a value takes in the state; what has no canonical form fits into none. */
export function bytesOf(json: Json): number {
  return writeCanonical(json)?.length ?? Number.POSITIVE_INFINITY
}

function byEndThenKey(a: Place, b: Place): number {
  return a.endMs - b.endMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
}

function hasClosed({ closedTo }: FusionState, { endMs, key }: Place): boolean {
  if (closedTo === null || endMs > closedTo.endMs) return false
  return endMs < closedTo.endMs || closedTo.key === undefined || key <= closedTo.key
}

function isObservable(value: Json | undefined, numeric: boolean): value is Json {
  if (numeric) return typeof value === 'number'
  return value !== undefined && nestsWithin(value, FUSION_VALUE_LEVELS_MAX)
}

function observation(event: Omit<Observation, 'value' | 'bytes'>, value: Json): Observation {
  const { eventId, sourceId, eventTimeMs, qualityFlags } = event
  const bytes = bytesOf([eventId, sourceId, eventTimeMs, qualityFlags, value]) + 1
  return { eventId, sourceId, eventTimeMs, qualityFlags, value, bytes }
}

function stored({ endMs, key, dropped, observations }: OpenWindow): Json {
  return [
    endMs,
    key,
    dropped,
    observations.map(seen => [seen.eventId, seen.sourceId, seen.eventTimeMs, seen.qualityFlags, seen.value]),
  ]
}

/** With a comma. The observations' own commas are one more than they need, which is that one. */
function windowBytes(window: OpenWindow): number {
  let bytes = bytesOf(stored({ ...window, observations: [] }))
  for (const seen of window.observations) bytes += seen.bytes
  return bytes
}

function readWindow(json: Json): OpenWindow | undefined {
  if (!Array.isArray(json) || json.length !== 4) return undefined
  const [endMs, key, dropped, list]: readonly Json[] = json
  if (!isTimeMs(endMs) || typeof key !== 'string' || !isCount(dropped) || !Array.isArray(list))
    return undefined
  const observations: Observation[] = []
  for (const item of list) {
    const seen = readObservation(item)
    if (seen === undefined) return undefined
    observations.push(seen)
  }
  if (observations.length === 0 || observations.length > WINDOW_OBSERVATIONS_MAX) return undefined
  return { endMs, key, dropped, observations }
}

function readObservation(json: Json): Observation | undefined {
  if (!Array.isArray(json) || json.length !== 5) return undefined
  const [eventId, sourceId, eventTimeMs, qualityFlags, value]: readonly Json[] = json
  if (typeof eventId !== 'string' || typeof sourceId !== 'string' || value === undefined) return undefined
  if (!isTimeMs(eventTimeMs) || !isTimeMs(qualityFlags) || qualityFlags > QUALITY_FLAGS_MAX) return undefined
  return observation({ eventId, sourceId, eventTimeMs, qualityFlags }, value)
}

function readBorder(json: Json | undefined): Border | null | undefined {
  if (!Array.isArray(json) || json.length > 2) return undefined
  const [endMs, key]: readonly (Json | undefined)[] = json
  if (endMs === undefined) return null
  if (!isTimeMs(endMs)) return undefined
  if (key === undefined) return { endMs }
  return typeof key === 'string' ? { endMs, key } : undefined
}
