import { fromUtf8, utf8 } from '../bytes.ts'
import { canonicalJson, isObject, type Json, parseCanonicalJson } from '../canonical-json.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import {
  bytesOf,
  type FusionState,
  isCount,
  isTimeMs,
  noWindows,
  readFusionState,
  writeFusionState,
} from '../fusion/open-windows.ts'

/**
 * What a partition's rules and fusion remember from packet to packet. Changed in place while a packet is
 * checked; between packets it is canonical bytes, equal for equal content however that came about.
 */
export type CarriedState = {
  /** By rule id. */
  readonly memories: Map<string, RuleMemory>
  readonly fusion: FusionState
  /** Memories that had to leave since the partition began. */
  evicted: number
  /** Memories that this packet began; no part of what is carried. */
  begun: number
}

/** By the rule's key, then by sourceId. */
export type RuleMemory = Map<string, Map<string, Memory>>

export type Memory = {
  /** Event time of the latest event that went into it, and never later than the log's own clock was then. */
  readonly touchedMs: number
  readonly values: readonly number[]
}

export const RULE_ID_CHARS = 16
/** One packet begins at most so many memories: they are all held until its end, when those to evict are chosen. */
export const PACKET_MEMORIES_MAX = 1024 * 1024
/** What a policy's `stateBytesMax` may be; the least has room for one window's border, however long its key. */
export const STATE_BYTES_MIN = 4096
export const STATE_BYTES_MAX = 64 * 1024 * 1024
/** Where the policy names none. */
export const STATE_BYTES_DEFAULT = 256 * 1024

export function emptyState(): CarriedState {
  return { memories: new Map(), fusion: noWindows(), evicted: 0, begun: 0 }
}

export function recall(
  state: CarriedState,
  ruleId: string,
  sourceId: string,
  key: string,
): Memory | undefined {
  return state.memories.get(ruleId)?.get(key)?.get(sourceId)
}

/** Beyond PACKET_MEMORIES_MAX a key that is new counts as evicted at once. */
export function remember(
  state: CarriedState,
  ruleId: string,
  sourceId: string,
  key: string,
  memory: Memory,
): void {
  const begins = recall(state, ruleId, sourceId, key) === undefined
  if (begins && state.begun === PACKET_MEMORIES_MAX) {
    state.evicted++
    return
  }
  if (begins) state.begun++
  hold(state, ruleId, sourceId, key, memory)
}

function hold(state: CarriedState, ruleId: string, sourceId: string, key: string, memory: Memory): void {
  const keys: RuleMemory = state.memories.get(ruleId) ?? new Map()
  const sources = keys.get(key) ?? new Map<string, Memory>()
  sources.set(sourceId, memory)
  keys.set(key, sources)
  state.memories.set(ruleId, keys)
}

/** Null, or no bytes, is the state that a partition begins with. */
export function readState(bytes: Uint8Array | null): Outcome<CarriedState> {
  if (bytes === null || bytes.length === 0) return accepted(emptyState())
  const text = fromUtf8(bytes)
  if (text === undefined) return invalid('is not UTF-8', '')
  const parsed = parseCanonicalJson(text, STATE_BYTES_MAX)
  if (!parsed.ok) return invalid('is not canonical JSON', '')
  const json = parsed.value
  if (!isObject(json) || Object.keys(json).join() !== 'evicted,fusion,memories,v' || json['v'] !== 1)
    return invalid('does not have exactly the members evicted, fusion, memories and v = 1', '')

  const { evicted, fusion, memories } = json
  if (!isCount(evicted)) return invalid('does not count what was evicted', '/evicted')
  if (!Array.isArray(memories)) return invalid('has no list here', '/memories')
  const windows = readFusionState(fusion)
  if (windows === undefined) return invalid('has no sound open windows', '/fusion')

  const state: CarriedState = { memories: new Map(), fusion: windows, evicted, begun: 0 }
  let before: StoredMemory | undefined
  for (const [i, item] of memories.entries()) {
    const stored = readStored(item)
    if (stored === undefined || (before !== undefined && inOrder(before, stored) >= 0))
      return invalid('has an unsound memory, or one out of order', `/memories/${i}`)
    before = stored
    const [ruleId, sourceId, key, touchedMs, ...values] = stored
    hold(state, ruleId, sourceId, key, { touchedMs, values })
  }
  if (isEmpty(state)) return invalid('says nothing; the empty state has no bytes', '')
  return accepted(state)
}

