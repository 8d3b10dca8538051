import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { attacked, begun, HOSTILE_SOURCE, type Posted, posted, prepared } from './ingest/commands.ts'
import { type Generator, startGenerator, startHostile } from './ingest/generator-handle.ts'
import { type Ledger, openLedger } from './ingest/ledger.ts'
import { preloadDedup } from './ingest/preload-dedup.ts'
import {
  type BesideHostile,
  type DedupFigures,
  type Identity,
  type Latency,
  printedBesideHostile,
  printedDedup,
  printedLatency,
  printedSamples,
  type Sample,
} from './ingest/printed.ts'
import { processCpuMs } from './ingest/process-cpu.ts'
import { rawCopyPerSecond } from './ingest/raw-copy.ts'
import { type IngestNode, startIngestNode } from './ingest/start-node.ts'
import { median } from './percentile.ts'
import { referenceEvent } from './reference-event.ts'
import type { BenchOptions, Report } from './report.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'
import { type PostgresCpu, postgresCpu } from './submit/postgres-cpu.ts'

type Case = { readonly batch: number; readonly connections: number; readonly events: number }

const full = {
  rounds: 3,
  cases: [
    { batch: 1, connections: 64, events: 30_000 },
    { batch: 10, connections: 32, events: 80_000 },
    { batch: 100, connections: 16, events: 160_000 },
    { batch: 500, connections: 8, events: 240_000 },
    { batch: 1000, connections: 8, events: 240_000 },
  ],
  openSeconds: 20,
}
/** Enough to see that all of it runs; its figures mean little. */
const quick = {
  rounds: 1,
  cases: [
    { batch: 1, connections: 8, events: 500 },
    { batch: 500, connections: 4, events: 10_000 },
  ],
  openSeconds: 2,
}
const OPEN = { batch: 500, connections: 32, eventsPerSecond: 20_000 }
const BESIDE_HOSTILE = { batch: 100, connections: 16, eventsPerSecond: 2_000 }
const HOSTILE = { connections: 4, halfOpen: 50 }
const COPY_CONNECTIONS = 4

const sourceIds: Readonly<Record<Identity, string>> = {
  'native id': 'bench-native',
  'event time': 'bench-time',
}
const sources = [
  { id: sourceIds['native id'], type: 'webhook', policy: { identify: { nativeId: '/nonce' } } },
  { id: sourceIds['event time'], type: 'webhook', policy: { identify: { eventTime: '/occurred_at' } } },
  { id: HOSTILE_SOURCE, type: 'webhook' },
]
const identities: readonly Identity[] = ['native id', 'event time']

/** What it costs to take events in, from the socket to what survives a power cut, and to packets. */
export async function measureIngest({ isQuick, dedupRows }: BenchOptions): Promise<Report> {
  const scale = isQuick ? quick : full
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const server = await benchServer(folder)
    closing.unshift(server.stop)
    const database = await benchDatabase(server.url)
    closing.unshift(database.drop)
    const node = await startIngestNode(folder, database.url, sources)
    closing.unshift(node.stop)
    const generator = startGenerator()
    closing.unshift(generator.end)
    const ledger = await openLedger(database.url)
    closing.unshift(ledger.close)
    const bench: Bench = {
      databaseUrl: database.url,
      node,
      generator,
      ledger,
      postgres: await postgresCpu(server.url),
      next: 0,
    }

    for (const identity of identities)
      await post(bench, identity, { batch: 100, connections: 4, events: isQuick ? 1_000 : 60_000 })
    await ledger.allSealed()
    const samples = await measureCases(bench, scale.cases, scale.rounds)
    const latency = await measureLatency(bench, scale.openSeconds)
    const besideHostile = await measureBesideHostile(bench, scale.openSeconds)
    const dedup = dedupRows === undefined ? [] : await measureDedup(bench, dedupRows, scale)
    const printed = [
      `medians of ${scale.rounds} rounds; an event has ${Math.round(eventBytes())} bytes; generator, node and PostgreSQL share this machine`,
      printedSamples(samples),
      printedLatency(latency),
      printedBesideHostile(besideHostile),
      ...(dedup.length > 0 ? [printedDedup(dedup)] : []),
    ]
    return {
      printed: printed.join('\n\n'),
      figures: { rounds: scale.rounds, eventBytes: eventBytes(), samples, latency, besideHostile, dedup },
    }
  } finally {
    for (const close of closing) await close()
  }
}

type Bench = {
  readonly databaseUrl: string
  readonly node: IngestNode
  readonly generator: Generator
  readonly ledger: Ledger
  readonly postgres: PostgresCpu | undefined
  /** Number of the next event: none is ever sent twice. */
  next: number
}

async function measureCases(bench: Bench, cases: readonly Case[], rounds: number): Promise<Sample[]> {
  const measured = cases.flatMap(each =>
    identities.map(identity => ({ each, identity, samples: [] as Sample[] })),
  )
  for (let round = 0; round < rounds; round++)
    for (const { each, identity, samples } of measured) samples.push(await measureOne(bench, identity, each))
  return measured.map(({ samples }) => medians(samples)).sort((a, b) => a.identity.localeCompare(b.identity))
}

