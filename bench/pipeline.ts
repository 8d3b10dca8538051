import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { agentsThere } from '../src/bin/start-agents.ts'
import { startCluster } from './certify/cluster.ts'
import { sourcesOf } from './certify/load.ts'
import { askProcess } from './fanout/ask-process.ts'
import { openAccount } from './pipeline/account.ts'
import { followed, following, published, settled } from './pipeline/commands.ts'
import { certifiedEnds } from './pipeline/conservation.ts'
import { measureLimits } from './pipeline/limits.ts'
import { machineOf } from './pipeline/machine.ts'
import type { PipelineOptions } from './pipeline/options.ts'
import { prime } from './pipeline/prime.ts'
import { putTogether } from './pipeline/put-together.ts'
import type { PipelineReport } from './pipeline/report.ts'
import { type Schedule, scheduleOf } from './pipeline/schedule.ts'
import {
  type BothEnds,
  closerLook,
  folderBytes,
  type Watched,
  watchMachine,
} from './pipeline/watch-machine.ts'
import { referencePolicy } from './reference-policy.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'
import { postgresCpu } from './submit/postgres-cpu.ts'

/** Between the last process that starts and the first event: what it takes to be ready is not measured. */
const SETTLE_MS = 1_000
const CONNECTIONS = 64

/**
 * Everything at once, as it is in production: publishers by a schedule, a node, PostgreSQL, nine agents of three operators, and those who
 * follow, a process for each; and beside it, before, what this machine does at best.
 */
export async function measurePipeline(
  options: PipelineOptions,
  onStep: (step: string) => void,
): Promise<PipelineReport> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })]
  const closeAll = async () => {
    for (const close of closing.splice(0)) await close()
  }
  const stopped = (signal: NodeJS.Signals) => {
    onStep(`${signal}: stopping`)
    // Whatever is under way fails where its other end is gone; nobody waits for it any more.
    closeAll().then(
      () => process.exit(STOPPED),
      error => {
        console.error(error)
        process.exit(STOPPED)
      },
    )
  }
  for (const signal of stopSignals) process.once(signal, stopped)
  try {
    const atMs = Date.now()
    const server = await benchServer(folder)
    closing.unshift(server.stop)
    const postgres = await postgresCpu(server.url)
    onStep('what this machine does at best')
    const limits = await measureLimits({
      ...{ server: server.url, postgres, batch: options.batch, seconds: options['limit-seconds'] },
    })

    onStep('a node and nine agents')
    const database = await benchDatabase(server.url)
    closing.unshift(database.drop)
    const clusterFolder = path.join(folder, 'cluster')
    const cluster = await startCluster({
      ...{ folder: clusterFolder, databaseUrl: database.url, hasAgents: true },
      settings: await settingsOf(clusterFolder, options),
    })
    closing.unshift(cluster.stop)
    await agentsThere(
      cluster.url,
      cluster.operators,
      cluster.agentPids.length,
      AbortSignal.timeout(READY_MS_MAX),
    )
    const account = await openAccount(database.url)
    closing.unshift(account.close)

    const stored = async () => ({
      database: await account.databaseBytes(),
      content: await folderBytes(clusterFolder),
    })
    const publishers = askProcess('pipeline-publishers-process')
    closing.unshift(publishers.end)
    const clients = askProcess('pipeline-clients-process')
    closing.unshift(clients.end)
    const verifiers = askProcess('pipeline-verifiers-process')
    closing.unshift(verifiers.end)
    const follow = {
      ...{ what: 'follow', url: cluster.url, streams: options.streams },
      ...{ operators: cluster.operators, logKey: await logKeyOf(cluster.url) },
    }
    onStep(`${options.clients} clients, and ${options.verifying} that verify`)
    await clients.ask({ ...follow, clients: options.clients }, following)
    await verifiers.ask({ ...follow, clients: options.verifying }, following)

    onStep('one event in each stream, until it is certified')
    const storedBefore = await stored()
    const primed = await prime(cluster.url, options.streams)
    await account.untilCertified(1000 * options['wait-seconds'])

    const watched: Watched = {
      roles: {
        node: [cluster.nodePid],
        ...Object.fromEntries([...cluster.agentsByStage].map(([stage, pids]) => [`agents: ${stage}`, pids])),
        publishers: [publishers.pid],
        clients: [clients.pid],
        'verifying clients': [verifiers.pid],
        'the benchmark': [process.pid],
      },
      ...{ nodePid: cluster.nodePid, postgres, backendPid: account.backendPid },
    }
    const schedule = scheduleOf(Date.now() + SETTLE_MS, {
      ...{ rate: options.rate, batch: options.batch, streams: options.streams },
      ...{ seconds: options.seconds, warmSeconds: options['warm-seconds'] },
    })
    onStep(`${options.rate} events a second for ${options['warm-seconds']} + ${options.seconds} s`)
    const first = closerLook(watched)
    const machine = watchMachine(watched)
    const looking = lookAtBothEnds(schedule, watched, account.walBytes)
    const scheduled = await publishers.ask(
      {
        ...{ url: cluster.url, connections: CONNECTIONS, schedule },
        giveUpMs: schedule.untilMs + 1000 * options['wait-seconds'],
      },
      published,
    )
    const sent = { ...scheduled, taken: [...primed, ...scheduled.taken] }
    const ends = await looking
    const moments = machine.stop()

    onStep('until all of it is certified and told of')
    await account.untilCertified(1000 * options['wait-seconds'])
    const whole = { from: first, until: closerLook(watched) }
    const packets = await account.packets()
    const settle = {
      what: 'settle',
      ends: certifiedEnds(packets, options.streams),
      msMax: 1000 * options['wait-seconds'],
    }
    const behind = await Promise.all([clients, verifiers].map(each => each.ask(settle, settled)))
    const storedAfter = await stored()
    const asked = { what: 'account', schedule, taken: sent.taken }
    const [told, verified] = await Promise.all([clients.ask(asked, followed), verifiers.ask(asked, followed)])
    return putTogether({
      ...{ atMs, options, schedule, limits, sent, packets, told, verified, moments, ends, whole },
      ...{ storedBefore, storedAfter, behind: behind.flatMap(each => each.behind) },
      machine: machineOf(account.server),
    })
  } finally {
    for (const signal of stopSignals) process.off(signal, stopped)
    await closeAll()
  }
}

