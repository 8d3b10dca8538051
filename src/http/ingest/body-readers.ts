import type { IncomingHttpHeaders } from 'node:http'
import { isObject, parseJson } from '../../core/canonical-json.ts'
import { readSubmission, type Shape } from '../../core/event/adapters/recognize.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import type { Level } from '../../core/level.ts'
import type { ReceivedItem } from '../../ingest/arrived.ts'

export type BodyFormat =
  | { readonly kind: 'json' | 'ndjson' | 'cloud-event' | 'cloud-event-batch' | 'cloud-event-binary' }
  | { readonly kind: 'csv'; readonly delimiter: string }
export type StreamedFormat = Extract<BodyFormat, { kind: 'csv' }> | { readonly kind: 'ndjson' }
export type WholeBody = {
  readonly sourceId?: string
  readonly streamId?: string
  readonly processingOptions?: {
    readonly requireCertification?: boolean
    readonly distributionTopics?: readonly string[]
    readonly consensusLevel?: Level
    readonly backfill?: boolean
  }
  readonly items: readonly ReceivedItem[]
}
export function formatOf(headers: IncomingHttpHeaders): BodyFormat | undefined {
  const type = headers['content-type'] ?? 'application/json'
  return type.includes('ndjson') ? { kind: 'ndjson' } : type.includes('json') ? { kind: 'json' } : undefined
}
export function readWhole(
  bytes: Uint8Array,
  format: BodyFormat,
  { shape }: { headers: IncomingHttpHeaders; shape?: Shape },
): Outcome<WholeBody> {
  const item = (v: import('../../core/canonical-json.ts').Json) => ({
    submission: readSubmission(v, shape),
    flags: 0,
  })
  if (format.kind === 'ndjson')
    return accepted({
      items: Buffer.from(bytes)
        .toString()
        .split('\n')
        .filter(Boolean)
        .map(l => {
          const p = parseJson(l)
          return p.ok ? item(p.value) : { submission: p, flags: 0 }
        }),
    })
  const read = parseJson(bytes)
  if (!read.ok) return read
  if (Array.isArray(read.value)) return accepted({ items: read.value.map(item) })
  if (!isObject(read.value) || !Array.isArray(read.value['events']))
    return refused('event-unreadable', 'events[] required')
  const { events, ...rest } = read.value as { events: import('../../core/canonical-json.ts').Json[] }
  return accepted({ ...rest, items: events.map(item) })
}
export async function* readStreamed(
  chunks: AsyncIterable<Uint8Array>,
  _format: StreamedFormat,
  { shape }: { headers: IncomingHttpHeaders; shape?: Shape },
): AsyncIterable<readonly ReceivedItem[]> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + Buffer.from(chunk).toString()).split('\n')
    rest = lines.pop() ?? ''
    yield lines.filter(Boolean).map(l => {
      const p = parseJson(l)
      return { submission: p.ok ? readSubmission(p.value, shape) : p, flags: 0 }
    })
  }
  if (rest) yield [{ submission: readSubmission(JSON.parse(rest), shape), flags: 0 }]
}

export async function inflateWhole(
  bytes: Uint8Array,
  encoding: string,
  bytesMax: number,
): Promise<Outcome<Uint8Array>> {
  const { gunzipSync } = await import('node:zlib')
  return encoding === 'gzip'
    ? accepted(gunzipSync(bytes, { maxOutputLength: bytesMax }))
    : refused('event-unreadable', 'x')
}
export function inflateStream(
  chunks: AsyncIterable<Uint8Array>,
  _encoding: string,
): AsyncIterable<Uint8Array> {
  return chunks
}