async function measureOne(bench: Bench, identity: Identity, each: Case): Promise<Sample> {
  const { ledger, databaseUrl } = bench
  const from = bench.next
  const copyPerSecond = await rawCopyPerSecond(databaseUrl, { ...each, from, connections: COPY_CONNECTIONS })
  const before = await standOf(bench)
  const { done, answered } = await post(bench, identity, each)
  await ledger.allSealed()
  const sealed = await standOf(bench)
  const each1 = (from: number | null, to: number | null) =>
    from === null || to === null ? null : (1000 * (to - from)) / done.events
  return {
    identity,
    batch: each.batch,
    connections: each.connections,
    perSecond: (1000 * done.events) / done.wallMs,
    cpuMicroseconds: each1(before.cpuMs, answered.cpuMs),
    nodeMicroseconds: each1(before.nodeMs, answered.nodeMs),
    sealedMicroseconds: each1(before.cpuMs, sealed.cpuMs),
    walBytes: (sealed.walBytes - before.walBytes) / done.events,
    p50Ms: done.p50Ms,
    p95Ms: done.p95Ms,
    p99Ms: done.p99Ms,
    copyPerSecond,
  }
}

/** Posts new events, and sees that every one of them is in the log. */
async function post(
  bench: Bench,
  identity: Identity,
  { batch, connections, events }: Case,
  open?: { readonly eventsPerSecond: number },
): Promise<{ done: Posted; answered: Stand }> {
  const { generator, ledger, node } = bench
  const from = bench.next
  bench.next += events
  await generator.ask(
    { what: 'prepare', url: node.url, sourceId: sourceIds[identity], from, events, batch },
    prepared,
  )
  const before = await ledger.accepted()
  const how =
    open === undefined
      ? { what: 'closed' as const, connections }
      : { what: 'open' as const, connections, ...open }
  const done = await generator.ask(how, posted)
  const answered = await standOf(bench)
  const accepted = (await ledger.accepted()) - before
  if (accepted !== done.events)
    throw new Error(`${done.events} events were answered, and ${accepted} more are in the log`)
  return { done, answered }
}

type Stand = { readonly cpuMs: number | null; readonly nodeMs: number | null; readonly walBytes: number }

async function standOf({ node, postgres, ledger }: Bench): Promise<Stand> {
  const nodeMs = processCpuMs(node.pid) ?? null
  const cpuMs = nodeMs === null || postgres === undefined ? null : nodeMs + postgres()
  return { cpuMs, nodeMs, walBytes: await ledger.walBytes() }
}

/** In the same run, one after the other. */
async function measureBesideHostile(bench: Bench, seconds: number): Promise<BesideHostile> {
  const quiet = await measureLatency(bench, seconds, BESIDE_HOSTILE)
  const hostile = startHostile()
  try {
    await hostile.ask({ what: 'begin', url: bench.node.url, ...HOSTILE }, begun)
    const beside = await measureLatency(bench, seconds, BESIDE_HOSTILE)
    const { statuses } = await hostile.ask({ what: 'end' }, attacked)
    return { offeredPerSecond: BESIDE_HOSTILE.eventsPerSecond, quiet, beside, statuses }
  } finally {
    await hostile.end()
  }
}

async function measureLatency(bench: Bench, seconds: number, open = OPEN): Promise<Latency> {
  const { batch, connections, eventsPerSecond } = open
  const { done } = await post(
    bench,
    'native id',
    { batch, connections, events: eventsPerSecond * seconds },
    { eventsPerSecond },
  )
  await bench.ledger.allSealed()
  const { p50Ms, p95Ms, p99Ms, events, wallMs } = done
  return { offeredPerSecond: eventsPerSecond, perSecond: (1000 * events) / wallMs, p50Ms, p95Ms, p99Ms }
}

/** What it does to throughput that much came before, where the load writes. */
async function measureDedup(
  bench: Bench,
  rows: number,
  { rounds, cases }: { rounds: number; cases: readonly Case[] },
): Promise<DedupFigures[]> {
  const each = cases.find(({ batch }) => batch === 500)
  if (each === undefined) throw new Error('there is no case with batches of 500')
  const speeds = async () => {
    const found = new Map<Identity, number>()
    for (const identity of identities) {
      const samples: number[] = []
      for (let round = 0; round < rounds; round++) {
        const { done } = await post(bench, identity, each)
        samples.push((1000 * done.events) / done.wallMs)
        await bench.ledger.allSealed()
      }
      found.set(identity, median(samples))
    }
    return found
  }
  const empty = await speeds()
  const load = rounds * identities.length * each.events
  await preloadDedup(bench.ledger, rows, {
    fromMs: timeOf(bench.next),
    toMs: timeOf(bench.next + load),
    sourceId: sourceIds['native id'],
  })
  const filled = await speeds()
  return identities.map(identity => ({
    rows,
    identity,
    emptyPerSecond: empty.get(identity) ?? Number.NaN,
    fullPerSecond: filled.get(identity) ?? Number.NaN,
  }))
}

function timeOf(index: number): number {
  return Date.parse(referenceEvent(index).occurred_at)
}

function medians(samples: readonly Sample[]): Sample {
  const [first] = samples
  if (first === undefined) throw new Error('nothing was measured')
  const of = (read: (sample: Sample) => number) => median(samples.map(read))
  const ofSeen = (read: (sample: Sample) => number | null) =>
    samples.some(sample => read(sample) === null) ? null : of(sample => read(sample) ?? 0)
  return {
    ...first,
    perSecond: of(({ perSecond }) => perSecond),
    cpuMicroseconds: ofSeen(({ cpuMicroseconds }) => cpuMicroseconds),
    nodeMicroseconds: ofSeen(({ nodeMicroseconds }) => nodeMicroseconds),
    sealedMicroseconds: ofSeen(({ sealedMicroseconds }) => sealedMicroseconds),
    walBytes: of(({ walBytes }) => walBytes),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p95Ms: of(({ p95Ms }) => p95Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    copyPerSecond: of(({ copyPerSecond }) => copyPerSecond),
  }
}

function eventBytes(): number {
  const lengths = Array.from({ length: 1000 }, (_, i) => JSON.stringify(referenceEvent(i)).length)
  return lengths.reduce((sum, length) => sum + length, 0) / lengths.length
}