const stopSignals = ['SIGINT', 'SIGTERM'] as const
/** As shells have it for what Ctrl-C has ended. */
const STOPPED = 130
const READY_MS_MAX = 120_000

/** As it ships, but for what this load is about, and that its clients are all at one address. */
async function settingsOf(folder: string, options: PipelineOptions): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true })
  const policy = { ...Object(referencePolicy), identify: { nativeId: '/nonce' } }
  // Many sources are more than a variable holds.
  const sources = path.join(folder, 'sources.json')
  await writeFile(sources, JSON.stringify(sourcesOf(options.streams, policy)))
  const clients = String(2 * (options.clients + options.verifying) + 10)
  return {
    INGEST_SOURCES_JSON_FILE: sources,
    EVENT_FAN_OUT: options['fan-out'],
    ...{ WATCH_MAX_CLIENTS: clients, EVENT_STREAM_MAX_CLIENTS: clients },
    EVENT_STREAM_CLIENTS_PER_ADDRESS: clients,
    EVENT_STREAM_FILTERS_MAX: String(Math.max(256, 2 * options.streams + 10)),
  }
}

async function logKeyOf(url: string): Promise<string> {
  const response = await fetch(`${url}/identity`)
  return z.object({ logKey: z.string() }).parse(await response.json()).logKey
}

/** The very moments between which everything is counted. */
async function lookAtBothEnds(
  { fromMs, untilMs }: Schedule,
  watched: Watched,
  walBytes: () => Promise<number>,
): Promise<BothEnds> {
  const lookAt = async (ms: number) => {
    await sleep(Math.max(0, ms - Date.now()))
    return { ...closerLook(watched), walBytes: await walBytes() }
  }
  const from = await lookAt(fromMs)
  return { from, until: await lookAt(untilMs) }
}
