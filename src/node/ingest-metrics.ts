import { Gauge, type Registry } from 'prom-client'
import type { Standing } from '../adapters/projections/standing.ts'
import type { Kept } from '../runtime/kept-for.ts'
import { SCRAPE_MS } from '../runtime/metrics.ts'

export type IngestGaugeDeps = {
  readonly registry: Registry
  readonly standing: Kept<Standing>
  readonly streamBytes: Kept<readonly { readonly streamId: string; readonly bytes: number }[]>
  waiting(): { readonly events: number; readonly bytes: number }
  eventsPerSecond(): number
  now(): number
}

/** What a scrape shows of ingest and of the stages behind it. A database that does not answer leaves the last word. */
export function ingestGauges(deps: IngestGaugeDeps): void {
  const { standing, waiting, now } = deps
  const gauge = <Label extends string>(
    name: string,
    help: string,
    collect: (gauge: Gauge<Label>) => Promise<void> | void,
    labelNames: Label[] = [],
  ) =>
    new Gauge<Label>({
      name,
      help,
      labelNames,
      registers: [deps.registry],
      async collect() {
        await collect(this)
      },
    })
  const ofStanding = (name: string, help: string, read: (standing: Standing) => number) =>
    gauge(name, help, async self => {
      const known = await standing.readWithin(SCRAPE_MS)
      if (known !== undefined) self.set(read(known))
    })
  const ageS = (sinceMs: number | null) => (sinceMs === null ? 0 : Math.max(0, now() - sinceMs) / 1000)

  gauge('assay_ingest_events_per_second', 'events taken in by this process, over 10 s', self =>
    self.set(deps.eventsPerSecond()),
  )
  gauge('assay_ingest_waiting_events', 'offered to this process and not durable yet', self =>
    self.set(waiting().events),
  )
  gauge('assay_ingest_waiting_bytes', 'of them', self => self.set(waiting().bytes))
  ofStanding('assay_unsealed_events', 'in the log and in no packet yet', each => each.unsealedEvents)
  ofStanding('assay_unsealed_bytes', 'lines of them', each => each.unsealedBytes)
  ofStanding('assay_unsealed_age_seconds', 'since when the oldest of them waits', each =>
    ageS(each.unsealedSinceMs),
  )
  ofStanding(
    'assay_unprojected_events',
    'in the log and in no projection yet',
    each => each.unprojectedEvents,
  )
  ofStanding('assay_unprojected_age_seconds', 'since when the oldest of them waits', each =>
    ageS(each.unprojectedSinceMs),
  )
  gauge(
    'assay_stream_bytes',
    'lines that the log holds of a stream; of the largest',
    async self => {
      const streams = await deps.streamBytes.readWithin(SCRAPE_MS)
      if (streams === undefined) return
      self.reset()
      for (const { streamId, bytes } of streams) self.set({ stream: streamId }, bytes)
    },
    ['stream'],
  )
}
