import type { Json } from '../canonical-json.ts'
import type { CloudAttributes, Envelope } from './envelope.ts'
import type { EventTime } from './event-time.ts'

/**
 * One item as its sender meant it, whatever the shape it came in: what ingest needs to identify and place it.
 * Nothing in it is trusted yet beyond its form. A policy's `identify` goes before what the shape itself says.
 */
export type Submission = {
  readonly payload: Json
  readonly nativeId?: string
  readonly eventTime?: EventTime
  readonly sourceSeq?: string
  readonly type?: string
  /** The source that the item names; ingest decides whether its sender may speak for that one. */
  readonly namedSource?: string
  readonly carried: CarriedMembers
  /** A CloudEvent's context attributes, all as sent, and how its data was carried. */
  readonly cloudEvent?: CloudAttributes
}

/** Envelope members that a submission can bring along and nobody but the sender decides. */
export const carriedMembers = [
  'sourceUri',
  'confidence',
  'traceparent',
  'tenantId',
  'correlationId',
  'causationId',
  'userId',
  'policyTags',
  'classification',
  'schemaRef',
  'originSignature',
  'originSource',
  'transformations',
  'payloadType',
  'dataVersion',
] as const satisfies readonly (keyof Envelope)[]

export type CarriedMembers = { readonly [M in (typeof carriedMembers)[number]]?: NonNullable<Envelope[M]> }
