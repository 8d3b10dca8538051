import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** So long a scrape waits for what has to be asked of the database; where that takes longer, it
 * shows what was known last. For so long one reading serves several gauges. */
export const SCRAPE_MS = 1_000

/** What a node counts. One registry per node, so that several can run in one process. */
export function openMetrics() {
  const registry = new Registry()
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] })
  /** From the start: of a series that appears with its first sample, nobody sees that it has grown. */
  const counterFromZero = <Label extends string>(
    name: string,
    help: string,
    label: Label,
    values: readonly string[],
  ) => {
    const made = counter<Label>(name, help, [label])
    for (const value of values) made.labels(value).inc(0)
    return made
  }
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers: [registry] })
  collectDefaultMetrics({ register: registry, prefix: 'assay_' })
  return {
    registry,
    gauge,
    evictions: counter('assay_overlay_evicted_transactions_total', 'transactions taken out again'),
    doubleSpends: counter(
      'assay_overlay_double_spends_total',
      'double spends refused, by whether there was room to keep them',
      ['kept'],
    ),
    undelivered: counter(
      'assay_overlay_failed_deliveries_total',
      'deliveries that failed, by whether they are tried again',
      ['again'],
    ),
    synced: counter(
      'assay_sync_transactions_total',
      'transactions that peers sent when asked for what was missed, by what came of them',
      ['outcome'],
    ),
    syncFailures: counter('assay_sync_failures_total', 'times that a peer could not be asked'),
    proofs: counter('assay_overlay_proofs_total', 'block proofs taken in'),
    reorganisations: counter(
      'assay_chain_reorganisations_total',
      'changes of the best chain that took proofs back',
    ),
    silentHosts: counter('assay_discovery_silent_hosts_total', 'advertised hosts that have fallen silent'),
    impostors: counter(
      'assay_discovery_impostors_total',
      'adverts that name a host which does not prove the key of the advert',
    ),
    fuelDead: counter('assay_fuel_dead_transactions_total', 'transactions of ours that will not be had'),
    fuelUnsent: counter('assay_fuel_failed_sends_total', 'sends that brought no word, and are tried again'),
    handshakes: counter(
      'assay_auth_handshakes_total',
      'handshakes, by whether there was room for a session',
      ['outcome'],
    ),
    unproven: counter(
      'assay_auth_refused_total',
      'requests whose caller proved nothing, by the code of the answer',
      ['code'],
    ),
    uhrpSwept: counterFromZero(
      'assay_uhrp_swept_total',
      'objects that were removed, or found missing or damaged',
      'what',
      ['lost', 'corrupt'],
    ),
    uhrpUnadvertised: counter(
      'assay_uhrp_failed_adverts_total',
      'adverts of content that are to be tried again',
    ),
    overlayBatches: counter(
      'assay_ingest_overlay_batches_total',
      'batches admitted by the overlay, by what became of them at a try to take them in',
      ['outcome'],
    ),
    pushedBack: counterFromZero(
      'assay_ingest_pushed_back_total',
      'requests with events that were refused, or ended, for want of room, by what there was none in',
      'why',
      ['backlog', 'disk'],
    ),
    ingestRefused: counterFromZero(
      'assay_ingest_http_refused_total',
      'requests with events that were not answered as asked, by the code of the answer',
      'code',
      ['backlog', 'storage-full', 'busy', 'ingest-failed'],
    ),
    sealedToCertified: histogram(
      'assay_sealed_to_certified_seconds',
      'from the sealing of a packet to its first certificate that the network has',
      [0.1, 0.2, 0.3, 0.4, 0.6, 1, 2, 5, 15, 60, 600],
    ),
    /** The second has the name that publishers of events know it by. */
    divergences: ['assay_source_divergences_total', 'source_divergence_count'].map(name =>
      counter(name, 'events and fused records, certified for the first time, that say that sources differ'),
    ),
    errors: counter('assay_http_errors_total', 'requests that failed through no fault of the client'),
    ingest: ingestMetrics(counter, histogram),
  }
}

/** Those without a prefix have the names that publishers of events know them by. */
function ingestMetrics(
  counter: <Label extends string>(name: string, help: string, labels?: readonly Label[]) => Counter<Label>,
  histogram: (name: string, help: string, buckets: number[]) => Histogram,
) {
  return {
    ack: histogram(
      'assay_ingest_ack_seconds',
      'from the arrival of a request to the moment at which all it brought is durable',
      [0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 5],
    ),
    events: counter('events_ingested_total', 'events accepted', ['connector', 'payload_type']),
    quarantined: counter('events_quarantined_total', 'events held back', ['reason']),
    duplicates: counter('dedup_hits_total', 'events that had come before'),
    rejected: counter('assay_ingest_rejected_events_total', 'items that are no events', ['code']),
    refused: counter('assay_ingest_refused_offers_total', 'requests that nothing was taken of', ['why']),
  }
}

export type Metrics = ReturnType<typeof openMetrics>
