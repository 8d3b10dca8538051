import { readMetrics, sumOf } from '../ask/metrics.ts'
import { useAnswer } from '../ask/use-answer.ts'
import { count, Figure } from '../parts/figure.tsx'

const LOOK_MS = 4_000

/** What the whole log holds, also what came before this page was opened. */
export function Ledger() {
  const { known } = useAnswer('/metrics', readMetrics, LOOK_MS)
  const figure = (name: string) => {
    const value = known && sumOf(known, name)
    return value === undefined ? undefined : count(value)
  }
  const inFlight = known && sumOf(known, 'assay_conservation_in_flight_events')
  const split = known && sumOf(known, 'assay_conservation_split_events')
  const held = known && sumOf(known, 'assay_quarantine_held')
  return (
    <dl class="figures">
      <Figure
        label="Certified"
        value={figure('assay_conservation_certified_events')}
        from="all of this log, from /metrics"
      />
      <Figure
        label="On their way"
        value={inFlight === undefined ? undefined : count(inFlight)}
        from="sealed, without a verdict yet; from /metrics"
      />
      <Figure
        label="Split"
        value={split === undefined ? undefined : count(split)}
        tone={split ? 'warn' : undefined}
        from="no quorum agreed on them; from /metrics"
      />
      <Figure
        label="Held in quarantine"
        value={held === undefined ? undefined : count(held)}
        tone={held ? 'warn' : undefined}
        from="wait for a decision; from /metrics"
      />
    </dl>
  )
}
