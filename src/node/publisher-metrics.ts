import type { Pool } from 'pg'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { PublisherRouteDeps } from '../http/publishers/publisher-ports.ts'

/** What a scrape shows of publishers and of what they change. */
export function publisherMetrics(registry: Registry, pool: Pool): Pick<PublisherRouteDeps, 'onAsked'> {
  const registers = [registry]
  new Gauge({
    name: 'assay_publisher_feeds',
    help: 'feeds that have a publisher, whose number PUBLISHER_FEEDS_MAX bounds',
    registers,
    async collect() {
      const { rows } = await pool.query<{ count: number }>({
        name: 'count-publisher-feeds',
        text: 'select count(*)::int as count from overlay_event_sources where identity_key is not null',
      })
      this.set(rows[0]?.count ?? 0)
    },
  })
  new Gauge({
    name: 'assay_publisher_streams',
    help: 'streams that a publisher owns, whose number PUBLISHER_STREAMS_MAX bounds',
    registers,
    async collect() {
      const { rows } = await pool.query<{ count: number }>({
        name: 'count-publisher-streams',
        text: 'select count(*)::int as count from streams where owner_key is not null',
      })
      this.set(rows[0]?.count ?? 0)
    },
  })
  const changes = new Counter({
    name: 'assay_publisher_changes_total',
    help: 'changes that publishers have asked for, by what they were about and whether they came about',
    labelNames: ['what', 'came'],
    registers,
  })
  return { onAsked: (what, came) => changes.inc({ what, came }) }
}
