import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { processCpuMs } from '../../bench/ingest/process-cpu.ts'
import { percentile } from '../../bench/percentile.ts'
import { hubBounds } from '../../src/serve/live/ports.ts'
import { until } from '../support/until.ts'
import { begun, type ClientsCommand, compared, missing } from './live-load/commands.ts'
import { loadSources, type Published, publish } from './live-load/publishers.ts'
import { questions } from './live-load/questions.ts'
import { trackOf } from './live-load/told.ts'
import { type NodeHome, nodeHome } from './node-home.ts'
import { pause } from './submit-load.ts'

// By hand, the full count: ASSAY_BUILT=1 ASSAY_LIVE_CLIENTS=1000 ASSAY_LIVE_SECONDS=60 ASSAY_LIVE_RATE=10000
//   ASSAY_LIVE_ONE_IN_FOLLOWS_ALL=50 ASSAY_LIVE_STAGES=received npx vitest run test/node/live-load.test.ts
// Half of them following everything, at every stage, is more than one core can tell.
const slice = { clients: 40, seconds: 6, rate: 1_000 }
const clients = Number(process.env['ASSAY_LIVE_CLIENTS'] ?? slice.clients)
const seconds = Number(process.env['ASSAY_LIVE_SECONDS'] ?? slice.seconds)
const rate = Number(process.env['ASSAY_LIVE_RATE'] ?? slice.rate)
const stages = (process.env['ASSAY_LIVE_STAGES'] ?? 'received,normalized,validated').split(',')
/** The others ask for a hundredth of it, or less. */
const oneInFollowsAll = Number(process.env['ASSAY_LIVE_ONE_IN_FOLLOWS_ALL'] ?? 2)
const seed = Number(process.env['ASSAY_SEED'] ?? 20261120)
/** All that is kept for those who are behind, as docs/operating.md and docs/streaming.md promise it, whoever follows. */
const keptBytesMax = hubBounds.tailsBytesMax + hubBounds.historyKeptBytes + hubBounds.saidBytesMax
/** What the node may take more than before the load once everybody has been told: a heap may be four times what lives in it. */
const growthMegabytesMax = Math.ceil((4 * keptBytesMax) / 1024 / 1024)
/** Messages that are timed, about, of all that steady clients are told. */
const timedEvery = Math.max(1, Math.round((clients * seconds) / 500))

const homes: NodeHome[] = []
const processes: { end(): void }[] = []
afterEach(async () => {
  for (const each of processes.splice(0)) each.end()
  for (const home of homes.splice(0)) await home.remove()
}, 60_000)

test(`${clients} clients that go and come back are told of ${rate} events a second, each once, for ${seconds} s`, {
  timeout: 60_000 + seconds * 8_000,
}, async () => {
  const home = await nodeHome({
    INGEST_SOURCES_JSON: JSON.stringify(loadSources),
    FUEL_HORIZON_S: '0',
    BRC22_JOB_ORCHESTRATION_ENABLED: 'false',
    WATCH_MAX_CLIENTS: String(clients * 2),
    EVENT_STREAM_CLIENTS_PER_ADDRESS: String(clients * 2),
  })
  homes.push(home)
  const node = home.start()
  let stage = 'starting'
  onTestFailed(() => void process.stderr.write(`${stage}\n${node.said()}`))
  await node.ready()
  const followers = followersProcess()
  processes.push(followers)
  const port = Number(new URL(node.url).port)
  await followers.ask({ what: 'follow', port, seed, clients, stages, oneInFollowsAll, timedEvery }, begun)

  stage = 'under load'
  const rssBefore = memoryOf(node.pid)
  const cpuBefore = processCpuMs(node.pid)
  const startMs = Date.now()
  const halfMs = startMs + (seconds * 1000) / 2
  const publishing = publish(node.url, { perSecond: rate, seconds })
  const sticking = pause(halfMs - Date.now()).then(() => followers.ask({ what: 'stick' }, begun))
  const [published] = await Promise.all([publishing, sticking])
  const tookMs = Date.now() - startMs
  const cpuMs = (processCpuMs(node.pid) ?? Number.NaN) - (cpuBefore ?? Number.NaN)
  const rssLoaded = memoryOf(node.pid)

  stage = `asking what there is of ${totalOf(published)} events, which took ${tookMs} ms to be taken in`
  const answers: string[][] = []
  for (const { search, isIn = () => true } of questions)
    answers.push((await foundBy(node.url, search)).filter(isIn))
  stage = 'while everybody reads what is left'
  await followers.ask({ what: 'settle' }, begun)
  const ends = endsOf(published)
  const counts = answers.map(({ length }) => length)
  await until(async () => {
    const left = await followers.ask({ what: 'missing', ends, counts }, missing)
    stage = `${left.clients} clients have not been told of everything, as: ${left.example}`
    return left.clients === 0
  })
  stage = 'comparing'
  const { faults, timed, ...all } = await followers.ask({ what: 'compare', answers }, compared)
  const lagMs = (isIn: (atMs: number) => boolean) => {
    const samples = timed
      .filter(({ atMs }) => isIn(atMs))
      .flatMap(({ streamId, lastSeq, atMs }) => atMs - (published.sentMs(streamId, lastSeq) ?? Number.NaN))
    const at = (share: number) => Math.round(percentile(samples, share))
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), samples: samples.length }
  }
  const [rssAtRest, keptBytes] = [memoryOf(node.pid), await keptBytesOf(node.url)]
  process.stderr.write(
    `${JSON.stringify({
      eventsPerSecond: Math.round((totalOf(published) * 1000) / tookMs),
      events: totalOf(published),
      sentAgain: published.again,
      answeredMs: [0.5, 0.95, 0.99].map(share => percentile(published.answeredMs, share)),
      toldWithinSeconds: await toldWithin(node.url),
      ...{ lagMsBeforeSomeAreStuck: lagMs(atMs => atMs < halfMs), lagMsSince: lagMs(atMs => atMs >= halfMs) },
      ...all,
      deliveriesPerSecond: Math.round((all.messages * 1000) / tookMs),
      nodeCpu: Number((cpuMs / tookMs).toFixed(2)),
      ...{ rssBefore, rssLoaded, rssAtRest, keptBytes },
    })}\n`,
  )
  expect(faults).toEqual([])
  expect(counts.every(count => count > 0)).toBe(true)
  expect(keptBytes).toBeGreaterThan(0)
  expect(keptBytes).toBeLessThanOrEqual(keptBytesMax)
  if (rssBefore !== undefined && rssAtRest !== undefined)
    expect(rssAtRest - rssBefore).toBeLessThan(growthMegabytesMax)
})

