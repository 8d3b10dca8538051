import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { HubEvents, RouteName } from '../serve/live/ports.ts'

type LiveMetrics = HubEvents & {
  /** News of packets are not kept any more. */
  onNewsSwept(count: number): void
}

export type LiveCounts = {
  clients(route: RouteName): number
  filters(): number
  keptBytes(): number
}

/** What a scrape shows of those who follow live events. */
export function liveMetrics(
  registry: Registry,
  { clients, filters, keptBytes }: LiveCounts,
  onFailure: HubEvents['onFailure'],
): LiveMetrics {
  const registers = [registry]
  new Gauge({
    name: 'assay_live_clients',
    help: 'clients that follow live events at this process',
    labelNames: ['route'],
    registers,
    collect() {
      for (const route of routes) this.set({ route }, clients(route))
    },
  })
  new Gauge({
    name: 'assay_live_filters',
    help: 'different filters that they follow with',
    registers,
    collect() {
      this.set(filters())
    },
  })
  new Gauge({
    name: 'assay_live_kept_bytes',
    help: 'what is kept in memory of the newest events, of what was just read and of what was told lately, for those who are behind',
    registers,
    collect() {
      this.set(keptBytes())
    },
  })
  const messages = new Counter({
    name: 'assay_live_messages_total',
    help: 'messages to them, each as often as it was sent',
    labelNames: ['route'],
    registers,
  })
  const bytes = new Counter({
    name: 'assay_live_bytes_total',
    help: 'bytes of these messages',
    labelNames: ['route'],
    registers,
  })
  const ended = new Counter({
    name: 'assay_live_ended_total',
    help: 'clients that are gone, by why; left is their own doing',
    labelNames: ['route', 'reason'],
    registers,
  })
  const lag = new Histogram({
    name: 'assay_live_lag_seconds',
    help: 'from when something can be read to when those who are up to date are told',
    labelNames: ['route'],
    buckets: [0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5],
    registers,
  })
  const swept = new Counter({
    name: 'assay_live_news_swept_total',
    help: 'news of packets that were passed by or have lost their anchor, forgotten as EVENT_STREAM_NEWS_DAYS has it',
    registers,
  })
  return {
    onNewsSwept: count => swept.inc(count),
    onDelivered(route, count, size) {
      messages.inc({ route }, count)
      bytes.inc({ route }, size)
    },
    onLag: (route, ms) => lag.observe({ route }, Math.max(0, ms) / 1000),
    onEnded: (route, reason) => ended.inc({ route, reason }),
    onFailure,
  }
}

const routes: readonly RouteName[] = ['watch', 'events']
