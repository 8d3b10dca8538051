import type { HttpHeaders } from '../../core/event/adapters/cloud-event-http.ts'
import { isUtf8 } from '../../core/event/adapters/media.ts'

export type BodyFormat =
  | StreamedFormat
  | { readonly kind: 'json' | 'cloud-event' | 'cloud-event-batch' | 'cloud-event-binary' }

/** Those that can be read as they come. */
export type StreamedFormat =
  | { readonly kind: 'ndjson' }
  | { readonly kind: 'csv'; readonly delimiter: string }

/** What the body of a request is, by its headers; undefined where it is nothing that we read. */
export function formatOf(headers: HttpHeaders): BodyFormat | undefined {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const mediaType = lower.get('content-type') ?? ''
  if (typeof mediaType !== 'string') return undefined

  const essence = (mediaType.split(';', 1)[0] ?? '').trim().toLowerCase()
  // CloudEvents over HTTP, 3: these types go before the headers of binary mode, whose bodies can be of any other.
  const isCloudEvent = essence.startsWith('application/cloudevents')
  if (!isCloudEvent && attributesOfEvents.some(name => lower.has(name))) return { kind: 'cloud-event-binary' }
  if (!isUtf8(mediaType)) return undefined
  return essence === 'text/csv' ? csvFormat(mediaType) : formats.get(essence)
}

/** Any one of them: without the others it is a CloudEvent that lacks something, and no event of another kind. */
const attributesOfEvents = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type']

const formats = new Map<string, BodyFormat>([
  ['', { kind: 'json' }],
  ['application/json', { kind: 'json' }],
  ['application/x-ndjson', { kind: 'ndjson' }],
  ['application/ndjson', { kind: 'ndjson' }],
  ['application/jsonl', { kind: 'ndjson' }],
  ['application/cloudevents+json', { kind: 'cloud-event' }],
  ['application/cloudevents-batch+json', { kind: 'cloud-event-batch' }],
])

const delimiters = new Map([
  ['comma', ','],
  ['semicolon', ';'],
  ['tab', '\t'],
  ['pipe', '|'],
])
const delimiterSigns = new Set([...delimiters.values(), '\\t'])

function csvFormat(mediaType: string): BodyFormat | undefined {
  const parameters = parametersOf(mediaType)
  // RFC 4180's parameter. Without a header row the columns have no names.
  if (parameters.get('header')?.toLowerCase() === 'absent') return undefined
  const wanted = parameters.get('delimiter') ?? ','
  const sign = delimiters.get(wanted.toLowerCase()) ?? (delimiterSigns.has(wanted) ? wanted : undefined)
  return sign === undefined ? undefined : { kind: 'csv', delimiter: sign === '\\t' ? '\t' : sign }
}

function parametersOf(mediaType: string): Map<string, string> {
  const found = mediaType.matchAll(/;\s*([^\s=;"]+)\s*=\s*(?:"([^"]*)"|([^;\s"]*))/g)
  return new Map([...found].map(([, name = '', quoted, bare]) => [name.toLowerCase(), quoted ?? bare ?? '']))
}
