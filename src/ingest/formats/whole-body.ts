import type { HttpHeaders } from '../../core/event/adapters/cloud-event-http.ts'
import type { Shape } from '../../core/event/adapters/recognize.ts'
import type { Level } from '../../core/level.ts'
import type { ReceivedItem } from '../arrived.ts'

/** What a request says, besides its events, is what its body says; most bodies say nothing. */
export type WholeBody = {
  readonly sourceId?: string
  readonly streamId?: string
  readonly processingOptions?: ProcessingOptions
  readonly items: readonly ReceivedItem[]
}

export type ProcessingOptions = {
  readonly requireCertification?: boolean
  readonly distributionTopics?: readonly string[]
  readonly consensusLevel?: Level
  readonly backfill?: boolean
}

export type ReadOptions = {
  /** Of binary CloudEvents: their attributes. */
  readonly headers: HttpHeaders
  /** Fixed for a source, or told item by item. What a content type says of its items goes before. */
  readonly shape?: Shape
  readonly bytesMax?: number
  readonly itemsMax?: number
  readonly recordBytesMax?: number
}
