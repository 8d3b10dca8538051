import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import type { MixtureItem } from './naive-model.ts'

export const bodyFormats = [
  'array',
  'events',
  'overlay',
  'ndjson',
  'csv',
  'cloud-structured',
  'cloud-batch',
  'cloud-binary',
] as const
export type MixtureFormat = (typeof bodyFormats)[number]

export const codings = ['identity', 'gzip', 'deflate', 'br'] as const
export type Coding = (typeof codings)[number]

export type MixtureBody = {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What a publisher would post, to the byte the same each time. */
export function bodyOf(
  format: MixtureFormat,
  coding: Coding,
  sourceId: string,
  items: readonly SentItem[],
): MixtureBody {
  const { path, headers, text } = encoders[format](sourceId, items)
  return {
    path,
    headers: { ...headers, ...(coding !== 'identity' && { 'content-encoding': coding }) },
    body: compress[coding](Buffer.from(text)),
  }
}

/** As the item is written, with the id and time that its writer gave it. */
export type SentItem = MixtureItem & {
  /** Which of the wrong forms, where it is malformed. */
  readonly flaw: number
  readonly id?: string
  /** As a number where a format has both ways. */
  readonly timeAsNumber?: boolean
}

type Encoded = { readonly path: string; readonly headers: Record<string, string>; readonly text: string }
type Encode = (sourceId: string, items: readonly SentItem[]) => Encoded

const compress: Readonly<Record<Coding, (bytes: Uint8Array) => Uint8Array>> = {
  identity: bytes => bytes,
  gzip: bytes => gzipSync(bytes, { level: 1 }),
  deflate: bytes => deflateSync(bytes, { level: 1 }),
  br: bytes => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
}

const ingest = (sourceId: string) => `/ingest/events?sourceId=${sourceId}`
const json = { 'content-type': 'application/json' }

const encoders: Readonly<Record<MixtureFormat, Encode>> = {
  array: (sourceId, items) => ({
    path: ingest(sourceId),
    headers: json,
    text: JSON.stringify(items.map(overlayItem)),
  }),
  events: (sourceId, items) => ({
    path: '/ingest/events',
    headers: json,
    text: JSON.stringify({ sourceId, events: items.map(overlayItem) }),
  }),
  overlay: (sourceId, items) => ({
    path: '/overlay/events/ingest',
    headers: json,
    text: JSON.stringify({
      sourceId,
      events: items.map(overlayItem),
      processingOptions: { requireCertification: true, distributionTopics: ['gitdata.events.mixture'] },
    }),
  }),
  ndjson: (sourceId, items) => ({
    path: ingest(sourceId),
    headers: { 'content-type': 'application/x-ndjson' },
    text: items.map(item => `${overlayLine(item)}\n`).join(''),
  }),
  csv: (sourceId, items) => ({
    path: ingest(sourceId),
    headers: { 'content-type': 'text/csv' },
    text: ['id,at,reading,note', ...items.map(csvRow)].map(row => `${row}\r\n`).join(''),
  }),
  'cloud-structured': (sourceId, items) => ({
    path: ingest(sourceId),
    headers: { 'content-type': 'application/cloudevents+json' },
    text: JSON.stringify(cloudEvent(only(items))),
  }),
  'cloud-batch': (sourceId, items) => ({
    path: ingest(sourceId),
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    text: JSON.stringify(items.map(cloudEvent)),
  }),
  'cloud-binary': (sourceId, items) => {
    const { data, datacontenttype, ...attributes } = cloudEvent(only(items))
    const headers = Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [`ce-${name}`, String(value)]),
    )
    return {
      path: ingest(sourceId),
      headers: { 'content-type': datacontenttype, ...headers },
      text: JSON.stringify(data),
    }
  },
}

/** Formats that carry one event a request. */
export const oneByOne: ReadonlySet<MixtureFormat> = new Set(['cloud-structured', 'cloud-binary'])

export const CLOUD_SOURCE = '/mixture/sensors'

function overlayItem(item: SentItem): unknown {
  if (item.malformed) return flaws[item.flaw % flaws.length]
  const { id, timeMs, timeAsNumber, seq } = item
  return {
    eventType: 'reading',
    data: item.payload,
    ...(id !== undefined && { externalId: id }),
    ...(timeMs !== undefined && { timestamp: timeAsNumber ? timeMs : timeText(timeMs) }),
    ...(seq !== undefined && { sourceSeq: seq }),
    ...(item.private && { policyTags: ['PII'] }),
  }
}

/** JSON that is no event of this shape. */
const flaws: readonly unknown[] = [
  17,
  null,
  'text',
  { eventType: 'reading', data: { a: 1 }, timestamp: 'yesterday' },
  { eventType: 'reading', data: { a: 1 }, timestamp: '2023-02-30T00:00:00Z' },
  { eventType: 'reading', data: { a: 1 }, externalId: '' },
  { eventType: 'reading', data: { a: 1 }, sourceSeq: -1 },
  { eventType: 'reading', data: { a: 2 ** 53 } },
  { eventType: 'reading', data: { a: 1 }, unheardOf: true },
]

function overlayLine(item: SentItem): string {
  return item.malformed && item.flaw % 3 === 0 ? '{"eventType":"reading",' : JSON.stringify(overlayItem(item))
}

function csvRow(item: SentItem): string {
  if (item.malformed) return item.flaw % 2 === 0 ? 'one,two' : 'a,b,c,d,e'
  const fields = Object.values(Object(item.payload)).map(String)
  return fields.map(field => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')
}

/** A row is its own payload, id and time in it. */
export function csvPayload(id: string, timeMs: number, reading: number, note: string) {
  return { id, at: timeText(timeMs), reading: String(reading), note }
}

function cloudEvent(item: SentItem) {
  const { id, timeMs } = item
  return {
    specversion: '1.0',
    type: 'org.example.reading',
    source: CLOUD_SOURCE,
    // An event without its id is none.
    ...(!item.malformed && { id: id ?? '' }),
    ...(timeMs !== undefined && { time: timeText(timeMs) }),
    datacontenttype: 'application/json',
    data: item.payload,
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

function only(items: readonly SentItem[]): SentItem {
  const [item] = items
  if (item === undefined || items.length !== 1) throw new Error('this format carries one event a request')
  return item
}
