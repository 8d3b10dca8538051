import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Deliverer } from '../serve/subscriptions/deliverer.ts'
import type { DelivererEvents } from '../serve/subscriptions/ports.ts'

/** What a scrape shows of deliveries to webhooks. */
export function subscriptionMetrics(
  registry: Registry,
  deliverer: () => Pick<Deliverer, 'held' | 'unheld' | 'failingSinceMs' | 'openCircuits'>,
  { now, onFailure }: { now(): number } & Pick<DelivererEvents, 'onFailure'>,
): DelivererEvents {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('assay_webhooks_held', 'webhooks that this process delivers to', () => deliverer().held())
  gauge(
    'assay_webhooks_unheld',
    'active webhooks that nobody delivers to, because every process holds as many as it may',
    () => deliverer().unheld(),
  )
  gauge(
    'assay_webhooks_open_circuits',
    'hosts of webhooks that do not answer, and are left alone for a while',
    () => deliverer().openCircuits(),
  )
  gauge(
    'assay_webhooks_failing_seconds',
    'for how long the webhook fails that has failed longest; 0 where none does',
    () => {
      const since = deliverer().failingSinceMs()
      return since === undefined ? 0 : Math.max(0, now() - since) / 1000
    },
  )
  const deliveries = new Counter({
    name: 'assay_webhook_deliveries_total',
    help: 'tries to deliver to webhooks, by what came of them',
    labelNames: ['outcome'],
    registers,
  })
  const consents = new Counter({
    name: 'assay_webhook_consents_total',
    help: 'times that receivers were asked for their consent, by what they said',
    labelNames: ['outcome'],
    registers,
  })
  const lag = new Histogram({
    name: 'assay_webhook_lag_seconds',
    help: 'from when something can be read to when a webhook has it',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3_600, 86_400],
    registers,
  })
  return {
    onTried: outcome => deliveries.inc({ outcome }),
    onConsent: outcome => consents.inc({ outcome }),
    onLag: ms => lag.observe(Math.max(0, ms) / 1000),
    onFailure,
  }
}
