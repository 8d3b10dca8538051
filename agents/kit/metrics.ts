import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What an agent counts. One registry per agent, so that several can run in one process. */
export function openAgentMetrics(readings: Readings) {
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(read())
      },
    })
  gauge('assay_agent_jobs_running', 'jobs that are worked on now', readings.running)
  gauge(
    'assay_agent_bytes_running',
    'bytes of the packets of jobs that have room for them; other jobs that are worked on wait for it',
    readings.bytesRunning,
  )
  gauge('assay_agent_jobs_waiting', 'jobs that are taken and wait to be worked on', readings.waiting)
  gauge('assay_agent_cache_bytes', 'what the memory of answers takes', readings.cacheBytes)
  return {
    registry,
    offers: new Counter({
      name: 'assay_agent_offers_total',
      help: 'jobs that were offered, by whether they were taken',
      labelNames: ['outcome'],
      registers,
    }),
    jobs: new Counter({
      name: 'assay_agent_jobs_total',
      help: 'jobs that were taken, by how they ended',
      labelNames: ['outcome'],
      registers,
    }),
    seconds: new Histogram({
      name: 'assay_agent_job_seconds',
      help: 'from a job that was taken to its result, the wait included',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    bytes: new Counter({
      name: 'assay_agent_output_bytes_total',
      help: 'bytes of the work that was stored with coordinators',
      registers,
    }),
    unanswered: new Counter({
      name: 'assay_agent_packets_unanswered_total',
      help: 'packets that no answer was given for, by the code of the fault',
      labelNames: ['code'],
      registers,
    }),
    retries: new Counter({
      name: 'assay_agent_retries_total',
      help: 'steps that have failed and were taken again',
      registers,
    }),
    cache: new Counter({
      name: 'assay_agent_cache_total',
      help: 'packets that were looked up among earlier answers, by whether one was there',
      labelNames: ['outcome'],
      registers,
    }),
  }
}

/** What is read when somebody looks. */
type Readings = { running(): number; bytesRunning(): number; waiting(): number; cacheBytes(): number }
