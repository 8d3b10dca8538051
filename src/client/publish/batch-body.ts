import { concat, concatAll, utf8 } from '../../core/bytes.ts'
import type { Level } from '../../core/level.ts'

/** Whose events they are, and what becomes of them. */
export type Destination = {
  readonly sourceId: string
  /** One of the source's streams; its first one where nothing is said. */
  readonly streamId?: string
  /** What they are certified at; the stream's own level where nothing is said. */
  readonly level?: Level
  /** That they were fetched later. */
  readonly backfill?: boolean
}

export type BatchBody = {
  readonly query: string
  readonly contentType: string
  readonly contentEncoding?: 'gzip'
  readonly bytes: Uint8Array
}

/** Smaller bodies come out larger. */
const PACKED_FROM_BYTES = 1024
/** A body that unpacks to more than so many times its size is refused, where it is also above the free size. */
const UNPACKED_TIMES_MAX = 200
const UNPACKED_FREE_BYTES = 1024 * 1024

/** NDJSON, with what it is about in the query; or, where the query is not signed for, all of it as JSON. */
export function batchBody(
  lines: readonly Uint8Array[],
  destination: Destination,
  { queryIsSigned }: { readonly queryIsSigned: boolean },
): BatchBody {
  const { sourceId, streamId, level, backfill } = destination
  if (queryIsSigned) {
    const query = new URLSearchParams({
      sourceId,
      ...(streamId !== undefined && { streamId }),
      ...(level !== undefined && { level }),
      ...(backfill && { backfill: 'true' }),
    })
    const newline = utf8('\n')
    return {
      query: `?${query}`,
      contentType: 'application/x-ndjson',
      bytes: concatAll(lines.flatMap(line => [line, newline])),
    }
  }
  const processingOptions = {
    ...(level !== undefined && { consensusLevel: level }),
    ...(backfill && { backfill }),
  }
  const head = JSON.stringify({ sourceId, ...(streamId !== undefined && { streamId }), processingOptions })
  const comma = utf8(',')
  const events = concatAll(lines.flatMap((line, i) => (i === 0 ? [line] : [comma, line])))
  return {
    query: '',
    contentType: 'application/json',
    bytes: concat(utf8(`${head.slice(0, -1)},"events":[`), events, utf8(']}')),
  }
}

/** The same, packed where that makes it smaller and a node takes it. */
export async function packed(body: BatchBody): Promise<BatchBody> {
  if (body.bytes.length < PACKED_FROM_BYTES) return body
  const stream = new Blob([new Uint8Array(body.bytes)]).stream().pipeThrough(new CompressionStream('gzip'))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  const isRefused =
    body.bytes.length > UNPACKED_FREE_BYTES && body.bytes.length > UNPACKED_TIMES_MAX * bytes.length
  if (isRefused || bytes.length >= body.bytes.length) return body
  return { ...body, bytes, contentEncoding: 'gzip' }
}
