import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import { type TakeBatches, takeBatches } from '../adapters/overlay-ingest/take-batches.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { openHeldBatches } from '../adapters/quarantine/held-batches.ts'
import type { Registry } from '../adapters/registry/registry.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import type { Limits } from '../core/registry/limits.ts'
import type { AppendEvents } from '../ingest/append.ts'
import type { Accept } from '../ingest/arrived.ts'
import { type TakeBatchDeps, takeBatch } from '../ingest/take-batch.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Stops } from '../runtime/stops.ts'
import { takeTurns } from '../runtime/take-turns.ts'

export type NodeOverlayIngest = {
  readonly database: Database
  readonly outgoing: Outgoing
  readonly registry: Pick<Registry, 'source' | 'stream'>
  readonly accept: Accept
  readonly append: AppendEvents
  /** What may be held of strangers, of all of them together. */
  readonly strangers: Limits
  /** Whether there is no room for more. */
  isFull(): boolean
  /** The clock that events are received by. */
  now(): number
  readonly store: Pick<ContentStore, 'open'>
  readonly log: Log
  readonly metrics: Pick<Metrics, 'overlayBatches'>
  readonly stops: Stops
}

/** Makes events of the batches that the overlay admits, from now on until the node stops. */
export function startNodeOverlayIngest({
  database: { pool },
  outgoing,
  registry,
  accept,
  append,
  strangers,
  isFull,
  now,
  store,
  log,
  metrics,
  stops,
}: NodeOverlayIngest): TakeBatches {
  const seldom = openSeldom()
  const deps: TakeBatchDeps = {
    source: sourceId => registry.source(sourceId),
    stream: streamId => registry.stream(streamId),
    held: openHeldBatches(pool, now),
    turns: takeTurns(),
    ...{ accept, append, strangers, now },
  }
  const taking = takeBatches({
    ...{ pool, outgoing, store, isFull },
    // When something is due is said by those who admit it, and until when a host has it by the host.
    now: Date.now,
    take: (batch, once) => takeBatch(batch, once, deps),
    onSettled({ publisher, subject }, outcome) {
      metrics.overlayBatches.inc({ outcome: outcome.kind })
      if (outcome.kind === 'held' || outcome.kind === 'refused')
        log.warn({ publisher, subject, outcome }, 'a batch of the overlay was not taken')
    },
    onFailure: error =>
      seldom('overlay batches', leftOut =>
        log.error({ err: error, leftOut }, 'a batch of the overlay could not be taken; it is tried again'),
      ),
  })
  stops.add('batches of the overlay', taking.stop)
  return taking
}
