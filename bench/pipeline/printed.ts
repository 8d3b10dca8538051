import { type FigureName, figureList, type LatencyName, latencyList } from './figures.ts'
import { type PipelineReport, perEvent, shown, shownFigure } from './report.ts'

/** A table of a report, to be set as text, as Markdown or as a page. */
export type Table = {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function tablesOf(report: PipelineReport): Table[] {
  return [latencies(report), cpu(report), figures(report), counts(report)]
}

/** In words, what the figures are of, and what came of it. */
export function summaryOf({ options, figures, counts, losses, machine }: PipelineReport): string[] {
  const all = Object.entries(options).map(([name, value]) => `--${name} ${value}`)
  return [
    `npm run bench -- ${all.join(' ')}`,
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('; '),
    `${shown(figures.offeredPerSecond)} events a second were offered, ${shown(figures.acceptedPerSecond)} accepted, ${shown(figures.certifiedPerSecond)} certified`,
    `others kept ${shown(figures.othersCores)} of the machine’s ${machine['cores']} cores busy meanwhile, and the system itself ${shown(figures.systemCores)}`,
    losses.length === 0
      ? `nothing was lost: ${counts.accepted} events were accepted, and each is certified once, in the database and at who follows everything`
      : `NOT everything that was accepted is certified once: ${losses.join('; ')}`,
  ]
}

export function printedReport(report: PipelineReport): string {
  return [
    ...summaryOf(report),
    ...tablesOf(report).map(({ title, head, rows }) => `${title}\n${aligned([head, ...rows])}`),
  ].join('\n\n')
}

function latencies({ latencies }: PipelineReport): Table {
  return {
    title: 'Milliseconds since an event was due',
    head: ['', 'p50', 'p95', 'p99', 'p99.9', 'longest', 'counted', 'where it comes from'],
    rows: (Object.keys(latencyList) as LatencyName[]).map(name => {
      const { p50, p95, p99, p999, maxMs, events } = latencies[name]
      return [name, ...[p50, p95, p99, p999, maxMs].map(shown), String(events), latencyList[name]]
    }),
  }
}

function cpu(report: PipelineReport): Table {
  const { figures, options, counts } = report
  const events = (figures.certifiedPerSecond ?? 0) * options.seconds
  return {
    title:
      'CPU in the measured time, over the events certified in it; and until all was certified, over all events',
    head: ['', 'µs/event', 'cores', 'whole, µs/event', ''],
    rows: report.cpu.map(({ who, isPart, isCounted, cpuMs, wholeCpuMs }) => [
      `${isPart ? '· ' : ''}${who}`,
      shown(perEvent(cpuMs, events)),
      shown(cpuMs === null ? null : cpuMs / (1000 * options.seconds)),
      isPart ? '' : shown(perEvent(wholeCpuMs, counts.accepted)),
      isCounted ? '' : 'not the system’s',
    ]),
  }
}

function figures(report: PipelineReport): Table {
  return {
    title: 'Figures',
    head: ['', '', '', 'where it comes from'],
    rows: (Object.keys(figureList) as FigureName[]).map(name => [
      name,
      shownFigure(name, report),
      figureList[name].unit,
      figureList[name].from,
    ]),
  }
}

function counts({ counts, clients, packets }: PipelineReport): Table {
  const inWords = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([why, times]) => `${times} × ${why}`)
      .join(', ') || 'none'
  return {
    title: 'Counted at the end',
    head: ['', '', 'where it comes from'],
    rows: [
      ['events accepted', String(counts.accepted), 'answers with success, warming up included'],
      ['in packets', String(counts.inLog), 'the database'],
      ['certified', String(counts.certifiedInDatabase), 'packets at anchored or proven, in the database'],
      [
        'told of as certified',
        String(counts.certifiedAtSubscriber),
        '`anchored` messages at the client that follows everything',
      ],
      ['events refused', inWords(counts.refused), 'by what was answered; they are not sent again'],
      ['events not sent', String(counts.notSent), 'still due when the time to wait was over'],
      ['packets', String(packets.count), 'the database'],
      ['messages to clients', String(clients.messages), 'at the clients that only read'],
      ['events in them', String(clients.events), 'the same, every stage counted'],
      ['events verified', String(clients.verifiedEvents), 'at the clients that verify'],
      ['connections cut off', inWords(clients.cutOff), 'at all clients; each goes on where it stood'],
    ],
  }
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2))
        .join('')
        .trimEnd(),
    )
    .join('\n')
}
