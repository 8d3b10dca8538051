/** Of one round. */
export type Sample = Spent

/** Of each submit, but for the first. */
export type Spent = {
  readonly perSecond: number
  /** Of the contender's process. */
  readonly cpuMs: number
  /** Of all processes of the database server; null where it cannot be seen from here. */
  readonly postgresMs: number | null
  readonly p50Ms: number
  readonly p95Ms: number
}

export type Case = {
  readonly name: string
  readonly concurrency: number
  readonly assay: Spent
  readonly stock?: Spent
  /** How many times the stock engine's throughput, and how many times less CPU. */
  readonly times?: { readonly perSecond: number; readonly cpu: number; readonly cpuWithPostgres: number }
}

export type Stages = {
  readonly node: readonly { readonly name: string; readonly ms: number }[]
  readonly postgresMs: number | null
}

export function printedCases(cases: readonly Case[]): string {
  const head = ['', 'at once', 'each second', 'CPU ms', 'PostgreSQL ms', 'p50 ms', 'p95 ms']
  const rows = cases.flatMap(({ name, concurrency, assay, stock, times }) => [
    [name, String(concurrency), ...spentCells(assay)],
    ...(stock === undefined ? [] : [['  stock engine', '', ...spentCells(stock)]]),
    ...(times === undefined
      ? []
      : [
          [
            '  times better',
            '',
            timesCell(times.perSecond),
            timesCell(times.cpu),
            `both ${timesCell(times.cpuWithPostgres)}`,
          ],
        ]),
  ])
  return aligned([head, ...rows])
}

export function printedStages({ node, postgresMs }: Stages): string {
  const sum = node.reduce((total, { ms }) => total + ms, 0)
  const rows = node.map(({ name, ms }) => [name, ms.toFixed(3), `${Math.round((100 * ms) / sum)} %`])
  return aligned([
    ...rows,
    ['this process in all, under the profiler', sum.toFixed(3), '100 %'],
    ['PostgreSQL', postgresMs === null ? 'not measured' : postgresMs.toFixed(3), ''],
  ])
}

function spentCells({ perSecond, cpuMs, postgresMs, p50Ms, p95Ms }: Spent): string[] {
  const postgres = postgresMs === null ? 'not measured' : postgresMs.toFixed(2)
  return [perSecond.toFixed(0), cpuMs.toFixed(2), postgres, p50Ms.toFixed(2), p95Ms.toFixed(2)]
}

function timesCell(times: number): string {
  return `${times.toFixed(1)}×`
}

function aligned(rows: readonly (readonly string[])[]): string {
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length))
  return rows
    .map(([name = '', ...cells]) => name.padEnd(nameWidth) + cells.map(cell => cell.padStart(15)).join(''))
    .join('\n')
}
