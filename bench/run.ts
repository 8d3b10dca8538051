import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { signer } from '#curve'
import { pipelineOptions } from './pipeline/options.ts'
import { runPipeline } from './pipeline/run-pipeline.ts'
import type { BenchOptions, Report } from './report.ts'

type Suite = (options: BenchOptions) => Promise<Report>

const suites: ReadonlyMap<string, Suite> = new Map<string, Suite>([
  ['core', async () => (await import('./core.ts')).reportCore()],
  ['auth', async options => (await import('./auth.ts')).measureAuth(options)],
  ['submit', async options => (await import('./submit.ts')).measureSubmit(options)],
  ['ingest', async options => (await import('./ingest.ts')).measureIngest(options)],
  ['certify', async options => (await import('./certify.ts')).measureCertify(options)],
  ['search', async options => (await import('./search.ts')).measureSearch(options)],
  ['fanout', async options => (await import('./fanout.ts')).measureFanout(options)],
  ['verify', async options => (await import('./verify.ts')).measureVerify(options)],
  ['uhrp', async options => (await import('./uhrp.ts')).measureUhrp(options)],
])

/**
 * `assay bench [<suite>] [--json FILE] [--quick]`, with options of some suites; without the name of one, the whole pipeline. Resolves to the
 * exit code.
 */
export async function runBench(argv: readonly string[]): Promise<number> {
  const asked = readArguments(argv)
  if (typeof asked === 'string') {
    console.error(`assay bench: ${asked} The suites are: ${[...suites.keys()].join(', ')}.`)
    return 2
  }

  if (asked.name === undefined) return runPipeline(asked.given)
  const { printed, figures } = await asked.suite(asked.options)
  const { cpu, cores, node, ...more } = machine()
  console.log(`${asked.name}: ${cpu} (${cores} cores), Node ${node}, signer ${more.signer}\n${printed}`)
  if (asked.file !== undefined) {
    const report = { suite: asked.name, cpu, cores, node, ...more, ...figures }
    await writeFile(asked.file, `${JSON.stringify(report, null, 2)}\n`)
  }
  return 0
}

type Asked =
  | { readonly name: undefined; readonly given: Parameters<typeof runPipeline>[0] }
  | {
      readonly name: string
      readonly suite: Suite
      readonly file: string | undefined
      readonly options: BenchOptions
    }

const ofPipeline = [...Object.keys(pipelineOptions), 'page', 'report']

/** A sentence where it is not to be understood. */
function readArguments(argv: readonly string[]): Asked | string {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      options: {
        json: { type: 'string' },
        quick: { type: 'boolean', default: false },
        dedup: { type: 'string' },
        profile: { type: 'boolean', default: false },
        ...Object.fromEntries(ofPipeline.map(name => [name, { type: 'string' } as const])),
      },
      allowPositionals: true,
    })
    const [name, ...rest] = positionals
    const { json: file, quick: isQuick, profile: isProfiled, dedup } = values
    if (name === undefined)
      return dedup !== undefined || isProfiled
        ? '--dedup and --profile are of suites; name one.'
        : { name, given: values }
    const strange = Object.keys(values).find(each => ofPipeline.includes(each))
    if (strange !== undefined) return `--${strange} is of the whole pipeline, which has no name.`
    if (rest.length > 0) return `one suite at a time, but ${positionals.length} were named.`
    const suite = suites.get(name)
    if (suite === undefined) return `there is no suite "${name}".`
    if (dedup === undefined) return { name, suite, file, options: { isQuick, isProfiled } }
    return /^[1-9]\d{0,9}$/.test(dedup)
      ? { name, suite, file, options: { isQuick, dedupRows: Number(dedup) } }
      : `--dedup takes a number of rows, and "${dedup}" is none.`
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
