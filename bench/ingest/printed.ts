export type Identity = 'native id' | 'event time'

/** Of one way to identify events and one size of batch, medians of the rounds. */
export type Sample = {
  readonly identity: Identity
  readonly batch: number
  readonly connections: number
  /** Accepted and durable. */
  readonly perSecond: number
  /** Of node and PostgreSQL for each event, up to the last answer; null where it cannot be seen from here. */
  readonly cpuMicroseconds: number | null
  readonly nodeMicroseconds: number | null
  /** The same, up to when every event is in a packet. */
  readonly sealedMicroseconds: number | null
  readonly walBytes: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  /** The same bytes through COPY, in the same round. */
  readonly copyPerSecond: number
}

export type Latency = {
  readonly offeredPerSecond: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export type DedupFigures = {
  readonly rows: number
  readonly identity: Identity
  readonly emptyPerSecond: number
  readonly fullPerSecond: number
}

export function printedSamples(samples: readonly Sample[]): string {
  const head = [
    '',
    'batch',
    'each second',
    'CPU µs',
    'node µs',
    'sealed µs',
    'WAL bytes',
    'p50 ms',
    'p95 ms',
    'COPY',
    'of COPY',
  ]
  const rows = samples.map(sample => [
    sample.identity,
    String(sample.batch),
    sample.perSecond.toFixed(0),
    microseconds(sample.cpuMicroseconds),
    microseconds(sample.nodeMicroseconds),
    microseconds(sample.sealedMicroseconds),
    sample.walBytes.toFixed(0),
    sample.p50Ms.toFixed(1),
    sample.p95Ms.toFixed(1),
    sample.copyPerSecond.toFixed(0),
    `${Math.round((100 * sample.perSecond) / sample.copyPerSecond)} %`,
  ])
  return aligned([head, ...rows])
}

export function printedLatency({ offeredPerSecond, perSecond, p50Ms, p95Ms, p99Ms }: Latency): string {
  return (
    `${offeredPerSecond} events a second whatever is answered, in batches of 500: ${perSecond.toFixed(0)} accepted, ` +
    `answered after p50 ${p50Ms.toFixed(1)}, p95 ${p95Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)} ms`
  )
}

/** What a publisher has to wait, alone and beside those who send what no publisher sends. */
export type BesideHostile = {
  readonly offeredPerSecond: number
  readonly quiet: Latency
  readonly beside: Latency
  readonly statuses: Readonly<Record<string, number>>
}

export function printedBesideHostile({ quiet, beside, statuses, offeredPerSecond }: BesideHostile): string {
  const answered = Object.entries(statuses).map(([status, times]) => `${times} × ${status}`)
  return (
    `${offeredPerSecond} events a second in batches of 100: answered after p50 ${quiet.p50Ms.toFixed(1)}, p95 ${quiet.p95Ms.toFixed(1)} ms; ` +
    `beside hostile requests (${answered.join(', ')}) after p50 ${beside.p50Ms.toFixed(1)}, p95 ${beside.p95Ms.toFixed(1)} ms, ` +
    `${(beside.p95Ms / quiet.p95Ms).toFixed(2)} times as long`
  )
}

export function printedDedup(figures: readonly DedupFigures[]): string {
  return figures
    .map(
      ({ rows, identity, emptyPerSecond, fullPerSecond }) =>
        `${identity}, in batches of 500: ${emptyPerSecond.toFixed(0)} a second with little before it, ` +
        `${fullPerSecond.toFixed(0)} with ${rows} rows, ${Math.round(100 * (fullPerSecond / emptyPerSecond - 1))} %`,
    )
    .join('\n')
}

function microseconds(value: number | null): string {
  return value === null ? 'unknown' : value.toFixed(1)
}

function aligned(rows: readonly (readonly string[])[]): string {
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length))
  return rows
    .map(([name = '', ...cells]) => name.padEnd(nameWidth) + cells.map(cell => cell.padStart(12)).join(''))
    .join('\n')
}
