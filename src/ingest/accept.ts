import type { Level } from '../core/level.ts'
import { type AdmittedItem, admitItem, submissionIn } from './admit-item.ts'
import type { AppendEvents, Offer, OfferedItem } from './append.ts'
import { type Accept, type AcceptRefusal, type Arrived, bytesHeldBy, readReceived } from './arrived.ts'
import { lineStyleOf } from './line-style.ts'
import { OfferedLines } from './offered-lines.ts'
import { type FindStream, streamFor } from './stream-for.ts'
import { writeEvent } from './write-event.ts'

export type AcceptDeps = {
  readonly findStream: FindStream
  /** What was read of streams before may be out of date. */
  forgetStreams(): void
  readonly append: AppendEvents
  /** Whether the log would turn away what it is offered now. */
  isFull?(): boolean
  /** 16 bytes nobody can guess. */
  randomKey(): Uint8Array
  /** Of each request: called between its items, a promise where others go first. Large ones can take a second. */
  turns?(): () => Promise<void> | undefined
}

/** A stream's policy does not change as often as that between two looks at it. */
const POLICY_TRIES_MAX = 5

/** Admit each item, offer all of them to the log, and again where the stream's policy has changed meanwhile. */
export function openAccept(deps: AcceptDeps): Accept {
  return async arrived => {
    let key: string | Uint8Array | undefined = arrived.idempotency?.key
    // Only what has no identity at all needs one.
    const arrivalKey = () => {
      key ??= deps.randomKey()
      return key
    }
    for (let tries = 1; ; tries++) {
      // What would be turned away need not be read.
      if (deps.isFull?.()) return { kind: 'refused', refusal: { why: 'backlog', retryAfterS: 1 } }
      const offer = await makeOffer(arrived, arrivalKey, deps)
      if ('why' in offer) return { kind: 'refused', refusal: offer }
      const outcome = await deps.append(offer)
      if (outcome.kind !== 'stale-policy') return outcome
      if (tries === POLICY_TRIES_MAX) return { kind: 'refused', refusal: { why: 'backlog', retryAfterS: 1 } }
      deps.forgetStreams()
    }
  }
}

async function makeOffer(
  arrived: Arrived,
  arrivalKey: () => string | Uint8Array,
  { findStream, turns }: AcceptDeps,
): Promise<Offer | AcceptRefusal> {
  const { source, authenticated, connector, receivedMs, bytes, items } = arrived
  const { idempotency, releases, continued, countsAlso } = arrived
  const found = await streamFor(source, arrived.streamId, findStream)
  if ('why' in found) return found
  const { stream } = found

  const backfill = arrived.backfill === true
  const admission = { source, receivedMs, backfill, ...found }
  const rest = turns?.()
  const style = lineStyleOf(source, stream, connector)
  const lines = new OfferedLines(items.length * LINE_BYTES_EXPECTED)
  const offered: OfferedItem[] = []
  let keptBytes = 0
  const offer = (item: AdmittedItem) =>
    item.kind === 'event'
      ? writeEvent(item, { arrived, arrivalKey, stream, style, lines, index: offered.length })
      : item
  for (const item of items) {
    offered.push(offer(admitItem(readReceived(item), admission)))
    keptBytes += bytesHeldBy(item)
    const turn = rest?.()
    if (turn !== undefined) await turn
  }
  const level: Level = arrived.level ?? stream.level
  return {
    source,
    stream,
    level,
    authenticated,
    connector,
    receivedMs,
    bytes,
    ...(idempotency !== undefined && { idempotency }),
    ...(releases !== undefined && { releases }),
    ...(continued !== undefined && { continued }),
    ...(countsAlso !== undefined && { countsAlso }),
    items: offered,
    lines,
    keptBytes,
    style,
    submissionOf(index) {
      const item = items[index]
      if (item === undefined) throw new RangeError(`the request has no item ${index}`)
      return submissionIn(readReceived(item), source.tenantId)
    },
  }
}

const LINE_BYTES_EXPECTED = 640
