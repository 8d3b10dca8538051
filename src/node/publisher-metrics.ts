import type { Pool } from 'pg'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { PublisherRouteDeps } from '../http/publishers/publisher-ports.ts'
import { keptFor } from '../runtime/kept-for.ts'
import { SCRAPE_MS } from '../runtime/metrics.ts'

/** What a scrape shows of publishers and of what they change. */
export function publisherMetrics(registry: Registry, pool: Pool): Pick<PublisherRouteDeps, 'onAsked'> {
  const registers = [registry]
  const counted = (
    name: string,
    help: string,
    statement: { readonly name: string; readonly text: string },
  ) => {
    const count = keptFor(
      SCRAPE_MS,
      async () => (await pool.query<{ count: number }>(statement)).rows[0]?.count,
    )
    new Gauge({
      ...{ name, help, registers },
      async collect() {
        this.set((await count.readWithin(SCRAPE_MS)) ?? 0)
      },
    })
  }
  counted('assay_publisher_feeds', 'feeds that have a publisher, whose number PUBLISHER_FEEDS_MAX bounds', {
    name: 'count-publisher-feeds',
    text: 'select count(*)::int as count from overlay_event_sources where identity_key is not null',
  })
  counted(
    'assay_publisher_streams',
    'streams that a publisher owns, whose number PUBLISHER_STREAMS_MAX bounds',
    {
      name: 'count-publisher-streams',
      text: 'select count(*)::int as count from streams where owner_key is not null',
    },
  )
  const changes = new Counter({
    name: 'assay_publisher_changes_total',
    help: 'changes that publishers have asked for, by what they were about and whether they came about',
    labelNames: ['what', 'came'],
    registers,
  })
  return { onAsked: (what, came) => changes.inc({ what, came }) }
}
