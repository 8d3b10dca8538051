import { useState } from 'preact/hooks'
import { type Metrics, meanOf, readMetrics, sumOf, valuesOf } from '../ask/metrics.ts'
import { anything, flag, list, number, object, orNull, text } from '../ask/shapes.ts'
import { useAnswer } from '../ask/use-answer.ts'
import { count, Figure, Source } from '../parts/figure.tsx'
import { Hash } from '../parts/hash.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { span, When } from '../parts/time.tsx'
import { Wide } from '../parts/wide.tsx'

const LOOK_MS = 3_000
/** A node that is not ready says why in the same shape. */
const NOT_READY = [503]

const healthShape = object({
  status: text,
  ready: flag,
  network: text,
  economicFinality: flag,
  service: object({ name: text, startedAt: text, uptimeMs: number }),
  checks: list(
    object({ name: text, critical: flag, status: text, message: orNull(text), durationMs: number }),
  ),
  context: anything,
})
const tipShape = object({ height: number, hash: text })
const identityShape = object({ nodeKey: text, logKey: text })

/** Whether the node is well, and what it has to do. */
export function SystemPage() {
  const health = useAnswer('/health', healthShape, LOOK_MS, { also: NOT_READY })
  const { known: metrics } = useAnswer('/metrics', readMetrics, LOOK_MS)
  const { known: tip, answer: tipAnswer } = useAnswer('/chain/tip', tipShape, LOOK_MS)
  const { known: identity } = useAnswer('/identity', identityShape)
  return (
    <>
      <div class="page-head">
        <h1>System</h1>
        {health.known !== undefined && (
          <span class={`state ${toneOf(health.known.status)}`}>{health.known.status}</span>
        )}
      </div>
      {health.known === undefined ? (
        health.answer === undefined ? (
          <p class="quiet">Loading…</p>
        ) : (
          <NoAnswer answer={health.answer} what="Health" />
        )
      ) : (
        <section class="card" aria-labelledby="health">
          <h2 id="health">Health</h2>
          <ul class="checks">
            {health.known.checks.map(({ name, status, message, durationMs, critical }) => (
              <li key={name}>
                <span class={`state ${toneOf(status)}`}>{status}</span>
                <span class="check-name">
                  {name}
                  {critical && <span class="quiet"> · needed</span>}
                </span>
                <span class="check-said">{message ?? ''}</span>
                <span class="check-took quiet">{span(durationMs)}</span>
              </li>
            ))}
          </ul>
          <Source>
            From /health. {health.known.service.name} on the {health.known.network} chain, started{' '}
            <When ms={Date.parse(health.known.service.startedAt)} />, up for{' '}
            {span(health.known.service.uptimeMs)}.
            {!health.known.economicFinality && ' Nothing on this chain has economic finality.'}
          </Source>
        </section>
      )}
      <Ledger metrics={metrics} />
      <Backlog metrics={metrics} />
      <section aria-labelledby="chain" class="group">
        <h2 id="chain">Chain and fuel</h2>
        <dl class="figures">
          <Figure
            label="Height"
            value={tip === undefined ? (tipAnswer?.kind === 'refused' ? '–' : undefined) : count(tip.height)}
            from={
              tipAnswer?.kind === 'refused'
                ? 'only a local chain has /chain/tip; health says the height'
                : 'of the best chain, from /chain/tip'
            }
          />
          <Metric
            metrics={metrics}
            name="assay_fuel_coins"
            label="Coins of fuel"
            from="each pays for one transaction"
          />
          <Metric
            metrics={metrics}
            name="assay_fuel_spent_today_satoshis"
            label="Satoshis spent today"
            from="in this day (UTC)"
          />
          <Metric
            metrics={metrics}
            name="assay_chain_reorganisations_total"
            label="Reorganisations"
            from="that took proofs back, since the node was started"
          />
        </dl>
        {tip !== undefined && (
          <p class="source">
            Best block <Hash value={tip.hash} name="the hash of the best block" />
          </p>
        )}
      </section>
      {identity !== undefined && (
        <section class="card" aria-labelledby="keys">
          <h2 id="keys">Keys</h2>
          <dl class="facts">
            <dt>Log</dt>
            <dd>
              <Hash value={identity.logKey} name="the log's key" />
            </dd>
            <dt>Node</dt>
            <dd>
              <Hash value={identity.nodeKey} name="the node's key" />
            </dd>
          </dl>
          <Source>From /identity.</Source>
        </section>
      )}
      {metrics !== undefined && <AllMetrics metrics={metrics} />}
    </>
  )
}

type MetricsProp = { readonly metrics: Metrics | undefined }

