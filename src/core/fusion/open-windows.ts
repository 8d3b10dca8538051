import { utf8 } from '../bytes.ts'
import { canonicalJson, isObject, type Json, nestsWithin } from '../canonical-json.ts'
import { digestHex } from '../digest.ts'
import type { Envelope } from '../event/envelope.ts'
import { compileKey } from '../event/event-key.ts'
import { compilePath } from '../path.ts'
import { FUSION_WINDOWS_MAX, type FusionPolicy } from './read-fusion.ts'

/**
 * Windows that wait for more observations. They close in one order only, by (end, key), so a single border
 * tells for every window whether it has closed, also for those that nobody remembers.
 */
export type FusionState = {
  /** By end and key, see windowId. */
  readonly windows: Map<string, OpenWindow>
  closedTo: Border | null
  /** Names the fusion policy that opened the windows. */
  policyId: string
}

/** The last window that closed; without a key, every window with that end has. */
export type Border = { readonly endMs: number; readonly key?: string }

type OpenWindow = {
  readonly endMs: number
  readonly key: string
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
}

/** A window that closed; `early` where it had to make room. */
export type ClosedWindow = OpenWindow & { readonly early: boolean }

export const WINDOW_OBSERVATIONS_MAX = 256
const POLICY_ID_CHARS = 16
/** State nests what it carries a few levels deeper, and canonical JSON has a floor. */
const FUSION_VALUE_LEVELS_MAX = 32

export function noWindows(): FusionState {
  return { windows: new Map(), closedTo: null, policyId: '' }
}

/**
 * What one fusion policy collected another cannot decide: a policy that changes gives the open windows up, and
 * what has closed stays closed. Without a policy nothing is remembered.
 */
export function adoptPolicy(state: FusionState, policy: FusionPolicy | undefined): void {
  const policyId =
    policy === undefined ? '' : digestHex('assay:fusion:1', canonicalJson(policy)).slice(0, POLICY_ID_CHARS)
  if (state.policyId !== policyId) state.windows.clear()
  if (policy === undefined) state.closedTo = null
  state.policyId = policyId
}

type Sighting = 'nothing' | 'observed' | 'late'

/** Takes note of what an event observes. Windows that have to make room for it are added to `closed`. */
export type Observe = (event: Envelope, state: FusionState, closed: ClosedWindow[]) => Sighting

export function compileObserve(policy: FusionPolicy): Observe {
  const keyOf = compileKey(policy.key)
  const readField = policy.field === undefined ? undefined : compilePath(policy.field)
  return (event, state, closed) => {
    const { eventId, sourceId, eventTimeMs, qualityFlags } = event
    const key = keyOf(event)
    const value = readField === undefined ? event.payload : readField(event.payload)
    const endMs = eventTimeMs - (eventTimeMs % policy.windowMs) + policy.windowMs
    if (key === undefined || !isTimeMs(endMs) || !isObservable(value, readField !== undefined))
      return 'nothing'
    if (hasClosed(state, endMs, key)) return 'late'
    const window = state.windows.get(windowId(endMs, key)) ?? { endMs, key, observations: [], dropped: 0 }
    state.windows.set(windowId(endMs, key), window)
    if (window.observations.length < WINDOW_OBSERVATIONS_MAX)
      window.observations.push({ eventId, sourceId, eventTimeMs, qualityFlags, value })
    else window.dropped++
    while (state.windows.size > policy.windowsMax) closed.push(closeOldest(state))
    return 'observed'
  }
}

/** In the first packet whose watermark reaches end + lateness. What has its packet's time has closed for good. */
export function closeByWatermark(
  state: FusionState,
  policy: FusionPolicy,
  watermarkMs: number,
): ClosedWindow[] {
  const endMs = watermarkMs - policy.latenessMs
  const closing = [...state.windows.values()].filter(window => window.endMs <= endMs)
  for (const window of closing) state.windows.delete(windowId(window.endMs, window.key))
  if (endMs > 0 && endMs >= (state.closedTo?.endMs ?? 0)) state.closedTo = { endMs }
  return closing.map(window => ({ ...window, early: false }))
}

