import { knownHex, u32be, u64be } from '../bytes.ts'
import { canonicalJson } from '../canonical-json.ts'
import { digestHex } from '../digest.ts'
import type { Envelope } from './envelope.ts'
import { qualityFlags } from './quality-flags.ts'

/** What tells one event from another. Ingest time is not in it: a retry must find the event it repeats. */
export type ObservedEvent = {
  readonly sourceId: string
  readonly streamId: string
  /** Canonical JSON of the payload. */
  readonly payloadJcs: string
  readonly nativeId?: string | undefined
  readonly sourceSeq?: string | undefined
  readonly eventTimeMs?: number | undefined
}

export type Arrival = {
  readonly ingestTimeMs: number
  /** The request's Idempotency-Key, or 16 random bytes where it has none. */
  readonly key: string | Uint8Array
  /** Position of the event in its request. */
  readonly index: number
}

export type Identity =
  | IdentifiedEvent
  /** Nothing new: event `of` holds this payload. */
  | { readonly kind: 'duplicate'; readonly of: string }
  /** Late, with a payload that may be among the forgotten ones: only the owner can say whether it is new. */
  | { readonly kind: 'undecided' }

export type IdentifiedEvent = {
  readonly kind: 'event'
  readonly eventId: string
  readonly eventTimeMs: number
  /** REVISION, LATE and ARRIVAL_TIME, as they apply. */
  readonly flags: number
  /** Where a repetition shows: in the record of its nativeId, by an equal eventId, or not at all. */
  readonly dedup: 'native-id' | 'event-id' | 'none'
  readonly revises?: string
  /** With a nativeId: what is known of it from now on. */
  readonly known?: KnownPayloads
}

/** What is remembered of one (sourceId, nativeId). */
export type KnownPayloads = {
  /** The one with the greatest time; of equal times the one that arrived last. */
  readonly latest: KnownPayload
  /** Other payloads seen, oldest arrival first, at most EARLIER_PAYLOADS_MAX. */
  readonly earlier: readonly KnownPayload[]
  /** Whether `earlier` was ever full and let one go. */
  readonly forgotten: boolean
}

/** The latest event that held this payload. */
type KnownPayload = {
  readonly payloadDigest: string
  readonly eventId: string
  readonly timeMs: number
}

/**
 * When another comes, the one that arrived first is forgotten. From then on no payload counts as never seen:
 * one that is not late takes the id of a return, which cannot repeat, and one that is late is `undecided`.
 */
export const EARLIER_PAYLOADS_MAX = 32

export function identify(observed: ObservedEvent, arrival: Arrival, known?: KnownPayloads): Identity {
  const first = identifyFirst(observed, arrival)
  if (observed.nativeId === undefined) return first
  if (known === undefined) return { ...first, known: rememberFirst(first) }
  return identifyKnown(first, known, {
    ingestTimeMs: arrival.ingestTimeMs,
    payloadJcs: () => observed.payloadJcs,
  })
}

/** As the first of its nativeId, if it has one. */
export function identifyFirst(observed: ObservedEvent, arrival: Arrival): IdentifiedEvent {
  const { sourceId, streamId, payloadJcs, nativeId, sourceSeq, eventTimeMs } = observed
  const timed = timeOf(observed, arrival)
  if (nativeId !== undefined) {
    // Within one (sourceId, nativeId) the id tells payloads apart, so that no second digest is needed for it.
    const eventId = digestHex('assay:event-native:1', sourceId, nativeId, payloadJcs)
    return { kind: 'event', eventId, ...timed, dedup: 'native-id' }
  }
  if (sourceSeq !== undefined) {
    const eventId = digestHex('assay:event-seq:1', sourceId, streamId, u64beOfDigits(sourceSeq), payloadJcs)
    return { kind: 'event', eventId, ...timed, dedup: 'event-id' }
  }
  if (eventTimeMs !== undefined) {
    const eventId = digestHex('assay:event:1', sourceId, streamId, u64be(eventTimeMs), payloadJcs)
    return { kind: 'event', eventId, ...timed, dedup: 'event-id' }
  }
  const { key, index } = arrival
  const eventId = digestHex('assay:event-arrival:1', sourceId, streamId, key, u32be(index), payloadJcs)
  return { kind: 'event', eventId, ...timed, dedup: 'none' }
}

/** What is known of a nativeId once its first event has come. */
export function rememberFirst({ eventId, eventTimeMs }: IdentifiedEvent): KnownPayloads {
  return {
    latest: { payloadDigest: eventId, eventId, timeMs: eventTimeMs },
    earlier: [],
    forgotten: false,
  }
}

