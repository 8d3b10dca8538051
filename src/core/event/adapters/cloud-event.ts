import {
  canonicalize,
  canonicalJson,
  isObject,
  type Json,
  type JsonObject,
  parseCanonicalJson,
  pointerToken,
} from '../../canonical-json.ts'
import { closedReader } from '../../closed-object.ts'
import { digestHex } from '../../digest.ts'
import { accepted, type Outcome, refused } from '../../fault.ts'
import { writeTimestamp } from '../../timestamp.ts'
import type { CloudAttributes, Envelope } from '../envelope.ts'
import { readEventTime } from '../event-time.ts'
import { envelopeChecks, readEnvelope, readEnvelopeMembers } from '../read-envelope.ts'
import type { CarriedMembers, Submission } from '../submission.ts'
import { isBase64, isJsonType } from './media.ts'

/**
 * CloudEvents 1.0, JSON format, loss-free both ways. An envelope that came as a CloudEvent remembers, in its
 * member `cloudEvent`, only those attributes that its other members would not give back; and every CloudEvent
 * that we write carries the whole envelope, payload apart, in one extension attribute. One that comes with such
 * an attribute already keeps it there, inside.
 */
export const ENVELOPE_ATTRIBUTE = 'assayenvelope'

/** Items of one batch. */
const CLOUD_EVENT_BATCH_MAX = 10_000

export type CloudEvent = JsonObject

export function fromCloudEvent(item: Json): Outcome<Submission> {
  if (!isObject(item)) return unreadable('a CloudEvent must be a JSON object')
  const read = readAttributes(item)
  if (!read.ok) return read
  const attributes = read.value
  const data = readData(item)
  if (!data.ok) return data

  const { id, source, type, time, dataschema, traceparent } = attributes
  const carried: CarriedMembers = {
    ...fitting('originSource', source),
    ...fitting('schemaRef', dataschema),
    ...fitting('traceparent', traceparent),
  }
  const submission = {
    payload: data.value.payload,
    // A CloudEvent's id is one of its source's, and several such sources can stand behind one of ours.
    nativeId: digestHex('assay:cloud-event:1', String(source), String(id)),
    type: String(type),
    carried,
    cloudEvent: data.value.mark === undefined ? attributes : { ...attributes, data: data.value.mark },
  }
  if (time === undefined) return accepted(submission)
  const eventTime =
    typeof time === 'string' ? readEventTime(time, '/time') : unreadable('the time must be a string', '/time')
  return eventTime.ok ? accepted({ ...submission, eventTime: eventTime.value }) : eventTime
}

/** Item by item: one bad event does not cost the others of its batch. */
export function fromCloudEventBatch(batch: Json): Outcome<readonly Outcome<Submission>[]> {
  if (!Array.isArray(batch) || batch.length > CLOUD_EVENT_BATCH_MAX)
    return unreadable(
      `a batch of CloudEvents must be a JSON array of at most ${CLOUD_EVENT_BATCH_MAX} events`,
    )
  return accepted(batch.map(fromCloudEvent))
}

/** What remains to be remembered of a CloudEvent, once the rest of its envelope is known. */
export function remainder(sent: CloudAttributes, envelope: Envelope): CloudAttributes {
  const derived = derivedAttributes(envelope, true)
  const kept: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(sent)) if (derived[name] !== value) kept[name] = value
  for (const name of Object.keys(derived)) if (!Object.hasOwn(sent, name)) kept[name] = null
  return kept
}

/**
 * An event that came as a CloudEvent goes out under the id and source it came with. Any other goes out under its
 * eventId, because two revisions of one nativeId are two events, and readers drop the second of equal ids.
 * Nothing is written that would be refused here when it was sent back.
 */
export function toCloudEvent(envelope: Envelope): Outcome<CloudEvent> {
  const known = readEnvelopeMembers(envelope)
  if (!known.ok) return known
  const event = cloudEventOf(envelope)
  const readable = fromCloudEvent(event)
  if (readable.ok) return accepted(event)
  const { code, detail, pointer } = readable.fault
  return refused(code, `the event fits no CloudEvent, send its envelope instead: ${detail}`, pointer)
}

function cloudEventOf(envelope: Envelope): CloudEvent {
  const { payload, cloudEvent, ...rest } = envelope
  const { data: mark, ...remembered } = cloudEvent ?? { datacontenttype: 'application/json' }
  const merged = { ...derivedAttributes(envelope, cloudEvent !== undefined), ...remembered }
  const attributes = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
  const carried = cloudEvent === undefined ? rest : { ...rest, cloudEvent }
  const whole = { ...attributes, [ENVELOPE_ATTRIBUTE]: canonicalJson(carried) }
  if (mark === DATA_ABSENT) return whole
  return mark === DATA_BINARY ? { ...whole, data_base64: payload } : { ...whole, data: payload }
}

