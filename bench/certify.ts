import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Account, openAccount } from './certify/account.ts'
import { type Cluster, startCluster } from './certify/cluster.ts'
import { readHottest } from './certify/hottest.ts'
import { type Load, post, sourcesOf } from './certify/load.ts'
import {
  type ByRole,
  certifyMs,
  priceOf,
  printedHottest,
  printedSamples,
  type Sample,
  total,
} from './certify/printed.ts'
import { processCpuMs } from './ingest/process-cpu.ts'
import { percentile } from './percentile.ts'
import { referencePolicy } from './reference-policy.ts'
import type { BenchOptions, Report } from './report.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'
import { type PostgresCpu, postgresCpu } from './submit/postgres-cpu.ts'

const FEW_EVENTS = 100
const ROUND_MS = 1_000
const MANY_EVENTS = 1_000
const manyStreams = [1, 10, 200]
const fanOuts = ['all', 'quorum-first'] as const
type FanOut = (typeof fanOuts)[number]

// Processes run for days, and for their first minute mostly compile themselves.
const full = { seconds: 20, streams: manyStreams, startSeconds: 60, warmUpSeconds: 5 }
/** Enough to see that all of it runs; its figures mean little. */
const quick = { seconds: 3, streams: [1, 10], startSeconds: 2, warmUpSeconds: 2 }

/**
 * What it costs to have packets certified by the agents of three operators, with a process for everybody: the same load
 * with agents and without, so that taking events in is not counted.
 */
export async function measureCertify({ isQuick, isProfiled = false }: BenchOptions): Promise<Report> {
  const scale = isQuick ? quick : full
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const server = await benchServer(folder)
    closing.unshift(server.stop)
    const postgres = await postgresCpu(server.url)
    const profilesIn = path.join(folder, 'profiles')
    await mkdir(profilesIn)
    const loads: Load[] = [
      { streams: 1, eventsPerSecond: FEW_EVENTS, seconds: scale.seconds },
      ...scale.streams.map(streams => ({ streams, eventsPerSecond: MANY_EVENTS, seconds: scale.seconds })),
    ]
    const run = (name: string, fanOut: FanOut | undefined, some: readonly Load[]) =>
      measureLoads(some, {
        ...{
          server: server.url,
          postgres,
          fanOut,
          startSeconds: scale.startSeconds,
          warmUpSeconds: scale.warmUpSeconds,
        },
        folder: path.join(folder, name),
        streams: Math.max(...scale.streams),
        ...(isProfiled && fanOut === 'all' && { profilesIn }),
      })
    // One profile of each process, of the load that there is most to say about.
    const measured = isProfiled ? loads.slice(1, 2) : loads
    const without = await run('without', undefined, measured)
    const all = await run('all', 'all', measured)
    const quorumFirst = isProfiled ? [] : await run('quorum-first', 'quorum-first', loads.slice(0, 2))
    const samples = [...all, ...quorumFirst].map((sample, i) => ({
      ...sample,
      withoutMs: without[i % all.length]?.cpuMs ?? null,
    }))
    const [few, many] = isProfiled ? [] : samples
    const price = few && many ? priceOf(few, many) : null
    const widest = samples[all.length - 1]
    const ratio = many && widest ? ratioOf(widest, many) : null
    const hottest = isProfiled ? await readHottest(profilesIn) : []
    const printed = [
      `${scale.seconds} s of each load, one round a second; node, PostgreSQL, nine agents and the publisher share this machine`,
      'without what the same events cost where nothing is certified:',
      printedSamples(samples),
      price === null
        ? 'CPU for each round and event: not measured'
        : `CPU apart from events: ${price.perRoundMs.toFixed(0)} ms for each round (aim: 100); ${price.perEventMicroseconds.toFixed(0)} µs for each event`,
      ratio === null
        ? 'CPU of many streams: not measured'
        : `CPU of ${widest?.streams} streams over that of one, at the same rate: ${ratio.toFixed(2)} (aim: 1.5)`,
      ...(hottest.length > 0 ? [printedHottest(hottest)] : []),
    ]
    return {
      printed: printed.join('\n\n'),
      figures: { seconds: scale.seconds, samples, price, ratio, hottest },
    }
  } finally {
    for (const close of closing) await close()
  }
}