/** What an event is whose nativeId came before. `first`: what it would be as the first. */
export function identifyKnown(
  first: IdentifiedEvent,
  known: KnownPayloads,
  arrival: { readonly ingestTimeMs: number; payloadJcs(): string },
): Identity {
  const { eventId: payloadDigest, eventTimeMs, flags } = first
  const ownTimeMs = (flags & qualityFlags.ARRIVAL_TIME) === 0 ? eventTimeMs : undefined
  const { latest } = known
  const seen = recall(known, payloadDigest)
  const later = ownTimeMs !== undefined && ownTimeMs > latest.timeMs
  const late = ownTimeMs !== undefined && ownTimeMs < latest.timeMs
  if (seen !== undefined && !later) return { kind: 'duplicate', of: seen.eventId }
  if (late && known.forgotten) return { kind: 'undecided' }

  // A payload that returns needs an id of its own. Each id made here makes a new latest, so none comes twice.
  const returns = seen !== undefined || known.forgotten
  const eventId = returns ? reversionOf(latest.eventId, arrival.payloadJcs()) : payloadDigest
  // Without a time of its own an event cannot be shown to be old, whatever the clock of the latest said.
  const timeMs = ownTimeMs ?? Math.max(arrival.ingestTimeMs, latest.timeMs)
  return {
    kind: 'event',
    eventId,
    eventTimeMs,
    flags: flags | qualityFlags.REVISION | (late ? qualityFlags.LATE : 0),
    dedup: 'native-id',
    revises: latest.eventId,
    known: remember(known, { payloadDigest, eventId, timeMs }, late),
  }
}

type MadeId = Pick<
  Envelope,
  'eventId' | 'sourceId' | 'streamId' | 'nativeId' | 'sourceSeq' | 'revises' | 'payload' | 'qualityFlags'
> &
  Pick<Envelope, 'eventTimeMs' | 'ingestTimeMs'>

/**
 * Whether an event's id is the one that its own members give. `unknown` where it has neither id, sequence nor time of its
 * own: then the id is made of the request that it came in, which nothing keeps.
 */
export function idFollows(event: MadeId): 'follows' | 'contradicted' | 'unknown' {
  const {
    eventId,
    sourceId,
    streamId,
    nativeId,
    sourceSeq,
    revises,
    ingestTimeMs,
    qualityFlags: flags,
  } = event
  const cameWithoutTime = (flags & qualityFlags.ARRIVAL_TIME) !== 0 && event.eventTimeMs === ingestTimeMs
  if (nativeId === undefined && sourceSeq === undefined && cameWithoutTime) return 'unknown'
  const payloadJcs = canonicalJson(event.payload)
  const observed = { sourceId, streamId, payloadJcs, nativeId, sourceSeq, eventTimeMs: event.eventTimeMs }
  const { eventId: own } = identifyFirst(observed, { ingestTimeMs, key: '', index: 0 })
  if (eventId === own) return 'follows'
  const returns =
    nativeId !== undefined && revises !== undefined && eventId === reversionOf(revises, payloadJcs)
  return returns ? 'follows' : 'contradicted'
}

/** The id of a payload that returns after `latest`. */
function reversionOf(latest: string, payloadJcs: string): string {
  return digestHex('assay:event-reversion:1', knownHex(latest), payloadJcs)
}

function timeOf(observed: ObservedEvent, arrival: Arrival): { eventTimeMs: number; flags: number } {
  return observed.eventTimeMs === undefined
    ? { eventTimeMs: arrival.ingestTimeMs, flags: qualityFlags.ARRIVAL_TIME }
    : { eventTimeMs: observed.eventTimeMs, flags: 0 }
}

function recall(known: KnownPayloads, payloadDigest: string): KnownPayload | undefined {
  if (known.latest.payloadDigest === payloadDigest) return known.latest
  return known.earlier.find(payload => payload.payloadDigest === payloadDigest)
}

function remember(known: KnownPayloads, arrived: KnownPayload, late: boolean): KnownPayloads {
  const latest = late ? known.latest : arrived
  const superseded = late ? arrived : known.latest
  const others = known.earlier.filter(payload => payload.payloadDigest !== arrived.payloadDigest)
  const earlier = superseded.payloadDigest === latest.payloadDigest ? others : [...others, superseded]
  if (earlier.length <= EARLIER_PAYLOADS_MAX) return { latest, earlier, forgotten: known.forgotten }
  return { latest, earlier: earlier.slice(1), forgotten: true }
}

const U64_DIGITS_AS_NUMBER = 15

function u64beOfDigits(digits: string): Uint8Array {
  if (digits.length <= U64_DIGITS_AS_NUMBER) return u64be(Number(digits))
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(digits))
  return bytes
}
