import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { keptFor } from './kept-for.ts'
import { SCRAPE_MS } from './metrics.ts'

/** Partitions and gaps that are shown one by one; the latest, where there are more. */
export const SHOWN_MAX = 500

export type PartitionWatermark = {
  readonly streamId: string
  readonly partition: number
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
}

export type MissingSequences = {
  readonly sourceId: string
  readonly streamId: string
  readonly missing: number
}

/** What is read when somebody looks. */
export type PacketReadings = {
  isBatch(): boolean
  unsealed(): { readonly events: number; readonly partitions: number }
  watermarks(): Promise<readonly PartitionWatermark[]>
  missing(): Promise<readonly MissingSequences[]>
}

export function openPacketMetrics(registry: Registry, readings: PacketReadings) {
  const registers = [registry]
  const seconds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400]
  const reading = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(read())
      },
    })
  reading('assay_publish_batch', '1 while packets are made in batches, else 0', () =>
    Number(readings.isBatch()),
  )
  reading(
    'assay_backlog_events',
    'events that are not certified yet, as of the last look',
    () => readings.unsealed().events,
  )
  reading(
    'assay_unsealed_partitions',
    'partitions with events that are in no packet yet, without those whose last packet agents work on',
    () => readings.unsealed().partitions,
  )
  const [watermarks, missing] = [
    keptFor(SCRAPE_MS, readings.watermarks),
    keptFor(SCRAPE_MS, readings.missing),
  ]
  for (const { name, help, read } of watermarkGauges)
    new Gauge({
      ...{ name, help, labelNames: ['stream', 'partition'], registers },
      async collect() {
        const all = await watermarks.readWithin(SCRAPE_MS)
        this.reset()
        for (const each of all ?? [])
          this.set({ stream: each.streamId, partition: each.partition }, read(each))
      },
    })
  new Gauge({
    name: 'assay_source_sequences_missing',
    help: 'numbers of a source’s own sequence that have not come, where any are missing',
    labelNames: ['source', 'stream'],
    registers,
    async collect() {
      const all = await missing.readWithin(SCRAPE_MS)
      this.reset()
      for (const { sourceId, streamId, missing } of all ?? [])
        this.set({ source: sourceId, stream: streamId }, missing)
    },
  })
  const lag = new Histogram({
    ...{ name: 'assay_ingest_lag_seconds', registers, buckets: seconds },
    help: 'how long after it happened an event was taken in; a sample of each packet',
  })
  const lagMs = new Histogram({
    ...{ name: 'ingest_lag_ms', registers, buckets: seconds.map(each => each * 1_000) },
    help: 'assay_ingest_lag_seconds in milliseconds',
  })
  return {
    sealed: new Counter({
      ...{ name: 'assay_packets_total', registers, labelNames: ['because'] },
      help: 'packets made, by what had them end',
    }),
    events: new Histogram({
      ...{ name: 'assay_packet_events', registers, buckets: [0, 1, 10, 100, 1_000, 5_000, 10_000, 60_000] },
      help: 'events of a packet',
    }),
    sealing: new Histogram({
      ...{ name: 'assay_packet_making_seconds', registers, buckets: seconds },
      help: 'from the decision where a packet ends until it is made and its bytes are kept',
    }),
    failures: new Counter({
      ...{ name: 'assay_sealing_failures_total', registers },
      help: 'times that a partition could not be sealed, and is tried again',
    }),
    aheadOfClock: new Counter({
      ...{ name: 'assay_events_ahead_total', registers },
      help: 'events of the sample that had not happened yet by our clock',
    }),
    lag(ms: number) {
      lag.observe(Math.max(0, ms) / 1_000)
      lagMs.observe(Math.max(0, ms))
    },
  }
}

const eventTime = 'up to where a partition is complete in the time of its events'
const ingestTime = 'when a partition last took something in'
type WatermarkGauge = {
  readonly name: string
  readonly help: string
  read(watermark: PartitionWatermark): number
}
const watermarkGauges: readonly WatermarkGauge[] = [
  {
    name: 'assay_watermark_event_time_seconds',
    help: eventTime,
    read: ({ eventTimeMs }) => eventTimeMs / 1_000,
  },
  {
    name: 'assay_watermark_ingest_time_seconds',
    help: ingestTime,
    read: ({ ingestTimeMs }) => ingestTimeMs / 1_000,
  },
  { name: 'watermark_event_time_ms', help: eventTime, read: ({ eventTimeMs }) => eventTimeMs },
  { name: 'watermark_ingest_time_ms', help: ingestTime, read: ({ ingestTimeMs }) => ingestTimeMs },
]