function ratioOf(many: Sample, one: Sample): number | null {
  const [a, b] = [certifyMs(many), certifyMs(one)]
  return a === null || b === null ? null : total(a) / total(b)
}

type RunOptions = {
  readonly folder: string
  readonly server: string
  readonly postgres: PostgresCpu | undefined
  /** Undefined: without agents. */
  readonly fanOut: FanOut | undefined
  readonly streams: number
  /** Before the first load, and before each of the others. */
  readonly startSeconds: number
  readonly warmUpSeconds: number
  readonly profilesIn?: string
}

async function measureLoads(loads: readonly Load[], options: RunOptions): Promise<Sample[]> {
  const { folder, server, fanOut, streams, startSeconds, warmUpSeconds, profilesIn } = options
  const database = await benchDatabase(server)
  const hasAgents = fanOut !== undefined
  const policy = { ...Object(referencePolicy), identify: { nativeId: '/nonce' } }
  await mkdir(folder, { recursive: true })
  // Many sources are more than a variable holds.
  const sources = path.join(folder, 'sources.json')
  await writeFile(sources, JSON.stringify(sourcesOf(streams, policy)))
  const cluster = await startCluster({
    ...{ folder, databaseUrl: database.url, hasAgents },
    settings: {
      EVENT_FAN_OUT: fanOut ?? 'all',
      // A packet ends when its round begins: what is measured is not how two clocks of different pace fall.
      EVENT_BUFFER_MS: String(ROUND_MS),
      ROUND_MS: String(ROUND_MS),
      INGEST_SOURCES_JSON_FILE: sources,
    },
    ...(profilesIn !== undefined && { profilesIn }),
  })
  const account = await openAccount(database.url)
  try {
    let next = 0
    const samples: Sample[] = []
    for (const [i, load] of loads.entries()) {
      // Every stream has had an event by then, and every agent a job.
      const seconds = Math.max(i === 0 ? startSeconds : warmUpSeconds, Math.ceil(load.streams / 100))
      const warm = { ...load, seconds }
      next += await post(cluster.url, next, warm)
      await account.atRest(hasAgents)
      const sample = await measureOne({ ...options, cluster, account }, load, next)
      next += sample.posted
      samples.push(sample.sample)
    }
    return samples
  } finally {
    await account.close()
    await cluster.stop()
    await database.drop()
  }
}

async function measureOne(
  run: RunOptions & { readonly cluster: Cluster; readonly account: Account },
  load: Load,
  from: number,
): Promise<{ sample: Sample; posted: number }> {
  const { cluster, account, postgres, fanOut } = run
  cluster.profile()
  if (run.profilesIn !== undefined) await sleep(PROFILER_STARTS_MS)
  const before = cpuOf(cluster, postgres)
  const startMs = Date.now()
  const posted = await post(cluster.url, from, load)
  await account.atRest(fanOut !== undefined)
  const seconds = (Date.now() - startMs) / 1000
  // What is told and written behind belongs to it.
  await sleep(SETTLE_MS)
  const after = cpuOf(cluster, postgres)
  cluster.profile()
  const { latenciesMs, ...done } = await account.since(startMs)
  const sample = {
    ...{ fanOut: fanOut ?? 'none', streams: load.streams, eventsPerSecond: load.eventsPerSecond, ...done },
    certifiedPerSecond: done.events / seconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p95Ms: percentile(latenciesMs, 0.95),
    cpuMs: before && after && difference(after, before),
    withoutMs: null,
  }
  return { sample, posted }
}

const SETTLE_MS = 1_500
/** Longer than that takes: it looks at every function there is. */
const PROFILER_STARTS_MS = 5_000

function cpuOf({ nodePid, agentPids }: Cluster, postgres: PostgresCpu | undefined): ByRole | null {
  const node = processCpuMs(nodePid)
  const agents = agentPids.reduce((sum, pid) => sum + (processCpuMs(pid) ?? 0), 0)
  return node === undefined || postgres === undefined ? null : { node, postgres: postgres(), agents }
}

function difference(after: ByRole, before: ByRole): ByRole {
  return {
    node: after.node - before.node,
    postgres: after.postgres - before.postgres,
    agents: after.agents - before.agents,
  }
}
