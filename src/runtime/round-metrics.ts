import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** What is read when somebody looks. */
export type RoundReadings = {
  load(): { readonly rounds: number; readonly offering: number }
  isDegraded(): boolean
  strangers(): number
}

type Step = {
  readonly what: string
  readonly stage: string | undefined
  readonly tookMs: number | undefined
}

export function openRoundMetrics(registry: Registry, readings: RoundReadings) {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(read())
      },
    })
  gauge('assay_degraded', '1 while packets cannot go to agents, or this node is far behind, else 0', () =>
    Number(readings.isDegraded()),
  )
  gauge(
    'assay_packets_of_another_log',
    'sealed packets whose log is not the key of this node: no round is made of them',
    () => readings.strangers(),
  )
  gauge('assay_rounds_open', 'rounds that this node works on', () => readings.load().rounds)
  gauge(
    'assay_offers_under_way',
    'seats offered to agents that have not said yet whether they take them',
    () => readings.load().offering,
  )
  const steps = new Counter({
    name: 'assay_round_steps_total',
    help: 'what was done with rounds: opened, seen by the network, advanced, certifying, closing, closed, recovered',
    labelNames: ['what'],
    registers,
  })
  const offers = new Counter({
    name: 'assay_offers_total',
    help: 'seats offered to agents, by whether they were taken, are offered again, or failed',
    labelNames: ['outcome'],
    registers,
  })
  const lost = new Counter({
    name: 'assay_round_leases_lost_total',
    help: 'rounds that somebody else took while this node held them',
    registers,
  })
  const failures = new Counter({
    name: 'assay_round_failures_total',
    help: 'steps of rounds that failed or could not be paid for, and are tried again',
    registers,
  })
  const stages = new Histogram({
    name: 'assay_stage_seconds',
    help: 'from a job that the network has to the decision on it, by stage',
    labelNames: ['stage'],
    buckets: [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5, 15, 30, 60],
    registers,
  })
  return {
    round({ what, stage, tookMs }: Step) {
      steps.inc({ what })
      if (stage !== undefined && tookMs !== undefined) stages.observe({ stage }, tookMs / 1_000)
    },
    offer: (outcome: string) => offers.inc({ outcome }),
    lost: () => lost.inc(),
    failure: () => failures.inc(),
  }
}
