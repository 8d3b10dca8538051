import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { migrations } from '../migrations/index.ts'
import { openDatabase } from '../src/adapters/postgres/database.ts'
import { migrate } from '../src/adapters/postgres/migrate.ts'
import { openLog } from '../src/runtime/log.ts'
import { percentile } from './percentile.ts'
import type { BenchOptions, Report } from './report.ts'
import { explaining, type Plan } from './search/plans.ts'
import { preloadEvents } from './search/preload.ts'
import { type AskedOften, questionsOf } from './search/questions.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'

/** What each kind of question takes among a million events, one after the other, and how the database goes about it. */
export async function measureSearch({ isQuick }: BenchOptions): Promise<Report> {
  const [events, times] = isQuick ? [60_000, 5] : [1_000_000, 60]
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const server = await benchServer(folder)
    closing.unshift(server.stop)
    const empty = await benchDatabase(server.url)
    closing.unshift(empty.drop)
    const database = await openDatabase({
      url: empty.url,
      log: openLog('warn'),
      applicationName: 'bench-search',
    })
    closing.unshift(() => database.close())
    await migrate(database, migrations)
    const preloaded = await preloadEvents(database.pool, events)
    const figures: Figure[] = []
    for (const asked of questionsOf(preloaded)) figures.push(await measureOne(database.pool, asked, times))
    return {
      printed: [
        `${events} events, ${times} questions of each kind, in milliseconds\n`,
        head,
        ...figures.map(printed),
      ].join('\n'),
      figures: { events, times, kinds: figures },
    }
  } finally {
    for (const close of closing) await close()
  }
}

type Figure = {
  readonly name: string
  readonly items: number
  readonly p50Ms: number
  readonly p95Ms: number
  /** Of one question. */
  readonly plans: readonly { readonly ms: number; readonly nodes: readonly string[] }[]
}

type Pool = Parameters<AskedOften['ask']>[0]

async function measureOne(pool: Pool, { name, ask }: AskedOften, times: number): Promise<Figure> {
  const plans: Figure['plans'][number][] = []
  await ask(
    explaining(pool, (plan, ms) =>
      plans.push({ ms, nodes: plan.filter(({ table }) => table).map(planLine) }),
    ),
    0,
  )
  // Each different from the one that was explained; the first ones warm up.
  for (let nth = 1; nth <= 3; nth++) await ask(pool, nth)
  const samples: number[] = []
  let items = 0
  for (let nth = 0; nth < times; nth++) {
    const startedMs = performance.now()
    items = await ask(pool, nth + 4)
    samples.push(performance.now() - startedMs)
  }
  return { name, items, p50Ms: percentile(samples, 0.5), p95Ms: percentile(samples, 0.95), plans }
}

function planLine({ node, table, index, rows }: Plan): string {
  return `${node} on ${table}${index === undefined ? '' : ` by ${index}`}: ${rows} rows`
}

const head = `${'question'.padEnd(52)}${'items'.padStart(6)}${'p50'.padStart(9)}${'p95'.padStart(9)}`

function printed({ name, items, p50Ms, p95Ms }: Figure): string {
  return `${name.padEnd(52)}${String(items).padStart(6)}${p50Ms.toFixed(1).padStart(9)}${p95Ms.toFixed(1).padStart(9)}`
}