function totalOf({ events }: Published): number {
  return [...events.values()].reduce((sum, each) => sum + each, 0)
}

/** Of every stage that is followed; a node reaches them by itself. */
function endsOf({ events }: Published): Record<string, number> {
  return Object.fromEntries(
    [...events].flatMap(([streamId, count]) =>
      stages.map(stage => [trackOf(streamId, 0, stage), count] as const),
    ),
  )
}

const pageShape = z.object({
  items: z.array(z.object({ eventId: z.string() })),
  nextCursor: z.string().nullable(),
  reach: z.object({ isComplete: z.boolean() }),
})

/** All that a query finds, once all can be found. */
async function foundBy(url: string, question: string): Promise<string[]> {
  const page = (cursor: string | null) =>
    until(async () => {
      const path = `/search?limit=100&${question}${cursor === null ? '' : `&cursor=${cursor}`}`
      const response = await fetch(url + path)
      const text = await response.text()
      if (response.status === 503 || response.status === 429) return false
      if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${text.slice(0, 300)}`)
      const { items, nextCursor, reach } = pageShape.parse(JSON.parse(text))
      return reach.isComplete && { items, nextCursor }
    })
  const ids: string[] = []
  for (let cursor: string | null = null; ; ) {
    const { items, nextCursor }: z.output<typeof pageShape> | Awaited<ReturnType<typeof page>> =
      await page(cursor)
    ids.push(...items.map(({ eventId }) => eventId))
    if (nextCursor === null) return ids
    cursor = nextCursor
  }
}

function followersProcess() {
  const file = fileURLToPath(new URL('./live-load/clients-process.ts', import.meta.url))
  const child = fork(file, { execArgv: ['--conditions=source', '--import', 'tsx'] })
  return {
    async ask<T>(question: ClientsCommand, answer: z.ZodType<T>): Promise<T> {
      child.send(question)
      const [said] = await once(child, 'message')
      return answer.parse(said)
    },
    end: () => void child.kill(),
  }
}

/** Shares of what was told of, by how long after it could be read, as the node has counted. */
async function toldWithin(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const counts = [...text.matchAll(/^assay_live_lag_seconds_bucket\{le="([^"]+)",route="watch"\} (\d+)$/gm)]
  const all = Number(counts.at(-1)?.[2] ?? 0)
  return Object.fromEntries(
    counts.map(([, le = '', count]) => [le, Number((Number(count) / all).toFixed(3))]),
  )
}

async function keptBytesOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const [, bytes] = /^assay_live_kept_bytes (\d+)$/m.exec(text) ?? []
  return z.coerce.number().parse(bytes)
}

/** In megabytes; undefined where there is no /proc to say it. */
function memoryOf(pid: number): number | undefined {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
    return Math.round(Number(kilobytes) / 1024)
  } catch {
    // Another system than Linux: then the figure is not there.
    return undefined
  }
}
