import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { signer } from '#curve'
import { type Figure, ROUNDS } from './measure.ts'

type Suite = () => Promise<readonly Figure[]>

const suites: ReadonlyMap<string, Suite> = new Map([
  ['core', async () => (await import('./core.ts')).measureCore()],
])

/** `assay bench <suite> [--json FILE]`; resolves to the exit code. */
export async function runBench(argv: readonly string[]): Promise<number> {
  const asked = readArguments(argv)
  if (typeof asked === 'string') {
    console.error(`assay bench: ${asked} The suites are: ${[...suites.keys()].join(', ')}.`)
    return 2
  }

  const report = { suite: asked.name, ...machine(), rounds: ROUNDS, figures: await asked.suite() }
  console.log(
    `${report.suite}: ${report.cpu} (${report.cores} cores), Node ${report.node}, signer ${report.signer}`,
  )
  console.log(`medians of ${report.rounds} interleaved rounds, CPU time\n`)
  console.log(table(report.figures))
  if (asked.file !== undefined) await writeFile(asked.file, `${JSON.stringify(report, null, 2)}\n`)
  return 0
}

function readArguments(
  argv: readonly string[],
): { name: string; suite: Suite; file: string | undefined } | string {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      options: { json: { type: 'string' } },
      allowPositionals: true,
    })
    const [name, ...rest] = positionals
    if (name === undefined) return 'name a suite, as in `npm run bench -- core`.'
    if (rest.length > 0) return `one suite at a time, but ${positionals.length} were named.`
    const suite = suites.get(name)
    return suite === undefined ? `there is no suite "${name}".` : { name, suite, file: values.json }
  } catch (error) {
    // parseArgs throws nothing but its complaint about the options, worded for the person who typed them.
    return `${error instanceof Error ? error.message : error}.`
  }
}

function machine() {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model ?? 'unknown processor',
    cores: cpus.length,
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    signer,
  }
}

function table(figures: readonly Figure[]): string {
  const rows = [
    ['', 'per CPU-second', 'µs each', '× baseline', 'aim'],
    ...figures.map(({ name, perCpuSecond, microseconds, timesBaseline, aim }) => [
      name,
      whole(perCpuSecond),
      microseconds.toFixed(microseconds < 100 ? 2 : 0),
      timesBaseline.toFixed(2),
      aim === null ? '' : whole(aim),
    ]),
  ]
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length))
  return rows
    .map(([name = '', ...cells]) => name.padEnd(nameWidth) + cells.map(cell => cell.padStart(16)).join(''))
    .join('\n')
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