/**
 * No bytes for the empty state. Over the bound, the memories touched longest ago leave first (ties: the lower key,
 * source, rule), until what remains fits. Open windows do not leave here: closing one is a result (see
 * ../fusion/open-windows.ts).
 */
export function writeState(state: CarriedState, stateBytesMax: number): Uint8Array {
  if (isEmpty(state)) return new Uint8Array(0)
  const { evicted } = state
  const withoutMemories = { evicted, fusion: writeFusionState(state.fusion), memories: [], v: 1 }
  const stored = storedMemories(state)
  // Each is measured with a comma, and there is one less.
  const kept = thoseThatFit(stored, stateBytesMax - bytesOf(withoutMemories) + 1)
  const memories = kept.toSorted(inOrder)
  return utf8(canonicalJson({ ...withoutMemories, evicted: evicted + stored.length - kept.length, memories }))
}

/** `[ruleId, sourceId, key, touchedMs, ...values]` */
type StoredMemory = readonly [string, string, string, number, ...number[]]

function storedMemories(state: CarriedState): StoredMemory[] {
  const stored: StoredMemory[] = []
  for (const [ruleId, keys] of state.memories)
    for (const [key, sources] of keys)
      for (const [sourceId, { touchedMs, values }] of sources)
        stored.push([ruleId, sourceId, key, touchedMs, ...values])
  return stored
}

/** The count of the evicted may grow by digits while memories leave, hence the allowance. */
const COUNT_BYTES_MAX = 16

/**
 * Counted from the newest on, and no further than the bound: a packet may leave far more memories than there is
 * room for, more than could ever be written in one piece.
 */
function thoseThatFit(stored: readonly StoredMemory[], bytesMax: number): readonly StoredMemory[] {
  if (fitting(stored, bytesMax) === stored.length) return stored
  const newest = stored.toSorted((a, b) => oldestFirst(b, a))
  return newest.slice(0, fitting(newest, bytesMax - COUNT_BYTES_MAX))
}

/** How many of them, from the first on, fit together. */
function fitting(stored: readonly StoredMemory[], bytesMax: number): number {
  let bytes = 0
  for (const [i, memory] of stored.entries()) {
    bytes += bytesOf(memory) + 1
    if (bytes > bytesMax) return i
  }
  return stored.length
}

function oldestFirst(a: StoredMemory, b: StoredMemory): number {
  return a[3] - b[3] || compareText(a[2], b[2]) || compareText(a[1], b[1]) || compareText(a[0], b[0])
}

function inOrder(a: StoredMemory, b: StoredMemory): number {
  return compareText(a[0], b[0]) || compareText(a[1], b[1]) || compareText(a[2], b[2])
}

/** By UTF-16 code unit, as canonical JSON orders keys. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function readStored(json: Json): StoredMemory | undefined {
  if (!Array.isArray(json)) return undefined
  const [ruleId, sourceId, key, touchedMs, ...values]: readonly Json[] = json
  if (typeof ruleId !== 'string' || ruleId.length !== RULE_ID_CHARS) return undefined
  if (typeof sourceId !== 'string' || typeof key !== 'string' || !isTimeMs(touchedMs)) return undefined
  return values.every(isNumber) && values.length > 0
    ? [ruleId, sourceId, key, touchedMs, ...values]
    : undefined
}

function isEmpty({ memories, fusion, evicted }: CarriedState): boolean {
  return memories.size === 0 && fusion.windows.length === 0 && fusion.closedTo === null && evicted === 0
}

function isNumber(json: Json): json is number {
  return typeof json === 'number'
}

function invalid(what: string, pointer: string) {
  return refused('state-invalid', `the carried state ${what}; fetch it again by its digest`, pointer)
}
