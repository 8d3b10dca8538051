import { identifyFirst } from '../core/event/identity.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { AdmittedEvent } from './admit-item.ts'
import type { OfferedItem } from './append.ts'
import type { Arrived } from './arrived.ts'
import type { LineStyle } from './line-style.ts'
import type { OfferedLines } from './offered-lines.ts'

export type WritingDeps = {
  readonly arrived: Arrived
  arrivalKey(): string | Uint8Array
  readonly stream: Stream
  readonly style: LineStyle
  readonly lines: OfferedLines
  /** Of the item in its request. */
  readonly index: number
}

/** Gives an event its id and its line, as if nothing were known of either. */
export function writeEvent(
  { submission, stated, payloadJcs, partitionKey, flags }: AdmittedEvent,
  { arrived, arrivalKey, stream, style, lines, index }: WritingDeps,
): OfferedItem {
  const { source, receivedMs } = arrived
  const { nativeId, sourceSeq, eventTime } = stated
  const identity = identifyFirst(
    {
      sourceId: source.sourceId,
      streamId: stream.streamId,
      ...{ payloadJcs, nativeId, sourceSeq },
      eventTimeMs: eventTime?.ms,
    },
    {
      ingestTimeMs: receivedMs,
      index,
      get key() {
        return arrivalKey()
      },
    },
  )
  const line = style.write({
    submission,
    stated,
    identified: flags === 0 ? identity : { ...identity, flags: identity.flags | flags },
    partitionKey,
    ingestTimeMs: receivedMs,
    payloadJcs,
  })
  if (!line.ok) return { kind: 'rejected', ...line.fault }
  const { lineAt, lineBytes } = lines.add(line.value)
  return {
    kind: 'event',
    identity,
    nativeId,
    sourceSeq,
    partitionKey,
    payloadType: submission.carried.payloadType ?? source.payloadType,
    flags,
    lineAt,
    lineBytes,
  }
}
