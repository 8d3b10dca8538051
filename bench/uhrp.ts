import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { median } from './percentile.ts'
import type { BenchOptions, Report } from './report.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'

const MEGABYTE = 1024 * 1024
const AT_ONCE = 4
const cases = [
  { method: 'GET', length: 16 * MEGABYTE, count: 12 },
  { method: 'GET', length: 16 * 1024, count: 600 },
  { method: 'PUT', length: 16 * MEGABYTE, count: 8 },
  { method: 'PUT', length: 16 * 1024, count: 120 },
] as const
type Asked = (typeof cases)[number]

/**
 * What serving and storing content costs, beside a bare file server of node:http: its GET opens a file and pipes it, its
 * PUT pipes the body into one. It neither hashes nor syncs nor looks into a database.
 */
export async function measureUhrp({ isQuick }: BenchOptions): Promise<Report> {
  const rounds = isQuick ? 2 : 7
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const postgres = await benchServer(folder)
    closing.unshift(postgres.stop)
    const database = await benchDatabase(postgres.url)
    closing.unshift(database.drop)
    const open = async (which: 'assay' | 'bare') => {
      const served = await startServer(which, path.join(folder, which), database.url)
      closing.unshift(served.end)
      return served
    }
    const [assay, bare] = [await open('assay'), await open('bare')]
    const samples = cases.map(() => [] as { assay: Sample; bare: Sample }[])
    for (let round = 0; round < rounds + 1; round++)
      for (const [i, asked] of cases.entries()) {
        const pair = { assay: await sample(assay, asked), bare: await sample(bare, asked) }
        // The first round warms up.
        if (round > 0) samples[i]?.push(pair)
      }
    const figures = cases.map((asked, i) => figure(asked, samples[i] ?? []))
    return {
      printed: [head, ...figures.map(printed)].join('\n'),
      figures: { rounds, atOnce: AT_ONCE, cases: figures },
    }
  } finally {
    for (const close of closing) await close()
  }
}

type Sample = { readonly megabytesPerSecond: number; readonly cpuMsPerMegabyte: number }

async function sample(served: Served, { method, length, count }: Asked): Promise<Sample> {
  const targets = await served.targets(method, length, count)
  const body = method === 'PUT' ? Buffer.alloc(length, String(Math.random())) : undefined
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const before = await served.cpuMs()
  const startedMs = performance.now()
  const left = targets.values()
  const work = async () => {
    for (const target of left) await exchange(method, target, body, agent, length)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const wallMs = performance.now() - startedMs
  const cpuMs = (await served.cpuMs()) - before
  agent.destroy()
  const megabytes = (length * count) / MEGABYTE
  return { megabytesPerSecond: (1000 * megabytes) / wallMs, cpuMsPerMegabyte: cpuMs / megabytes }
}

function exchange(
  method: string,
  target: string,
  body: Buffer | undefined,
  agent: http.Agent,
  length: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': body.length }
    const request = http.request(target, { method, agent, headers }, response => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on('error', reject)
      response.on('end', () => {
        const isWhole = response.statusCode === 200 && (method === 'PUT' || bytes === length)
        if (isWhole) resolve()
        else reject(new Error(`${method} ${target}: ${response.statusCode}, ${bytes} bytes`))
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

type Figure = {
  readonly name: string
  readonly assay: Sample
  readonly bare: Sample
  /** Of the bare server's bytes per second, and of its CPU time. */
  readonly times: { readonly speed: number; readonly cpu: number }
}

function figure({ method, length }: Asked, samples: readonly { assay: Sample; bare: Sample }[]): Figure {
  const middle = (who: 'assay' | 'bare'): Sample => ({
    megabytesPerSecond: median(samples.map(each => each[who].megabytesPerSecond)),
    cpuMsPerMegabyte: median(samples.map(each => each[who].cpuMsPerMegabyte)),
  })
  const ratio = (of: keyof Sample) => median(samples.map(({ assay, bare }) => assay[of] / bare[of]))
  return {
    name: `${method} ${length >= MEGABYTE ? `${length / MEGABYTE} MiB` : `${length / 1024} KiB`}`,
    assay: middle('assay'),
    bare: middle('bare'),
    times: { speed: ratio('megabytesPerSecond'), cpu: ratio('cpuMsPerMegabyte') },
  }
}

const head = row('four at a time', 'MiB/s', 'CPU ms/MiB', 'bare MiB/s', 'bare CPU', 'speed', 'CPU')

function printed({ name, assay, bare, times }: Figure): string {
  return row(
    name,
    assay.megabytesPerSecond.toFixed(0),
    assay.cpuMsPerMegabyte.toFixed(2),
    bare.megabytesPerSecond.toFixed(0),
    bare.cpuMsPerMegabyte.toFixed(2),
    `${times.speed.toFixed(2)}×`,
    `${times.cpu.toFixed(2)}×`,
  )
}

function row(name: string, ...cells: readonly string[]): string {
  return name.padEnd(16) + cells.map(cell => cell.padStart(12)).join('')
}

type Served = {
  /** URLs to GET an object of this length from, or to PUT one to. */
  targets(method: 'GET' | 'PUT', length: number, count: number): Promise<string[]>
  cpuMs(): Promise<number>
  end(): Promise<unknown>
}

async function startServer(which: 'assay' | 'bare', directory: string, databaseUrl: string): Promise<Served> {
  // Run from source or built, it is the neighbour with the same ending as this file.
  const program = new URL(`./uhrp-server-process${path.extname(import.meta.url)}`, import.meta.url)
  const child = fork(fileURLToPath(program), [which, directory, databaseUrl])
  await answerOf(child, undefined)
  return {
    async targets(method, length, count) {
      const answer = await answerOf(child, { what: 'targets', method, length, count })
      return z.object({ targets: z.array(z.string()) }).parse(answer).targets
    },
    async cpuMs() {
      return z.object({ cpuMs: z.number() }).parse(await answerOf(child, { what: 'cpu' })).cpuMs
    },
    end: () =>
      new Promise(resolve => {
        child.once('exit', resolve)
        child.disconnect()
      }),
  }
}

function answerOf(child: ChildProcess, command: object | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('a server of the benchmark has ended'))
    child.once('exit', onExit)
    child.once('message', message => {
      child.off('exit', onExit)
      resolve(message)
    })
    if (command !== undefined) child.send(command)
  })
}