function Ledger({ metrics }: MetricsProp) {
  const wrong = metrics && sumOf(metrics, 'assay_conservation_discrepancies')
  return (
    <section aria-labelledby="ledger" class="group">
      <h2 id="ledger">Ledger</h2>
      <p class="quiet">
        received = duplicate + rejected + quarantined + waived + accepted, of every stream, at any moment.
      </p>
      <dl class="figures">
        <Figure
          label="Discrepancies"
          value={wrong === undefined ? undefined : count(wrong)}
          tone={wrong === undefined ? undefined : wrong === 0 ? 'good' : 'bad'}
          from="should be 0, always; from /metrics"
        />
        <Metric
          metrics={metrics}
          name="assay_conservation_certified_events"
          label="Certified"
          from="events of this log"
        />
        <Metric
          metrics={metrics}
          name="assay_conservation_in_flight_events"
          label="On their way"
          from="sealed, without a verdict"
        />
        <Metric metrics={metrics} name="assay_quarantine_held" label="Held in quarantine" from="now" />
        <Metric
          metrics={metrics}
          name="events_ingested_total"
          label="Accepted"
          from="since the node was started"
        />
        <Metric
          metrics={metrics}
          name="dedup_hits_total"
          label="Duplicates"
          from="since the node was started"
        />
      </dl>
    </section>
  )
}

function Backlog({ metrics }: MetricsProp) {
  const certified = metrics && meanOf(metrics, 'assay_sealed_to_certified_seconds')
  const ack = metrics && meanOf(metrics, 'assay_ingest_ack_seconds')
  const degraded = metrics && sumOf(metrics, 'assay_degraded')
  const free = metrics && sumOf(metrics, 'assay_ingest_free_bytes')
  return (
    <section aria-labelledby="backlog" class="group">
      <h2 id="backlog">Work</h2>
      <dl class="figures">
        <Metric
          metrics={metrics}
          name="assay_unsealed_events"
          label="To be sealed"
          from="events without a packet"
        />
        <Metric
          metrics={metrics}
          name="assay_unprojected_events"
          label="To be projected"
          from="not yet found by search"
        />
        <Metric metrics={metrics} name="assay_rounds_open" label="Rounds open" from="with agents now" />
        <Figure
          label="Acknowledged after"
          value={ack === undefined ? undefined : span(ack.mean * 1000)}
          from={
            ack === undefined
              ? 'nothing came since the node was started'
              : `mean of ${count(ack.count)} requests since the start`
          }
        />
        <Figure
          label="Sealed to certified"
          value={certified === undefined ? undefined : span(certified.mean * 1000)}
          from={
            certified === undefined
              ? 'no packet since the node was started'
              : `mean of ${count(certified.count)} packets since the start`
          }
        />
        <Figure
          label="Agents"
          value={degraded === undefined ? undefined : degraded === 0 ? 'are asked' : 'cannot be asked'}
          tone={degraded === undefined ? undefined : degraded === 0 ? 'good' : 'warn'}
          from="assay_degraded, from /metrics"
        />
        <Metric
          metrics={metrics}
          name="assay_ingest_pushed_back_total"
          label="Pushed back"
          from="requests for which there was no room"
        />
        <Figure
          label="Free on disk"
          value={free === undefined ? undefined : `${(free / 2 ** 30).toFixed(1)} GiB`}
          from="where content is stored; from /metrics"
        />
      </dl>
    </section>
  )
}

function Metric(
  props: MetricsProp & { readonly name: string; readonly label: string; readonly from: string },
) {
  const value = props.metrics && sumOf(props.metrics, props.name)
  return (
    <Figure
      label={props.label}
      value={value === undefined ? undefined : count(value)}
      from={`${props.from}; from /metrics`}
    />
  )
}

const ROWS_MAX = 300

function AllMetrics({ metrics }: { readonly metrics: Metrics }) {
  const [wanted, want] = useState('')
  const rows = metrics
    .filter(
      ({ name, help, type }) =>
        type !== 'histogram' && `${name} ${help}`.includes(wanted.trim().toLowerCase()),
    )
    .flatMap(({ name, help }) =>
      valuesOf(metrics, name).map(({ value, labels }) => ({ name, help, value, labels })),
    )
  return (
    <details class="card">
      <summary>All that this node counts</summary>
      <div class="fields">
        <div>
          <label class="field-label" for="metric">
            Name or meaning
          </label>
          <input
            id="metric"
            type="search"
            value={wanted}
            onInput={({ currentTarget }) => want(currentTarget.value)}
          />
        </div>
        <Wide label="Metrics">
          <table>
            <thead>
              <tr>
                <th scope="col">Metric</th>
                <th scope="col">Of</th>
                <th scope="col" class="num">
                  Value
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, ROWS_MAX).map(({ name, help, value, labels }) => (
                <tr key={`${name} ${JSON.stringify(labels)}`}>
                  <td title={help}>
                    <code>{name}</code>
                  </td>
                  <td>
                    {Object.entries(labels)
                      .map(([label, of]) => `${label} ${String(of)}`)
                      .join(', ')}
                  </td>
                  <td class="num">{Number.isInteger(value) ? count(value) : value.toPrecision(4)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
        <Source>
          From /metrics, counted since the node was started where the name ends in _total.{' '}
          {rows.length > ROWS_MAX && `The first ${ROWS_MAX} of ${rows.length}.`}
        </Source>
      </div>
    </details>
  )
}

function toneOf(status: string): string {
  return status === 'ok' ? 'good' : status === 'error' ? 'bad' : 'warn'
}
