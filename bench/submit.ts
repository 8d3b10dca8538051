import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { median } from './percentile.ts'
import type { BenchOptions, Report } from './report.ts'
import { answers } from './submit/commands.ts'
import { type ContenderHandle, startContender } from './submit/contender-handle.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'
import { driveOverHttp } from './submit/drive-over-http.ts'
import { type PostgresCpu, postgresCpu } from './submit/postgres-cpu.ts'
import {
  type Case,
  printedCases,
  printedStages,
  type Sample,
  type Spent,
  type Stages,
} from './submit/printed.ts'
import { makeWorkload, meanBytes, type Task, writeWorkload } from './submit/workload.ts'

const full = { rounds: 7, warmUp: 400, oneAtATime: 100, manyAtOnce: 320, chains: 8, profiled: 1200 }
/** Enough to see that all of it runs; its figures mean little. */
const quick = { rounds: 2, warmUp: 30, oneAtATime: 10, manyAtOnce: 32, chains: 2, profiled: 64 }
const MANY = 16

/**
 * What a submit costs this node, and what it costs the reference engine with its stock storage: the same bytes, on
 * the same server, in turn.
 */
export async function measureSubmit({ isQuick }: BenchOptions): Promise<Report> {
  const scale = isQuick ? quick : full
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const { rounds, warmUp, oneAtATime, manyAtOnce, profiled } = scale
    const overHttp = warmUp + rounds * (oneAtATime + manyAtOnce)
    const workload = makeWorkload({
      singles: warmUp + rounds * (oneAtATime + manyAtOnce) + overHttp + profiled,
      chains: scale.chains * (rounds + 1),
    })
    const workloadFile = path.join(folder, 'workload.json')
    await writeWorkload(workloadFile, workload)

    const server = await benchServer(folder)
    closing.unshift(server.stop)
    const open = async (contender: 'assay' | 'stock') => {
      const database = await benchDatabase(server.url)
      closing.unshift(database.drop)
      const handle = startContender()
      closing.unshift(handle.end)
      await handle.ask({ what: 'open', contender, databaseUrl: database.url, workloadFile }, answers.open)
      return handle
    }
    const run: Run = {
      assay: await open('assay'),
      stock: await open('stock'),
      postgres: await postgresCpu(server.url),
    }
    const cases = await compare(run, scale)
    const at = warmUp + rounds * (oneAtATime + manyAtOnce)
    cases.push(...(await measureHttp(run, workload.singles.slice(at, at + overHttp), scale)))
    const stages = await profileStages(run, at + overHttp, profiled)
    for (const each of [run.assay, run.stock]) await each.ask({ what: 'close' }, answers.close)

    const bytes = { batch: meanBytes(workload.singles), chainOfTen: meanBytes(workload.chains) }
    const printed = [
      `medians of ${rounds} rounds in which the two take turns; a BEEF of one batch has ${bytes.batch} bytes, the last of a chain of ten ${bytes.chainOfTen}`,
      printedCases(cases),
      'where the CPU time of this node goes, sixteen at a time, milliseconds each:',
      printedStages(stages),
    ]
    return {
      printed: printed.join('\n\n'),
      figures: { rounds, bytes, floor: FLOOR, aim: AIM, cases, stages },
    }
  } finally {
    for (const close of closing) await close()
  }
}

/** Times the stock engine's throughput: what must be reached, and what should be. */
const [FLOOR, AIM] = [3, 5]

type Scale = typeof full
type Run = {
  readonly assay: ContenderHandle
  readonly stock: ContenderHandle
  readonly postgres: PostgresCpu | undefined
}
type Asked = {
  readonly name: string
  readonly of: 'singles' | 'chains'
  readonly concurrency: number
  readonly count: number
  readonly again: boolean
}

