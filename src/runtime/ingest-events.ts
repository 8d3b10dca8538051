import type { AppendOutcome, Offer } from '../ingest/append.ts'
import type { ItemAnswer } from '../ingest/arrived.ts'
import type { Metrics } from './metrics.ts'

export type IngestEvents = {
  /** Told of every commit, offer by offer. */
  onAppended(offers: readonly Offer[], outcomes: readonly AppendOutcome[]): void
  /** Events taken in a second, by this process, over the last few seconds. */
  eventsPerSecond(): number
}

/** What ingest has answered, told to the metrics. */
export function ingestEvents(metrics: Metrics, now: () => number): IngestEvents {
  const { ingest } = metrics
  const bounded = boundedLabels()
  const rate = openRate(now)

  const count = (offer: Offer, answers: readonly ItemAnswer[]) => {
    const connector = bounded('connector', offer.connector.connectorId)
    const taken = new Map<string, number>()
    let duplicates = 0
    for (const [i, answer] of answers.entries()) {
      if (answer.status === 'duplicate') duplicates++
      else if (answer.status === 'rejected') ingest.rejected.inc({ code: bounded('code', answer.code) })
      else if (answer.status === 'quarantined') {
        // What was to be released, and stays, was counted when it came.
        if (offer.releases === undefined) ingest.quarantined.inc({ reason: answer.reason })
      } else {
        const item = offer.items[i]
        if (item?.kind !== 'event') continue
        taken.set(item.payloadType, (taken.get(item.payloadType) ?? 0) + 1)
      }
    }
    if (duplicates > 0) ingest.duplicates.inc(duplicates)
    for (const [payloadType, events] of taken) {
      ingest.events.inc({ connector, payload_type: bounded('payload_type', payloadType) }, events)
      rate.add(events)
    }
  }
  return {
    onAppended(offers, outcomes) {
      for (const [i, offer] of offers.entries()) {
        const outcome = outcomes[i]
        if (outcome?.kind === 'refused') ingest.refused.inc({ why: outcome.refusal.why })
        if (outcome?.kind !== 'answered') continue
        ingest.ack.observe(Math.max(0, now() - offer.receivedMs) / 1000)
        if (!outcome.replayed) count(offer, outcome.items)
      }
    },
    eventsPerSecond: rate.perSecond,
  }
}

const LABELS_MAX = 100

/** What a publisher chooses may not grow the metrics without an end: the first ones have a label each. */
function boundedLabels(): (label: string, value: string) => string {
  const known = new Map<string, Set<string>>()
  return (label, value) => {
    const values = known.get(label) ?? new Set()
    known.set(label, values)
    if (!values.has(value)) {
      if (values.size >= LABELS_MAX) return 'other'
      values.add(value)
    }
    return value
  }
}

const RATE_SECONDS = 10

/** Counts of the last seconds that are over, and of the one that is not. */
function openRate(now: () => number) {
  const counts = new Map<number, number>()
  const forget = (second: number) => {
    for (const each of counts.keys()) if (each < second - RATE_SECONDS || each > second) counts.delete(each)
  }
  return {
    add(events: number) {
      const second = Math.floor(now() / 1000)
      counts.set(second, (counts.get(second) ?? 0) + events)
      if (counts.size > RATE_SECONDS + 1) forget(second)
    },
    perSecond() {
      const second = Math.floor(now() / 1000)
      forget(second)
      let events = 0
      for (const [each, count] of counts) if (each < second) events += count
      return events / RATE_SECONDS
    },
  }
}
