import type { LivePartition } from '../../core/live/track.ts'
import type { ReadableStream, Reader } from '../../core/registry/may-read.ts'
import type { LiveFilter } from './live-filter.ts'
import type { SayPiece, Transport } from './message.ts'
import type { ReadEnds, ReadOldest, ReadPieces } from './piece.ts'
import type { Positions, SealedPositions } from './resume-token.ts'

export type KnownPartition = LivePartition & { readonly stream: ReadableStream }

export type HubDeps = {
  readonly readPieces: ReadPieces
  readonly readEnds: ReadEnds
  readonly readOldest: ReadOldest
  /** All that there are, whoever may read them. */
  readPartitions(): Promise<readonly KnownPartition[]>
  /** Has `look` called soon: somebody waits for it. */
  lookSoon(): void
  /** What an identity may read by now. */
  findReader(identityKey: string): Promise<Reader>
  readonly positions: Pick<SealedPositions, 'seal'>
  now(): number
  readonly bounds: HubBounds
  readonly events: HubEvents
}

export type HubBounds = {
  /** Of what waits for one client to read it: with more, it is told of events without their ids, where a route can. */
  readonly reducedBytes: number
  /** With more than that, it is cut off. */
  readonly unreadBytesMax: number
  /** Whoever is behind is sent no more than this at once. */
  readonly historyBytes: number
  /** Readers of history at once, whoever they are for. */
  readonly historyReadersMax: number
  /** What they have read is kept for others who are behind: no more than this, and no longer. */
  readonly historyKeptBytes: number
  readonly historyKeptMs: number
  /** What was said lately is kept, for those who ask for the same and are behind. */
  readonly saidBytesMax: number
  /** For so long at most, also where lines are taken away meanwhile; of packets, which may fall back, as long as history. */
  readonly saidMs: number
  /** What the ends of all tracks that are followed take in memory, for whoever is a little behind. */
  readonly tailsBytesMax: number
  /** Filters of all clients together: each is asked about every event. */
  readonly filtersMax: number
  /** Partitions that one client follows at most; its position must fit into a header. */
  readonly partitionsMax: number
  /** A client that reads nothing of what waits for it for so long is cut off. */
  readonly stalledMsMax: number
  readonly heartbeatMs: number
  /** So old may be what is known of who may read what. */
  readonly accessMs: number
}

export const hubBounds: HubBounds = {
  reducedBytes: 256 * 1024,
  unreadBytesMax: 1024 * 1024,
  historyBytes: 128 * 1024,
  historyReadersMax: 4,
  historyKeptBytes: 64 * 1024 * 1024,
  historyKeptMs: 10_000,
  saidBytesMax: 64 * 1024 * 1024,
  saidMs: 120_000,
  tailsBytesMax: 128 * 1024 * 1024,
  filtersMax: 256,
  // A place on each of their tracks has to go into a header.
  partitionsMax: 200,
  stalledMsMax: 60_000,
  heartbeatMs: 15_000,
  accessMs: 1_000,
}

export type EndReason =
  | 'slow'
  | 'stalled'
  | 'shutdown'
  | 'too-many-partitions'
  | 'failed'
  | 'subscription-ended'

export type HubEvents = {
  onDelivered(route: RouteName, frames: number, bytes: number): void
  onLag(route: RouteName, ms: number): void
  onEnded(route: RouteName, reason: EndReason | 'left'): void
  onFailure(error: unknown): void
}

export type RouteName = 'watch' | 'events'

export type LiveRoute = {
  readonly name: RouteName
  readonly say: SayPiece
  /** Whether events can be told of without their ids. */
  readonly canReduce: boolean
  /** What a client is told at first; undefined where it is a heartbeat. */
  hello(clientId: string, ts: number): object
  heartbeat(facts: { readonly ts: number; readonly clients: number; readonly events: number }): object
}

/** One connection, as the hub sees it. */
export type Sink = {
  readonly transport: Transport
  write(bytes: Uint8Array): void
  /** Bytes that were written and have not left this process. */
  unread(): number
  /** Resolves once all of that has left, or the connection is gone; asked where it is more than any socket takes at once. */
  drained(): Promise<void>
  /** After these last bytes; what is not read then in a while is given up. */
  end(last: Uint8Array, reason: EndReason): void
}

export type Start = 'latest' | 'earliest' | Positions

export type Attachment = {
  readonly route: LiveRoute
  readonly filter: LiveFilter
  readonly reader: Reader
  readonly start: Start
  readonly clientId: string
  /** Called once it is known that it will be served. */
  open(): Sink
}

export type Attached = {
  /** The connection has gone. */
  leave(): void
  /** Tells it why, and where to go on, and lets it go. */
  end(reason: EndReason): void
}