/** Closes the oldest windows until the others take at most `bytesMax` of the state. */
export function closeToFit(state: FusionState, bytesMax: number): ClosedWindow[] {
  const sizes = new Map(
    [...state.windows].map(([id, window]) => [id, utf8(canonicalJson(stored(window))).length + 1]),
  )
  let bytes = 0
  for (const size of sizes.values()) bytes += size
  const closed: ClosedWindow[] = []
  while (bytes > bytesMax) {
    const window = closeOldest(state)
    bytes -= sizes.get(windowId(window.endMs, window.key)) ?? 0
    closed.push(window)
  }
  return closed
}

export function byEndThenKey(a: Border, b: Border): number {
  if (a.endMs !== b.endMs) return a.endMs - b.endMs
  const [keyA = '', keyB = ''] = [a.key, b.key]
  return keyA < keyB ? -1 : keyA > keyB ? 1 : 0
}

/** `{closedTo: [] | [endMs] | [endMs, key], policyId, windows: [[endMs, key, dropped, [observation…]]…]}`, windows in order. */
export function writeFusionState({ windows, closedTo, policyId }: FusionState): Json {
  const border =
    closedTo === null ? [] : [closedTo.endMs, ...(closedTo.key === undefined ? [] : [closedTo.key])]
  return { closedTo: border, policyId, windows: [...windows.values()].sort(byEndThenKey).map(stored) }
}

export function readFusionState(json: Json | undefined): FusionState | undefined {
  if (!isObject(json) || Object.keys(json).join() !== 'closedTo,policyId,windows') return undefined
  const { policyId, windows } = json
  const closedTo = readBorder(json['closedTo'])
  if (closedTo === undefined || typeof policyId !== 'string' || policyId.length > POLICY_ID_CHARS)
    return undefined
  if (!Array.isArray(windows) || windows.length > FUSION_WINDOWS_MAX) return undefined
  const state: FusionState = { windows: new Map(), closedTo, policyId }
  let before: OpenWindow | undefined
  for (const item of windows) {
    const window = readWindow(item)
    if (window === undefined || hasClosed(state, window.endMs, window.key)) return undefined
    if (before !== undefined && byEndThenKey(before, window) >= 0) return undefined
    state.windows.set(windowId(window.endMs, window.key), window)
    before = window
  }
  return state
}

export function isTimeMs(json: Json | undefined): json is number {
  return Number.isSafeInteger(json) && Number(json) >= 0
}

function windowId(endMs: number, key: string): string {
  return `${endMs} ${key}`
}

function hasClosed({ closedTo }: FusionState, endMs: number, key: string): boolean {
  if (closedTo === null || endMs > closedTo.endMs) return false
  return endMs < closedTo.endMs || closedTo.key === undefined || key <= closedTo.key
}

function closeOldest(state: FusionState): ClosedWindow {
  let oldest: OpenWindow | undefined
  for (const window of state.windows.values())
    if (oldest === undefined || byEndThenKey(window, oldest) < 0) oldest = window
  if (oldest === undefined) throw new Error('there is no open window left to close')
  state.windows.delete(windowId(oldest.endMs, oldest.key))
  state.closedTo = { endMs: oldest.endMs, key: oldest.key }
  return { ...oldest, early: true }
}

function isObservable(value: Json | undefined, numeric: boolean): value is Json {
  if (numeric) return typeof value === 'number'
  return value !== undefined && nestsWithin(value, FUSION_VALUE_LEVELS_MAX)
}

function stored({ endMs, key, dropped, observations }: OpenWindow): Json {
  return [
    endMs,
    key,
    dropped,
    observations.map(seen => [seen.eventId, seen.sourceId, seen.eventTimeMs, seen.qualityFlags, seen.value]),
  ]
}

function readWindow(json: Json): OpenWindow | undefined {
  if (!Array.isArray(json) || json.length !== 4) return undefined
  const [endMs, key, dropped, list]: readonly Json[] = json
  if (!isTimeMs(endMs) || typeof key !== 'string' || !isTimeMs(dropped) || !Array.isArray(list))
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
  if (!isTimeMs(eventTimeMs) || !isTimeMs(qualityFlags)) return undefined
  return { eventId, sourceId, eventTimeMs, qualityFlags, value }
}

function readBorder(json: Json | undefined): Border | null | undefined {
  if (!Array.isArray(json) || json.length > 2) return undefined
  const [endMs, key]: readonly (Json | undefined)[] = json
  if (endMs === undefined) return null
  if (!isTimeMs(endMs)) return undefined
  if (key === undefined) return { endMs }
  return typeof key === 'string' ? { endMs, key } : undefined
}