/** The envelope inside a CloudEvent that `toCloudEvent` wrote; a fault where the two do not say the same. */
export function envelopeInCloudEvent(item: Json): Outcome<Envelope> {
  const event = fromCloudEvent(item)
  if (!event.ok) return event
  const carried = event.value.cloudEvent?.[ENVELOPE_ATTRIBUTE]
  if (typeof carried !== 'string')
    return unreadable(
      `the CloudEvent has no ${ENVELOPE_ATTRIBUTE} attribute, so no node of this kind wrote it`,
    )
  const json = parseCanonicalJson(carried)
  if (!json.ok) return json
  const envelope = isObject(json.value)
    ? readEnvelope({ ...json.value, payload: event.value.payload })
    : unreadable('the envelope must be a JSON object', pointerToken(ENVELOPE_ATTRIBUTE))
  if (!envelope.ok) return envelope
  const rewritten = toCloudEvent(envelope.value)
  return rewritten.ok && isObject(item) && sameInText(rewritten.value, item)
    ? envelope
    : unreadable(`the CloudEvent and the envelope in its ${ENVELOPE_ATTRIBUTE} attribute do not say the same`)
}

/** Whether two CloudEvents are one, once HTTP's binary mode has made every attribute a text. */
export function sameInText(a: CloudEvent, b: CloudEvent): boolean {
  const [textA, textB] = [canonicalize(textual(a)), canonicalize(textual(b))]
  return textA.ok && textB.ok && textA.value === textB.value
}

/** Values of the key `data` in an envelope's `cloudEvent`; no attribute can have that name. */
const DATA_ABSENT = 'absent'
const DATA_BINARY = 'base64'

function readAttributes(item: JsonObject): Outcome<CloudAttributes> {
  if (item['specversion'] !== '1.0')
    return unreadable('only CloudEvents of specversion "1.0" are read; send that version', '/specversion')
  const { data: _data, data_base64: _binary, ...context } = item
  // An attribute that is null counts as left out (JSON format, 2.2).
  const stated = Object.entries(context).filter(([, value]) => value !== null)
  const attributes = readCloudAttributes(Object.fromEntries(stated))
  if (!attributes.ok) return attributes
  for (const [name, check] of [
    ['id', envelopeChecks.nativeId],
    ['source', envelopeChecks.originSource],
    ['type', envelopeChecks.type],
  ] as const) {
    const wrong = check(attributes.value[name] ?? null)
    if (wrong !== undefined)
      return unreadable(`the attribute ${name} must be ${wrong.must}`, pointerToken(name))
  }
  return attributes
}

const readCloudAttributes = closedReader<CloudAttributes>(
  'CloudEvent attributes',
  'event-unreadable',
  envelopeChecks.cloudEvent,
)

function readData(item: JsonObject): Outcome<{ payload: Json; mark?: string }> {
  const { data, data_base64: binary, datacontenttype } = item
  if (binary !== undefined && data !== undefined)
    return unreadable('a CloudEvent has either data or data_base64', '/data_base64')
  if (binary !== undefined && binary !== null) {
    if (typeof binary === 'string' && isBase64(binary))
      return accepted({ payload: binary, mark: DATA_BINARY })
    return unreadable('data_base64 must be padded base64 (RFC 4648)', '/data_base64')
  }
  if (data === undefined) return accepted({ payload: null, mark: DATA_ABSENT })
  if (typeof datacontenttype === 'string' && !isJsonType(datacontenttype) && typeof data !== 'string')
    return unreadable('data of a datacontenttype other than JSON must be a string', '/data')
  return accepted({ payload: data })
}

/** The attributes that an envelope gives by itself. */
function derivedAttributes(envelope: Envelope, cameAsCloudEvent: boolean): CloudAttributes {
  const { eventId, sourceId, originSource, type, schemaRef, traceparent } = envelope
  const time = envelope.eventTimeText ?? writeTimestamp(envelope.eventTimeMs)
  return {
    specversion: '1.0',
    id: eventId,
    source: (cameAsCloudEvent ? originSource : undefined) ?? encodeURIComponent(sourceId),
    type,
    ...(time === undefined ? {} : { time }),
    ...(cameAsCloudEvent && schemaRef !== undefined ? { dataschema: schemaRef } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

/** Attributes that an envelope member cannot hold stay attributes: they are not refused for it. */
function fitting<M extends keyof CarriedMembers>(
  member: M,
  value: string | number | boolean | null | undefined,
): CarriedMembers {
  return typeof value === 'string' && envelopeChecks[member](value) === undefined ? { [member]: value } : {}
}

/** As HTTP's binary mode leaves it: every attribute text, and the implied content type said. */
function textual(item: JsonObject): JsonObject {
  const { data, data_base64, ...attributes } = item
  const stated = Object.entries(attributes).filter(([, value]) => value !== null)
  return {
    ...(data === undefined ? {} : { datacontenttype: 'application/json', data }),
    ...(data_base64 === undefined ? {} : { data_base64 }),
    ...Object.fromEntries(stated.map(([name, value]) => [name, String(value)])),
  }
}

function unreadable(detail: string, pointer?: string): Outcome<never> {
  return refused('event-unreadable', detail, pointer)
}
