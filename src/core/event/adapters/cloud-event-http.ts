import { fromUtf8, utf8 } from '../../bytes.ts'
import { canonicalize, type Json, type JsonObject, parseJson, pointerToken } from '../../canonical-json.ts'
import { accepted, type Outcome, refused } from '../../fault.ts'
import { attributeValue, CLOUD_ATTRIBUTE_CHARS_MAX, isAttributeName } from '../read-envelope.ts'
import { type CloudEvent, sameInText } from './cloud-event.ts'
import { fromBase64, isBase64, isJsonType, isUtf8, isUtf8TextType, toBase64 } from './media.ts'

/** CloudEvents over HTTP, binary mode: attributes are headers, data is the body. */
export type HttpMessage = {
  readonly headers: { readonly [name: string]: string }
  readonly body: Uint8Array
}

/** Headers as servers hand them over, names in any case. */
export type HttpHeaders = { readonly [name: string]: string | readonly string[] | undefined }

/** An attribute of the greatest length, each character of it in percent-encoded UTF-8. */
const HEADER_CHARS_MAX = 12 * CLOUD_ATTRIBUTE_CHARS_MAX

export type ContentMode = 'structured' | 'batch' | 'binary'

/** How a request carries its CloudEvent, or undefined where it carries none. */
export function contentMode(headers: HttpHeaders): ContentMode | undefined {
  const lower = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const mediaType = String(lower['content-type'] ?? '').toLowerCase()
  if (mediaType.startsWith('application/cloudevents-batch')) return 'batch'
  if (mediaType.startsWith('application/cloudevents')) return 'structured'
  return lower['ce-specversion'] === undefined ? undefined : 'binary'
}

/** The JSON form of a binary-mode message. What reads that form does the rest of the checking. */
export function fromBinaryMode(message: { headers: HttpHeaders; body: Uint8Array }): Outcome<CloudEvent> {
  const attributes = readHeaders(message.headers)
  if (!attributes.ok) return attributes
  const { datacontenttype } = attributes.value
  const event: JsonObject = attributes.value
  const { body } = message
  if (body.length === 0) return accepted(event)
  if (datacontenttype !== undefined && isJsonType(datacontenttype)) {
    const data = parseJson(body)
    return data.ok ? accepted({ ...event, data: data.value }) : data
  }
  const text = datacontenttype !== undefined && isUtf8TextType(datacontenttype) ? fromUtf8(body) : undefined
  return accepted(text === undefined ? { ...event, data_base64: toBase64(body) } : { ...event, data: text })
}

/**
 * What kind of data an event has, binary mode says by its content type alone: text sent as base64, for one, comes
 * out as text. An event that would not read back as it was is refused.
 */
export function toBinaryMode(event: CloudEvent): Outcome<HttpMessage> {
  const message = messageOf(event)
  if (!message.ok) return message
  const back = fromBinaryMode(message.value)
  return back.ok && sameInText(back.value, event)
    ? message
    : refused('event-unreadable', 'binary mode would not give this event back as it is; use structured mode')
}

function messageOf(event: CloudEvent): Outcome<HttpMessage> {
  const { data, data_base64: binary, datacontenttype, ...attributes } = event
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) continue
    if (!isAttributeName(name) || attributeValue(value) !== undefined)
      return refused('event-unreadable', 'a member of the event is no CloudEvents attribute')
    headers[`ce-${name}`] = percentEncode(String(value))
  }

  // Without a type, JSON data is JSON by implication; on the wire it must be said (JSON format, 3.1.2).
  const mediaType = datacontenttype ?? (data === undefined ? undefined : 'application/json')
  if (mediaType !== undefined && mediaType !== null) {
    if (typeof mediaType !== 'string' || !/^[!-~](?:[ -~]*[!-~])?$/.test(mediaType))
      return refused(
        'event-unreadable',
        'the datacontenttype must be a media type in printable ASCII',
        '/datacontenttype',
      )
    headers['content-type'] = mediaType
  }

  if (binary !== undefined)
    return typeof binary === 'string' && isBase64(binary)
      ? accepted({ headers, body: fromBase64(binary) })
      : refused('event-unreadable', 'data_base64 must be padded base64 (RFC 4648)', '/data_base64')
  if (data === undefined) return accepted({ headers, body: new Uint8Array(0) })
  const body = bodyOf(data, String(mediaType))
  return body.ok ? accepted({ headers, body: body.value }) : body
}

function bodyOf(data: Json, mediaType: string): Outcome<Uint8Array> {
  if (isJsonType(mediaType)) {
    const json = canonicalize(data)
    return json.ok ? accepted(utf8(json.value)) : json
  }
  if (typeof data === 'string' && data.isWellFormed() && isUtf8(mediaType)) return accepted(utf8(data))
  return refused(
    'event-unreadable',
    'binary mode sends data that is not JSON as UTF-8, which this data is not; use structured mode',
    '/data',
  )
}

function readHeaders(headers: HttpHeaders): Outcome<Record<string, string>> {
  const attributes: Record<string, string> = {}
  for (const [header, value] of Object.entries(headers)) {
    const name = attributeOf(header)
    if (name === undefined || value === undefined) continue
    // Data is the body: a header of that name would put a second one beside it.
    if (!isAttributeName(name) || name === 'data') return unreadableHeader('names no CloudEvents attribute')
    if (typeof value !== 'string' || Object.hasOwn(attributes, name))
      return unreadableHeader('occurs more than once', pointerToken(name))
    const text = name === 'datacontenttype' ? value : percentDecode(value)
    if (text === undefined)
      return unreadableHeader(
        `is not percent-encoded UTF-8 of at most ${HEADER_CHARS_MAX} characters`,
        pointerToken(name),
      )
    attributes[name] = text
  }
  return accepted(attributes)
}

/** The content type has a header of its own; a `ce-datacontenttype` beside it must not be (3.1.1). */
function attributeOf(header: string): string | undefined {
  const name = header.toLowerCase()
  if (name === 'content-type') return 'datacontenttype'
  return name.startsWith('ce-') ? name.slice(3) : undefined
}

function percentEncode(text: string): string {
  return text.replace(/[^!-~]|["%]/gu, encodeURIComponent)
}

/** Quoted strings are older senders' way; percent-encoding is undone once, after them (3.1.3.2). */
function percentDecode(header: string): string | undefined {
  if (header.length > HEADER_CHARS_MAX || !/^[\t -~]*$/.test(header)) return undefined
  const trimmed = header.trim()
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(trimmed)?.[1]
  try {
    return decodeURIComponent(quoted === undefined ? trimmed : quoted.replace(/\\(.)/g, '$1'))
  } catch {
    // Its only complaint is "not percent-encoded UTF-8", which is exactly what undefined says.
    return undefined
  }
}

function unreadableHeader(what: string, pointer?: string): Outcome<never> {
  return refused('event-unreadable', `a ce- header ${what}`, pointer)
}
