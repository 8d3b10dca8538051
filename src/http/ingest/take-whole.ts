import { createHash } from 'node:crypto'
import type { Source } from '../../core/registry/source.ts'
import type { Arrived, Idempotency } from '../../ingest/arrived.ts'
import { readWholeInTurns } from '../../ingest/formats/read-whole.ts'
import type { WholeBody } from '../../ingest/formats/whole-body.ts'
import { mostAtOnce } from '../../ingest/most-at-once.ts'
import { streamFor } from '../../ingest/stream-for.ts'
import type { Rest } from '../../runtime/take-turns.ts'
import type { Problem } from '../problem.ts'
import { admitSource } from './admit-source.ts'
import { inflate, inflateLimits } from './inflate.ts'
import type { IngestLimits } from './ingest-limits.ts'
import {
  arrivedAs,
  type Opened,
  type TakenRequest,
  type TakeRequestDeps,
  topicsFor,
} from './opened-request.ts'
import { noRoom, type ReadBody, readBody } from './read-body.ts'
import { bodyFault, refusalProblem } from './refusals.ts'
import { sayTogether } from './said.ts'
import { proveSender, type Sender } from './sender.ts'
import { openTaking } from './take-in.ts'
import { count, noCounts, type Taken } from './taken.ts'

/** A request whose body is read whole; undefined where its client has left. */
export async function takeWhole(
  opened: Opened,
  deps: TakeRequestDeps,
): Promise<TakenRequest | Problem | undefined> {
  const body = await readBody(opened.exchange, deps.limits, deps.room)
  if (body === undefined || 'code' in body) return body
  try {
    return await takeBody(opened, body, deps)
  } finally {
    body.release()
  }
}

async function takeBody(
  opened: Opened,
  body: ReadBody,
  deps: TakeRequestDeps,
): Promise<TakenRequest | Problem> {
  const startedMs = performance.now()
  // Before anything is made of it, where that is possible: what nobody has signed shall cost little.
  const early = opened.source === undefined ? undefined : await prove(opened.source, opened, body, deps)
  if (early !== undefined && 'code' in early) return early
  const plain = await unpack(body, deps)
  if ('code' in plain) return plain
  const rest = deps.turns()
  const read = await readItems(plain.bytes, opened, opened.source, deps.limits, rest)
  if ('code' in read) return read
  const said = sayTogether(opened.asked, read)
  if ('code' in said) return said

  const source = opened.source ?? (await admitSource(said.sourceId, opened.address, deps))
  if ('code' in source) return source
  const sender = early ?? (await prove(source, opened, body, deps))
  if ('code' in sender) return sender
  // Who it is of decides what its items are, where the source has them of one shape only.
  const again =
    source.shape !== opened.source?.shape
      ? await readItems(plain.bytes, opened, source, deps.limits, rest)
      : read
  if ('code' in again) return again

  // Also where there are no events: whether there is such a stream is not for everybody to know.
  const found = await streamFor(source, said.streamId, deps.registry.stream)
  if ('why' in found) return refusalProblem(found)
  const idempotency = idempotencyOf(opened, source, sender, plain.bytes)
  const limits = [source.limits, found.stream.limits, deps.routeLimits[opened.exchange.path]]
  const batchItemsMax = Math.min(deps.limits.batchItemsMax, mostAtOnce(...limits))
  const taken = await takeItems(
    again.items,
    opened,
    { ...deps, batchItemsMax },
    {
      ...arrivedAs(opened.exchange, source, sender, said, deps),
      bytes: body.bytes.length,
      ...(idempotency !== undefined && { idempotency }),
    },
  )
  const latencyMs = performance.now() - startedMs
  return { taken, source, sender, ...topicsFor(opened.exchange, said, found.stream), latencyMs }
}

async function prove(
  source: Source,
  { exchange, format }: Opened,
  { bytes, exact }: ReadBody,
  deps: TakeRequestDeps,
): Promise<Sender | Problem> {
  if (source.authentication !== 'none' && format.kind === 'cloud-event-binary')
    return {
      code: 'bad-request',
      detail: 'in binary mode the attributes of a CloudEvent are headers, which no signature covers',
      hint: 'send it in structured mode, as application/cloudevents+json',
    }
  const { target, request, provenKey } = exchange
  const signed = {
    target,
    headers: request.headers,
    bytes: exact ? bytes : undefined,
    ...(provenKey !== undefined && { provenKey }),
  }
  return proveSender(source, signed, deps)
}

async function unpack(
  { bytes, encoding, hold }: ReadBody,
  { limits }: TakeRequestDeps,
): Promise<{ readonly bytes: Uint8Array } | Problem> {
  if (encoding === 'identity') return { bytes }
  const plain = await inflate(bytes, encoding, { ...inflateLimits, bytesMax: limits.bodyBytesMax })
  if (!plain.ok) return bodyFault(plain.fault)
  return hold(plain.value.length) ? { bytes: plain.value } : noRoom
}

async function readItems(
  bytes: Uint8Array,
  { exchange, format }: Opened,
  source: Source | undefined,
  { bodyBytesMax: bytesMax, itemsMax }: IngestLimits,
  rest: Rest,
): Promise<WholeBody | Problem> {
  const { shape } = source ?? {}
  const { headers } = exchange.request
  const options = { headers, bytesMax, itemsMax, ...(shape !== undefined && { shape }) }
  const read = await readWholeInTurns(bytes, format, options, rest)
  return read.ok ? read.value : bodyFault(read.fault)
}

/** A signed message has an id of its own; others may be given a key. */
function idempotencyOf(
  { exchange, asked }: Opened,
  { sourceId }: Source,
  { messageId }: Sender,
  bytes: Uint8Array,
): Idempotency | undefined {
  const key = messageId ?? asked.idempotencyKey
  if (key === undefined) return undefined
  const scope = `${sourceId} ${messageId === undefined ? exchange.path : 'webhook-id'}`
  // The query says what is done with the body, so it is part of what the key stands for.
  const bodyHash = createHash('sha256').update(exchange.target).update('\n').update(bytes).digest('hex')
  return { scope, key, bodyHash }
}

/** Under a key all of them together, or nothing; else batch by batch, so that others have their turn in between. */
async function takeItems(
  items: WholeBody['items'],
  { lines }: Opened,
  deps: TakeRequestDeps & { readonly batchItemsMax: number },
  arrived: Omit<Arrived, 'items'>,
): Promise<Taken> {
  const { limits, accept } = deps
  if (items.length === 0) return { items: [], counts: noCounts() }
  if (arrived.idempotency === undefined) {
    const bytesEach = arrived.bytes / items.length
    const taking = openTaking({
      ...deps,
      itemAnswersMax: limits.itemAnswersMax,
      patience: { for: 'the-rest', secondsMax: limits.waitSecondsMax },
      arrivedWith: count => ({ ...arrived, bytes: Math.round(bytesEach * count) }),
      ...(lines !== undefined && { onTaken: lines.write }),
    })
    await taking.push(items)
    return taking.end()
  }
  const outcome = await accept({ ...arrived, items })
  if (outcome.kind === 'refused') return { items: [], counts: noCounts(), refusal: outcome.refusal }
  const counts = noCounts()
  count(outcome.items, counts)
  await lines?.write(outcome.items, 0)
  return { items: outcome.items.slice(0, limits.itemAnswersMax), counts, replayed: outcome.replayed }
}
