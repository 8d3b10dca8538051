import { canonicalize, canonicalWithin, JSON_DEPTH_MAX, type Json, nestsWithin } from '../canonical-json.ts'
import {
  anything,
  type Check,
  closedObject,
  closedReader,
  hex,
  inside,
  integer,
  listOf,
  type Misfit,
  misfit,
  oneOf,
  text,
  timeMs,
} from '../closed-object.ts'
import { accepted, type Outcome, refused, refusedInside } from '../fault.ts'
import { classifications, ENVELOPE_VERSION, type Envelope, type Transformation } from './envelope.ts'
import { TIME_CHARS_MAX } from './event-time.ts'

/** Ids, versions, types and keys. */
export const NAME_CHARS_MAX = 256
export const NATIVE_ID_CHARS_MAX = 512
const URI_CHARS_MAX = 2048
/** Of canonical JSON. A line holds twice as much, and no other member comes near the second half of it. */
export const PAYLOAD_CHARS_MAX = 1024 * 1024
/** A line is one level of its own. */
const MEMBER_LEVELS_MAX = JSON_DEPTH_MAX - 1
const CONFIDENCE_MAX = 10_000
export const QUALITY_FLAGS_MAX = 0xffff_ffff
const POLICY_TAGS_MAX = 64
const POLICY_TAG_CHARS_MAX = 64
export const TRANSFORMATIONS_MAX = 64
export const ORIGIN_SIGNATURE_CHARS_MAX = 8192
const CLOUD_ATTRIBUTES_MAX = 64
const CLOUD_ATTRIBUTE_NAME_CHARS_MAX = 64
export const CLOUD_ATTRIBUTE_CHARS_MAX = 8192
/** Of all attributes together, as canonical JSON. */
const CLOUD_ATTRIBUTES_CHARS_MAX = 64 * 1024

const name = text(NAME_CHARS_MAX)

const mustHave = {
  schemaVersion: oneOf([ENVELOPE_VERSION]),
  eventId: hex(32),
  sourceId: name,
  sourceVersion: name,
  connectorId: name,
  connectorVersion: name,
  streamId: name,
  partitionKey: name,
  domain: name,
  type: name,
  payloadType: name,
  dataVersion: name,
  eventTimeMs: timeMs,
  ingestTimeMs: timeMs,
  payload: anything,
  qualityFlags: integer(0, QUALITY_FLAGS_MAX),
}

const mayHave = {
  nativeId: text(NATIVE_ID_CHARS_MAX),
  sourceSeq: (value: Json) => (isSequence(value) ? undefined : notSequence),
  revises: hex(32),
  eventTimeText: text(TIME_CHARS_MAX),
  sourceUri: text(URI_CHARS_MAX),
  confidence: integer(0, CONFIDENCE_MAX),
  traceparent: (value: Json) => (isTraceparent(value) ? undefined : notTraceparent),
  tenantId: name,
  correlationId: name,
  causationId: name,
  userId: name,
  policyTags: listOf(text(POLICY_TAG_CHARS_MAX), POLICY_TAGS_MAX),
  classification: oneOf(classifications),
  schemaRef: text(URI_CHARS_MAX),
  originSignature: smallJson(ORIGIN_SIGNATURE_CHARS_MAX),
  originSource: text(URI_CHARS_MAX),
  transformations: listOf(
    closedObject<Transformation>({ operation: name, timestampMs: timeMs }, { userId: name }),
    TRANSFORMATIONS_MAX,
  ),
  cloudEvent: cloudAttributes,
  blind: hex(32),
}

const notSequence = misfit('the decimal digits of an unsigned 64-bit number, without leading zeros')
const notTraceparent = misfit('a W3C traceparent such as 00-<32 hex digits>-<16 hex digits>-01')

/** What each member must be, for adapters that take members over as they are. */
export const envelopeChecks: { readonly [M in keyof Envelope]-?: Check } = { ...mustHave, ...mayHave }

export function pickChecks<M extends keyof Envelope>(members: readonly M[]) {
  return Object.fromEntries(members.map(member => [member, envelopeChecks[member]])) as {
    readonly [K in M]: Check
  }
}

