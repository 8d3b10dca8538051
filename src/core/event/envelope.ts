import type { Json } from '../canonical-json.ts'

export const ENVELOPE_VERSION = 1

/** One accepted observation: the superset of every shape that publishers send (see ./adapters). */
export type Envelope = {
  readonly schemaVersion: typeof ENVELOPE_VERSION
  /** 64 lower-case hex digits; how it is derived: ./identity.ts */
  readonly eventId: string
  readonly sourceId: string
  readonly sourceVersion: string
  readonly connectorId: string
  readonly connectorVersion: string
  readonly streamId: string
  readonly partitionKey: string
  readonly domain: string
  readonly type: string
  readonly payloadType: string
  readonly dataVersion: string
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
  readonly payload: Json
  readonly qualityFlags: number

  readonly nativeId?: string
  /** Decimal digits of an unsigned 64-bit number. */
  readonly sourceSeq?: string
  /** The event that this one revises: the latest of its nativeId when it arrived. */
  readonly revises?: string
  /** The time as its source wrote it, where that says more than eventTimeMs: finer digits, a local offset. */
  readonly eventTimeText?: string
  readonly sourceUri?: string
  /** 0 to 10000. */
  readonly confidence?: number
  readonly traceparent?: string
  readonly tenantId?: string
  readonly correlationId?: string
  readonly causationId?: string
  readonly userId?: string
  readonly policyTags?: readonly string[]
  readonly classification?: Classification
  readonly schemaRef?: string
  readonly originSignature?: Json
  readonly originSource?: string
  readonly transformations?: readonly Transformation[]
  /** Only in events that came as CloudEvents: what the members above do not say of one (./adapters/cloud-event.ts). */
  readonly cloudEvent?: CloudAttributes
  /** Restricted streams only, made by `blindOf` in ./line.ts: keeps a leaf of guessable content from being guessed. */
  readonly blind?: string
}

export const classifications = ['UNCLASSIFIED', 'CONFIDENTIAL', 'SECRET', 'TOP_SECRET'] as const
export type Classification = (typeof classifications)[number]

export type Transformation = {
  readonly operation: string
  readonly timestampMs: number
  readonly userId?: string
}

/** CloudEvents context attributes by name; null for one that the event leaves out. */
export type CloudAttributes = { readonly [attribute: string]: string | number | boolean | null }

/** Served envelopes add where the event stands in its log. */
export type PlacedEnvelope = Envelope & { readonly partition: number; readonly seq: number }
