import { utf8 } from '../../core/bytes.ts'
import type { Place } from '../../core/live/track.ts'
import type { BatchMessage } from './collect-batch.ts'

export type DeliveryBody = {
  readonly contentType: string
  readonly bytes: Uint8Array
  /** Of events in it, for those who look for them. */
  readonly eventIds: readonly string[]
}

/**
 * CloudEvents 1.0 in JSON: one, or for who takes several at a time always a list. `data` is what a stream says in the same
 * place; ids are made of places, so whatever is told again has the id that it had.
 */
export function deliveryBody(
  messages: readonly Pick<BatchMessage, 'json' | 'at'>[],
  { source, isBatch }: { readonly source: string; readonly isBatch: boolean },
): DeliveryBody {
  if (!isBatch && messages.length !== 1)
    throw new Error(`a delivery of one message cannot hold ${messages.length}; read it with a bound of one`)
  const read = messages.map(({ json, at }) => {
    const said: Said = JSON.parse(json)
    return { json, at, said }
  })
  const events = read.map(({ json, at, said }) => cloudEvent(json, idOf(said, at), said, source))
  return {
    contentType: isBatch ? 'application/cloudevents-batch+json' : 'application/cloudevents+json',
    bytes: utf8(isBatch ? `[${events.join()}]` : events.join()),
    eventIds: read.flatMap(({ said }) => said.eventId ?? []),
  }
}

/** What is looked at here of a message of the stream of certified events. */
type Said = {
  readonly type: string
  readonly streamId: string | null
  readonly partition: number | null
  readonly stage?: string | null
  readonly packetId?: string
  readonly line?: number
  readonly eventId?: string
  readonly timestamp?: string | null
  readonly from?: Place | null
  readonly to?: Place | null
}

function cloudEvent(json: string, id: string, said: Said, source: string): string {
  const { streamId, partition, type, timestamp } = said
  const attributes = JSON.stringify({
    specversion: '1.0',
    id,
    source,
    type: `assay.${type}`,
    ...(streamId !== null && { subject: `${streamId}/${partition}` }),
    ...(typeof timestamp === 'string' && { time: timestamp }),
    datacontenttype: 'application/json',
  })
  return `${attributes.slice(0, -1)},"data":${json}}`
}

function idOf({ type, streamId, partition, stage, packetId, line, from, to }: Said, at: Place): string {
  if (packetId !== undefined && line !== undefined) return `${packetId}.${line}`
  // The same packet can lose its place on the network twice.
  if (packetId !== undefined) return `${packetId}.${type}.${stage}.${spot(at)}`
  return `${streamId}.${partition}.${stage}.${type}.${spot(from)}.${spot(to)}`
}

function spot(at: Place | null | undefined): string {
  return at ? `${at.at}-${at.line}` : 'none'
}
