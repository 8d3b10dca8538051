import { utf8 } from '../../../src/core/bytes.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { accepted, type FaultCode, type Outcome } from '../../../src/core/fault.ts'
import { type ReadItem, readReceived } from '../../../src/ingest/arrived.ts'
import type { BodyFormat, StreamedFormat } from '../../../src/ingest/formats/body-format.ts'
import { readStreamed, type StreamOptions } from '../../../src/ingest/formats/read-streamed.ts'
import { readWhole } from '../../../src/ingest/formats/read-whole.ts'
import type { ReadOptions, WholeBody } from '../../../src/ingest/formats/whole-body.ts'

export const json: BodyFormat = { kind: 'json' }
export const ndjson = { kind: 'ndjson' } as const
export const csv = { kind: 'csv', delimiter: ',' } as const

type ReadBody = Omit<WholeBody, 'items'> & { readonly items: readonly ReadItem[] }

export function read(
  body: string | Uint8Array,
  format: BodyFormat,
  options: Partial<ReadOptions> = {},
): Outcome<ReadBody> {
  const whole = readWhole(typeof body === 'string' ? utf8(body) : body, format, { headers: {}, ...options })
  return whole.ok ? accepted({ ...whole.value, items: whole.value.items.map(readReceived) }) : whole
}

/** Each item in short: the payload, or the code of what is wrong with it. */
export function brief(items: readonly ReadItem[]): (Json | { refused: FaultCode })[] {
  return items.map(({ submission }) =>
    submission.ok ? submission.value.payload : { refused: submission.fault.code },
  )
}

export function briefly(body: Outcome<ReadBody>) {
  return body.ok ? brief(body.value.items) : body.fault.code
}

/** What the answer says of each item that is refused. */
export function complaints(items: readonly ReadItem[]): string[] {
  return items.flatMap(({ submission }) => (submission.ok ? [] : [submission.fault.detail]))
}

export async function streamed(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  format: StreamedFormat,
  options: StreamOptions = {},
): Promise<ReadItem[]> {
  const items: ReadItem[] = []
  for await (const batch of readStreamed(oneByOne(chunks), format, options))
    items.push(...batch.map(readReceived))
  return items
}

export async function* oneByOne(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  yield* chunks
}

export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map(place => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}