/** In the order of the canonical form. */
export const envelopeMembers = (Object.keys(envelopeChecks) as (keyof Envelope)[]).sort()

/** Checks every member but the payload, whose bounds are its line's: a stage may give out a larger one. */
export const readEnvelopeMembers = closedReader<Envelope>(
  'envelope',
  'event-unreadable',
  closedObject<Envelope>(mustHave, mayHave),
)

export function readEnvelope(json: Json): Outcome<Envelope> {
  const envelope = readEnvelopeMembers(json)
  if (!envelope.ok) return envelope
  const payload = linePayload(envelope.value.payload)
  return payload.ok ? envelope : payload
}

/** The canonical form of a payload, `known` where it is at hand, if a line can hold it. */
export function linePayload(payload: Json, known?: string): Outcome<string> {
  const canonical =
    known !== undefined && nestsWithin(payload, MEMBER_LEVELS_MAX)
      ? known
      : canonicalWithin(payload, MEMBER_LEVELS_MAX)
  if (canonical === undefined) return refusedPayload(payload)
  if (canonical.length > PAYLOAD_CHARS_MAX)
    return refused(
      'event-unreadable',
      `the payload is longer than ${PAYLOAD_CHARS_MAX} characters of canonical JSON; split the event`,
      '/payload',
    )
  return accepted(canonical)
}

function refusedPayload(payload: Json): Outcome<never> {
  const canonical = canonicalize(payload)
  return canonical.ok || !nestsWithin(payload, MEMBER_LEVELS_MAX)
    ? refused('json-too-deep', `the payload nests deeper than ${MEMBER_LEVELS_MAX} levels`, '/payload')
    : refusedInside(canonical.fault, '/payload')
}

function isTraceparent(value: Json): value is string {
  return (
    typeof value === 'string' &&
    /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(value) &&
    !value.startsWith('ff') &&
    value.slice(3, 35) !== '0'.repeat(32) &&
    value.slice(36, 52) !== '0'.repeat(16)
  )
}

function isSequence(value: Json): boolean {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,19})$/.test(value)) return false
  return value.length < 20 || BigInt(value) <= 0xffff_ffff_ffff_ffffn
}

function cloudAttributes(value: Json): Misfit | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return misfit('an object')
  const attributes = Object.entries<Json>(value)
  if (attributes.length > CLOUD_ATTRIBUTES_MAX) return misfit(`at most ${CLOUD_ATTRIBUTES_MAX} attributes`)
  for (const [attribute, stated] of attributes) {
    if (!isAttributeName(attribute)) return notAttributeName
    const wrong = stated === null ? undefined : attributeValue(stated)
    if (wrong !== undefined) return inside(attribute, wrong)
  }
  return attributesInAll(value)
}

const attributesInAll = smallJson(CLOUD_ATTRIBUTES_CHARS_MAX)

const notAttributeName = misfit(
  `keyed by CloudEvents attribute names: 1 to ${CLOUD_ATTRIBUTE_NAME_CHARS_MAX} characters a to z and 0 to 9`,
)

export function isAttributeName(name: string): boolean {
  return name.length <= CLOUD_ATTRIBUTE_NAME_CHARS_MAX && /^[a-z0-9]+$/.test(name)
}

/** The CloudEvents type system as JSON shows it: strings, booleans and 32-bit integers. */
export const attributeValue: Check = value => {
  if (typeof value === 'boolean' || (typeof value === 'number' && Object.is(value | 0, value)))
    return undefined
  return typeof value === 'string' && value.length <= CLOUD_ATTRIBUTE_CHARS_MAX && value.isWellFormed()
    ? undefined
    : notAttributeValue
}
const notAttributeValue = misfit(
  `a boolean, a 32-bit integer or a string of at most ${CLOUD_ATTRIBUTE_CHARS_MAX} characters`,
)

function smallJson(charsMax: number): Check {
  const wrong = misfit(
    `JSON that has a canonical form, of at most ${charsMax} characters and ${MEMBER_LEVELS_MAX} levels`,
  )
  return value => {
    const canonical = canonicalize(value)
    const fits = canonical.ok && canonical.value.length <= charsMax && nestsWithin(value, MEMBER_LEVELS_MAX)
    return fits ? undefined : wrong
  }
}
