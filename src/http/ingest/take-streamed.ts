import { FaultError } from '../../core/fault.ts'
import type { Source } from '../../core/registry/source.ts'
import type { StreamedFormat } from '../../ingest/formats/body-format.ts'
import { readStreamed } from '../../ingest/formats/read-streamed.ts'
import { mostAtOnce } from '../../ingest/most-at-once.ts'
import { streamFor } from '../../ingest/stream-for.ts'
import type { Problem } from '../problem.ts'
import { BodyCutOffError, BodySilentError, requestBytes } from '../request-bytes.ts'
import { ReaderGoneError } from './answer-lines.ts'
import { encodingOf, inflateLimits, inflateStream } from './inflate.ts'
import type { IngestLimits } from './ingest-limits.ts'
import {
  arrivedAs,
  type Opened,
  type TakenRequest,
  type TakeRequestDeps,
  topicsFor,
} from './opened-request.ts'
import { bodyFault, endedIn, refusalProblem } from './refusals.ts'
import { sayTogether } from './said.ts'
import { openTaking, type Taking } from './take-in.ts'

type OpenedStream = Opened & { readonly source: Source; readonly format: StreamedFormat }

/**
 * Whether a body is worked on as it comes. One that is signed cannot be, as its signature holds for all of it or
 * nothing; and under an Idempotency-Key all of it goes to the log together.
 */
export function isStreamed(
  opened: Opened & { readonly source: Source },
  { streamedBytesMin }: IngestLimits,
): opened is OpenedStream {
  const { exchange, format, source, asked } = opened
  const { 'content-length': length, 'content-encoding': encoding } = exchange.request.headers
  const isLong = length === undefined || Number(length) >= streamedBytesMin || encoding !== undefined
  return (
    (format.kind === 'ndjson' || format.kind === 'csv') &&
    exchange.body.kind === 'unread' &&
    source.authentication === 'none' &&
    asked.idempotencyKey === undefined &&
    isLong
  )
}

/** A body of any length with the memory of a short one; undefined where its client has left. */
export async function takeStreamed(
  opened: OpenedStream,
  deps: TakeRequestDeps,
): Promise<TakenRequest | Problem | undefined> {
  const { asked, source, exchange, address } = opened
  const said = sayTogether(asked)
  if ('code' in said) return said
  const found = await streamFor(source, said.streamId, deps.registry.stream)
  if ('why' in found) return refusalProblem(found)
  const encoding = encodingOf(exchange.request.headers['content-encoding'])
  if (!encoding.ok) return bodyFault(encoding.fault)
  const place = deps.streams.enter(address ?? '')
  if (place === undefined)
    return {
      code: 'busy',
      detail: 'as many long bodies are under way as this node takes at once, or from one address',
      retryAfterSeconds: 5,
    }
  const startedMs = performance.now()
  const sender = { authenticated: 'none' } as const
  const { limits } = deps
  const bytes = counted(requestBytes(exchange.request, limits.silenceMsMax, limits.streamMsMax))
  const most = mostAtOnce(source.limits, found.stream.limits, deps.routeLimits[exchange.path])
  const taking = openTaking({
    ...deps,
    batchItemsMax: Math.min(limits.batchItemsMax, most),
    itemAnswersMax: limits.itemAnswersMax,
    patience: { for: 'each', secondsMax: limits.waitSecondsMax },
    arrivedWith: () => ({ ...arrivedAs(exchange, source, sender, said, deps), bytes: bytes.sinceLast() }),
    ...(opened.lines !== undefined && { onTaken: opened.lines.write }),
  })
  try {
    const plain = inflateStream(bytes.chunks, encoding.value, {
      ...inflateLimits,
      bytesMax: limits.unpackedBytesMax,
    })
    await pushAll(opened, plain, taking)
    const taken = await taking.end()
    const latencyMs = performance.now() - startedMs
    return { taken, source, sender, ...topicsFor(exchange, said, found.stream), latencyMs }
  } catch (error) {
    return await endedBy(error, taking)
  } finally {
    place.leave()
  }
}

async function pushAll(
  { format, source: { shape } }: OpenedStream,
  chunks: AsyncIterable<Uint8Array>,
  taking: Taking,
): Promise<void> {
  for await (const items of readStreamed(chunks, format, shape === undefined ? {} : { shape }))
    if (!(await taking.push(items))) return
}

/** What came before the end is in the log, or will be in a moment; the answer says how much. */
async function endedBy(error: unknown, taking: Taking): Promise<Problem | undefined> {
  if (error instanceof BodyCutOffError || error instanceof ReaderGoneError) return undefined
  const problem = problemOf(error)
  if (problem === undefined) throw error
  return endedIn(problem, await taking.end())
}

function problemOf(error: unknown): Problem | undefined {
  if (error instanceof FaultError) return bodyFault(error.fault)
  if (error instanceof BodySilentError) return { code: 'body-timeout', detail: error.message }
  return undefined
}

/** How much has come over the wire, told piece by piece. */
function counted(source: AsyncIterable<Uint8Array>) {
  let told = 0
  let come = 0
  async function* chunks() {
    for await (const chunk of source) {
      come += chunk.length
      yield chunk
    }
  }
  return {
    chunks: chunks(),
    sinceLast() {
      const since = come - told
      told = come
      return since
    },
  }
}
