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
  /** CloudEvents attributes that no member above can carry without loss. */
  readonly cloudEvent?: { readonly [attribute: string]: Json }
  /** Restricted streams only: keeps a leaf of guessable content from being guessed. */
  readonly blind?: string
}

export const classifications = ['UNCLASSIFIED', 'CONFIDENTIAL', 'SECRET', 'TOP_SECRET'] as const
export type Classification = (typeof classifications)[number]

export type Transformation = {
  readonly operation: string
  readonly timestampMs: number
  readonly userId?: string
}

/** Served envelopes add where the event stands in its log. */
export type PlacedEnvelope = Envelope & { readonly partition: number; readonly seq: number }
