import type { Registry } from '../../adapters/registry/registry.ts'
import type { RouteLimits } from '../../core/registry/route-limits.ts'
import type { Source } from '../../core/registry/source.ts'
import type { Stream } from '../../core/registry/stream.ts'
import type { Accept, Arrived, PushBack } from '../../ingest/arrived.ts'
import type { BodyFormat } from '../../ingest/formats/body-format.ts'
import type { Rest } from '../../runtime/take-turns.ts'
import type { BodyRoom } from '../receive-body.ts'
import type { AnswerLines } from './answer-lines.ts'
import type { Asked } from './asked.ts'
import type { Networks } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import type { IngestLimits } from './ingest-limits.ts'
import { type Said, topicsOf } from './said.ts'
import type { Sender, SenderDeps } from './sender.ts'
import type { Streams } from './streams.ts'
import type { Taken } from './taken.ts'

export type TakeRequestDeps = Omit<SenderDeps, 'registry'> & {
  readonly registry: Pick<Registry, 'source' | 'stream' | 'secrets'>
  readonly accept: Accept
  readonly pushBack: PushBack
  /** Events are taken at all. */
  readonly enabled: boolean
  /** Networks that may send. */
  readonly isAllowed: Networks
  /** Proxies of ours. */
  readonly isProxy: Networks
  readonly routeLimits: RouteLimits
  readonly limits: IngestLimits
  readonly room: BodyRoom
  readonly streams: Streams
  readonly stopping: AbortSignal
  /** So that reading a long body holds up nobody else. */
  readonly turns: () => Rest
}

/** A request before its body is read. */
export type Opened = {
  readonly exchange: Exchange
  readonly asked: Asked
  readonly format: BodyFormat
  readonly address: string | undefined
  /** Undefined where only the body can say whose it is. */
  readonly source: Source | undefined
  readonly lines: AnswerLines | undefined
}

export type TakenRequest = {
  readonly taken: Taken
  readonly source: Source
  readonly sender: Sender
  readonly topics: readonly string[]
  readonly otherTopics: readonly string[]
  readonly latencyMs: number
}

/** What the log is told of a request, beside its items. */
export function arrivedAs(
  { path }: Exchange,
  source: Source,
  sender: Sender,
  said: Said,
  { now, routeLimits }: Pick<TakeRequestDeps, 'now' | 'routeLimits'>,
): Omit<Arrived, 'items' | 'bytes'> {
  return {
    source,
    authenticated: sender.authenticated,
    connector: httpConnector,
    ...(said.streamId !== undefined && { streamId: said.streamId }),
    ...(said.level !== undefined && { level: said.level }),
    ...(said.backfill !== undefined && { backfill: said.backfill }),
    countsAlso: { scope: `route ${path} of source ${source.sourceId}`, limits: routeLimits[path] },
    receivedMs: now(),
  }
}

/** What only one of the two answers tells. */
export function topicsFor(
  { path }: Exchange,
  said: Said,
  { topics }: Stream,
): Pick<TakenRequest, 'topics' | 'otherTopics'> {
  return path === '/ingest/events' ? { topics: [], otherTopics: [] } : topicsOf(said, topics)
}

/** What this door is called in the events that come through it; the version is of what it makes of requests. */
const httpConnector: Arrived['connector'] = { connectorId: 'http', connectorVersion: '1' }
