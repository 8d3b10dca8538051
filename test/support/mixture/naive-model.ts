import { createHash } from 'node:crypto'
import oracle from 'canonicalize'

/*
 * What docs/formats.md, section 2, says of identity, once more: read from that page, with plain maps and another
 * canonical JSON, and no line of what it is compared with.
 */

/** One thing that a publisher sent, whatever the format: what is known of it before anything is stored. */
export type MixtureItem = {
  readonly sourceId: string
  readonly streamId: string
  readonly payload: unknown
  readonly nativeId?: string
  readonly timeMs?: number
  readonly seq?: number
  /** Not an event at all. */
  readonly malformed?: true
  /** Asks for fewer readers than its stream has. */
  readonly private?: true
}

export type Expected =
  | { readonly status: 'accepted'; readonly eventId: string }
  | { readonly status: 'revision'; readonly eventId: string; readonly revises: string }
  | { readonly status: 'duplicate'; readonly of: string }
  | { readonly status: 'quarantined' }
  | { readonly status: 'rejected' }

export type NaiveModel = {
  /** In the order in which items come. */
  judge(item: MixtureItem, requestKey: string, index: number): Expected
}

/** `nowMs`: some time of the run; no event of the mixture has a time of its own anywhere near it. */
export function naiveModel(nowMs: number): NaiveModel {
  const ids = new Set<string>()
  const known = new Map<string, Known>()
  return {
    judge(item, requestKey, index) {
      if (item.malformed) return { status: 'rejected' }
      if (item.private) return { status: 'quarantined' }
      const payload = jcs(item.payload)
      if (item.nativeId !== undefined) return judgeNative(item, item.nativeId, payload, known, nowMs)
      const eventId = idOf(item, payload, requestKey, index)
      if (ids.has(eventId)) return { status: 'duplicate', of: eventId }
      ids.add(eventId)
      return { status: 'accepted', eventId }
    },
  }
}

type Held = { payload: string; eventId: string; timeMs: number }
type Known = { latest: Held; earlier: Held[]; forgot: boolean }

// Its types say otherwise than it is.
const canonicalize = oracle as unknown as typeof oracle.default

const EARLIER_MAX = 32

function idOf(item: MixtureItem, payload: string, requestKey: string, index: number): string {
  const { sourceId, streamId, seq, timeMs } = item
  if (seq !== undefined) return digest('assay:event-seq:1', sourceId, streamId, u64(seq), payload)
  if (timeMs !== undefined) return digest('assay:event:1', sourceId, streamId, u64(timeMs), payload)
  const place = Buffer.alloc(4)
  place.writeUInt32BE(index)
  return digest('assay:event-arrival:1', sourceId, streamId, requestKey, place, payload)
}

function judgeNative(
  { sourceId, timeMs }: MixtureItem,
  nativeId: string,
  payload: string,
  known: Map<string, Known>,
  nowMs: number,
): Expected {
  const key = JSON.stringify([sourceId, nativeId])
  const nativeDigest = digest('assay:event-native:1', sourceId, nativeId, payload)
  const before = known.get(key)
  if (before === undefined) {
    known.set(key, {
      latest: { payload, eventId: nativeDigest, timeMs: timeMs ?? nowMs },
      earlier: [],
      forgot: false,
    })
    return { status: 'accepted', eventId: nativeDigest }
  }
  const { latest } = before
  const seen = [latest, ...before.earlier].find(each => each.payload === payload)
  const isLater = timeMs !== undefined && timeMs > latest.timeMs
  const isLate = timeMs !== undefined && timeMs < latest.timeMs
  if (seen !== undefined && !isLater) return { status: 'duplicate', of: seen.eventId }
  if (before.forgot && isLate) return { status: 'quarantined' }

  const returns = seen !== undefined || before.forgot
  const eventId = returns
    ? digest('assay:event-reversion:1', Buffer.from(latest.eventId, 'hex'), payload)
    : nativeDigest
  const arrived = { payload, eventId, timeMs: timeMs ?? Math.max(nowMs, latest.timeMs) }
  before.earlier = before.earlier.filter(each => each.payload !== payload)
  if (isLate) before.earlier.push(arrived)
  else {
    if (latest.payload !== payload) before.earlier.push(latest)
    before.latest = arrived
  }
  if (before.earlier.length > EARLIER_MAX) {
    before.earlier.shift()
    before.forgot = true
  }
  return { status: 'revision', eventId, revises: latest.eventId }
}

/** The id that a CloudEvent has within its source, here. */
export function cloudNativeId(source: string, id: string): string {
  return digest('assay:cloud-event:1', source, id)
}

function jcs(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new Error('not JSON')
  return text
}

function digest(tag: string, ...fields: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  hash.update(Uint8Array.of(Buffer.byteLength(tag))).update(tag)
  for (const field of fields) {
    const bytes = Buffer.from(field)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    hash.update(length).update(bytes)
  }
  return hash.digest('hex')
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