async function compare(run: Run, { rounds, warmUp, oneAtATime, manyAtOnce, chains }: Scale): Promise<Case[]> {
  const next = { singles: 0, chains: 0 }
  const both = async (asked: Asked, round: number): Promise<{ assay: Sample; stock: Sample }> => {
    const { of, concurrency, again } = asked
    const from = again ? next[of] - asked.count : next[of]
    const to = from + asked.count
    if (!again) next[of] = to
    const ask = (contender: ContenderHandle) =>
      sample(run, () =>
        contender.ask({ what: 'submit', of, from, to, concurrency, again, profiled: false }, answers.submit),
      )
    // Whoever goes second finds the caches of the machine as the first one left them.
    if (round % 2 === 0) return { assay: await ask(run.assay), stock: await ask(run.stock) }
    const stock = await ask(run.stock)
    return { assay: await ask(run.assay), stock }
  }
  const single = { of: 'singles', again: false } as const
  const each: Asked[] = [
    { ...single, name: 'a new batch', concurrency: 1, count: oneAtATime },
    { ...single, name: 'a new batch', concurrency: MANY, count: manyAtOnce },
    { ...single, name: 'a batch that was here before', concurrency: MANY, count: manyAtOnce, again: true },
    { of: 'chains', name: 'each of a chain of ten', concurrency: 1, count: chains, again: false },
  ]
  await both({ ...single, name: 'warm-up', concurrency: MANY, count: warmUp }, 0)
  await both({ of: 'chains', name: 'warm-up', concurrency: 1, count: chains, again: false }, 0)
  const samples = each.map(() => [] as { assay: Sample; stock: Sample }[])
  for (let round = 0; round < rounds; round++)
    for (const [i, asked] of each.entries()) samples[i]?.push(await both(asked, round))
  return each.map(({ name, concurrency }, i) => caseOf(name, concurrency, samples[i] ?? []))
}

/** All the way through our own routes, from a client in this process. */
async function measureHttp(run: Run, tasks: readonly Task[], scale: Scale): Promise<Case[]> {
  const { url } = await run.assay.ask({ what: 'listen' }, answers.listen)
  let at = 0
  const submit = (concurrency: number, count: number) =>
    sample(run, async () => {
      const before = await run.assay.ask({ what: 'cpu' }, answers.cpu)
      const driven = await driveOverHttp(url, tasks.slice(at, at + count), concurrency)
      at += count
      const after = await run.assay.ask({ what: 'cpu' }, answers.cpu)
      return { ...driven, cpuMs: after.cpuMs - before.cpuMs }
    })
  await submit(MANY, scale.warmUp)
  const [one, many]: [Sample[], Sample[]] = [[], []]
  for (let round = 0; round < scale.rounds; round++) {
    one.push(await submit(1, scale.oneAtATime))
    many.push(await submit(MANY, scale.manyAtOnce))
  }
  const name = 'a new batch over HTTP'
  return [
    { name, concurrency: 1, assay: middle(one) },
    { name, concurrency: MANY, assay: middle(many) },
  ]
}

async function profileStages({ assay, postgres }: Run, from: number, count: number): Promise<Stages> {
  const before = postgres?.()
  const { stages = {}, submits } = await assay.ask(
    {
      what: 'submit',
      of: 'singles',
      from,
      to: from + count,
      concurrency: MANY,
      again: false,
      profiled: true,
    },
    answers.submit,
  )
  const each = Object.entries(stages).map(([name, ms]) => ({ name, ms: ms / submits }))
  each.sort((a, b) => b.ms - a.ms)
  return {
    node: each,
    postgresMs: postgres === undefined || before === undefined ? null : (postgres() - before) / submits,
  }
}

async function sample(
  { postgres }: Run,
  run: () => Promise<{ submits: number; wallMs: number; cpuMs: number; p50Ms: number; p95Ms: number }>,
): Promise<Sample> {
  const before = postgres?.()
  const { submits, wallMs, cpuMs, p50Ms, p95Ms } = await run()
  return {
    perSecond: (1000 * submits) / wallMs,
    cpuMs: cpuMs / submits,
    postgresMs: postgres === undefined || before === undefined ? null : (postgres() - before) / submits,
    p50Ms,
    p95Ms,
  }
}

function caseOf(
  name: string,
  concurrency: number,
  samples: readonly { assay: Sample; stock: Sample }[],
): Case {
  const ratio = (of: (one: Sample) => number) =>
    median(samples.map(({ assay, stock }) => of(stock) / of(assay)))
  return {
    name,
    concurrency,
    assay: middle(samples.map(({ assay }) => assay)),
    stock: middle(samples.map(({ stock }) => stock)),
    // Of each round by itself: what slowed one down has mostly slowed the other down too.
    times: {
      perSecond: 1 / ratio(({ perSecond }) => perSecond),
      cpu: ratio(({ cpuMs }) => cpuMs),
      cpuWithPostgres: ratio(({ cpuMs, postgresMs }) => cpuMs + (postgresMs ?? 0)),
    },
  }
}

function middle(samples: readonly Sample[]): Spent {
  const of = (pick: (one: Sample) => number) => median(samples.map(pick))
  const measured = samples.flatMap(({ postgresMs }) => (postgresMs === null ? [] : [postgresMs]))
  return {
    perSecond: of(one => one.perSecond),
    cpuMs: of(one => one.cpuMs),
    postgresMs: measured.length === 0 ? null : median(measured),
    p50Ms: of(one => one.p50Ms),
    p95Ms: of(one => one.p95Ms),
  }
}
