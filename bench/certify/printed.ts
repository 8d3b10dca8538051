import type { Hottest } from './hottest.ts'

/** Of one load, all figures apart from what the same load costs where nothing is certified. */
export type Sample = {
  readonly fanOut: string
  readonly streams: number
  readonly eventsPerSecond: number
  readonly certifiedPerSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly rounds: number
  readonly packets: number
  readonly events: number
  /** Milliseconds of CPU by role; null where they cannot be seen from here. */
  readonly cpuMs: ByRole | null
  /** The same load without agents. */
  readonly withoutMs: ByRole | null
  readonly transactions: number
  readonly bytes: number
  readonly satoshis: number
}

export type ByRole = { readonly node: number; readonly postgres: number; readonly agents: number }

/** What certifying costs: rounds and events told apart by two loads. */
export type Price = { readonly perRoundMs: number; readonly perEventMicroseconds: number }

export function certifyMs({ cpuMs, withoutMs }: Sample): ByRole | null {
  if (cpuMs === null || withoutMs === null) return null
  return {
    node: cpuMs.node - withoutMs.node,
    postgres: cpuMs.postgres - withoutMs.postgres,
    agents: cpuMs.agents,
  }
}

export function total({ node, postgres, agents }: ByRole): number {
  return node + postgres + agents
}

/** Two loads of one rate of rounds make two lines in two unknowns; null where they are too much alike. */
export function priceOf(few: Sample, many: Sample): Price | null {
  const [a, b] = [certifyMs(few), certifyMs(many)]
  if (a === null || b === null) return null
  const determinant = few.rounds * many.events - many.rounds * few.events
  if (determinant === 0) return null
  const perRoundMs = (total(a) * many.events - total(b) * few.events) / determinant
  const perEventMs = (few.rounds * total(b) - many.rounds * total(a)) / determinant
  return { perRoundMs, perEventMicroseconds: 1000 * perEventMs }
}

export function printedSamples(samples: readonly Sample[]): string {
  const head = [
    'fan-out',
    'streams',
    'events/s',
    'certified/s',
    'p50 ms',
    'p95 ms',
    'rounds',
    'packets',
    'CPU ms/round',
    'node',
    'PostgreSQL',
    'agents',
    'CPU ms/packet',
    'CPU µs/event',
    'tx/round',
    'kB/round',
    'satoshis/round',
  ]
  const rows = samples.map(sample => {
    const { rounds, packets, events } = sample
    const cpu = certifyMs(sample)
    const each = (ms: number | undefined, by: number, digits = 1) =>
      ms === undefined || by === 0 ? 'not measured' : (ms / by).toFixed(digits)
    const all = cpu === null ? undefined : total(cpu)
    return [
      sample.fanOut,
      String(sample.streams),
      String(sample.eventsPerSecond),
      sample.certifiedPerSecond.toFixed(0),
      sample.p50Ms.toFixed(0),
      sample.p95Ms.toFixed(0),
      String(rounds),
      String(packets),
      each(all, rounds),
      each(cpu?.node, rounds),
      each(cpu?.postgres, rounds),
      each(cpu?.agents, rounds),
      each(all, packets),
      each(all === undefined ? undefined : 1000 * all, events),
      each(sample.transactions, rounds),
      each(sample.bytes / 1000, rounds),
      each(sample.satoshis, rounds, 0),
    ]
  })
  return aligned([head, ...rows])
}

export function printedHottest(hottest: readonly Hottest[]): string {
  return hottest
    .map(({ program, busyMs, functions }) => {
      const rows = functions.map(({ name, place, ms }) => [
        `${((100 * ms) / busyMs).toFixed(1)} %`,
        ms.toFixed(0),
        `${name} ${place}`,
      ])
      return `${program}: ${busyMs.toFixed(0)} ms\n${aligned(rows)}`
    })
    .join('\n\n')
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  return rows
    .map(row =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 2)))
        .join(''),
    )
    .join('\n')
}
