import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { signer } from '#curve'
import type { BenchOptions, Report } from './report.ts'

type Suite = (options: BenchOptions) => Promise<Report>

const suites: ReadonlyMap<string, Suite> = new Map<string, Suite>([
  ['core', async () => (await import('./core.ts')).reportCore()],
  ['auth', async options => (await import('./auth.ts')).measureAuth(options)],
  ['submit', async options => (await import('./submit.ts')).measureSubmit(options)],
  ['uhrp', async options => (await import('./uhrp.ts')).measureUhrp(options)],
])

/** `assay bench <suite> [--json FILE] [--quick]`; resolves to the exit code. */
export async function runBench(argv: readonly string[]): Promise<number> {
  const asked = readArguments(argv)
  if (typeof asked === 'string') {
    console.error(`assay bench: ${asked} The suites are: ${[...suites.keys()].join(', ')}.`)
    return 2
  }

  const { printed, figures } = await asked.suite({ isQuick: asked.isQuick })
  const { cpu, cores, node, ...more } = machine()
  console.log(`${asked.name}: ${cpu} (${cores} cores), Node ${node}, signer ${more.signer}\n${printed}`)
  if (asked.file !== undefined) {
    const report = { suite: asked.name, cpu, cores, node, ...more, ...figures }
    await writeFile(asked.file, `${JSON.stringify(report, null, 2)}\n`)
  }
  return 0
}

function readArguments(
  argv: readonly string[],
): { name: string; suite: Suite; file: string | undefined; isQuick: boolean } | string {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      options: { json: { type: 'string' }, quick: { type: 'boolean', default: false } },
      allowPositionals: true,
    })
    const [name, ...rest] = positionals
    if (name === undefined) return 'name a suite, as in `npm run bench -- core`.'
    if (rest.length > 0) return `one suite at a time, but ${positionals.length} were named.`
    const suite = suites.get(name)
    return suite === undefined
      ? `there is no suite "${name}".`
      : { name, suite, file: values.json, isQuick: values.quick }
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
