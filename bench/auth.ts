import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { publicKeyOf } from '#curve'
import { type CallPeer, callAs } from '../src/adapters/auth/call-as.ts'
import { installNativeCurve } from '../src/adapters/bsv/native-curve.ts'
import type { Outgoing } from '../src/adapters/outgoing/outgoing.ts'
import type { Issuer } from '../src/contract/tokens.ts'
import { toHex } from '../src/core/bytes.ts'
import { digest } from '../src/core/digest.ts'
import { type RunningContender, runContender } from './auth/contender-process.ts'
import { type ContenderName, contenders } from './auth/messages.ts'
import { median } from './percentile.ts'
import type { BenchOptions, Report } from './report.ts'
import { benchDatabase, benchServer } from './submit/databases.ts'
import { type PostgresCpu, postgresCpu } from './submit/postgres-cpu.ts'

const full = { rounds: 7, warmUp: 200, requests: 300, handshakes: 60 }
/** Enough to see that all of it runs; its figures mean little. */
const quick = { rounds: 2, warmUp: 20, requests: 30, handshakes: 8 }
const AT_ONCE = 16
const BODY_BYTES = 400

/** What a signed request and its signed answer cost a server, beside the stock middleware with nothing around it. */
export async function measureAuth({ isQuick }: BenchOptions): Promise<Report> {
  const scale = isQuick ? quick : full
  const curve = installNativeCurve()
  const folder = await mkdtemp(path.join(os.tmpdir(), 'assay-bench-'))
  const closing: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true }), curve.uninstall]
  try {
    const server = await benchServer(folder)
    closing.unshift(server.stop)
    const database = await benchDatabase(server.url)
    closing.unshift(database.drop)
    const postgres = await postgresCpu(server.url)

    const runs: Run[] = []
    for (const contender of contenders) {
      const privateKey = toHex(owner.privateKey)
      const running = await runContender({ contender, databaseUrl: database.url, privateKey })
      closing.unshift(running.end)
      runs.push({ contender, running, callers: callers(), requests: [], handshakes: [] })
    }
    for (const run of runs) await ask(run, scale.warmUp)
    for (let round = 0; round < scale.rounds; round++)
      // Whoever goes first finds the machine as the last one left it, so they take turns at that too.
      for (const run of rotated(runs, round)) {
        run.requests.push(await sample(run, postgres, scale.requests, () => ask(run, scale.requests)))
        run.handshakes.push(await sample(run, postgres, scale.handshakes, () => greet(run, scale.handshakes)))
      }
    return report(runs, scale.rounds)
  } finally {
    for (const close of closing) await close()
  }
}

type Spent = { readonly cpuMs: number; readonly postgresMs: number | null }
type Run = {
  readonly contender: ContenderName
  readonly running: RunningContender
  readonly callers: readonly CallPeer[]
  readonly requests: Spent[]
  readonly handshakes: Spent[]
}

const owner = issuer('bench: who answers')

function issuer(name: string): Issuer {
  const privateKey = digest('assay:bench-key:1', name)
  return { privateKey, identityKey: toHex(publicKeyOf(privateKey)) }
}

function callers(): CallPeer[] {
  return Array.from({ length: AT_ONCE }, (_, n) => callAs(issuer(`bench: caller ${n}`), outgoing))
}

const outgoing: Outgoing = async (url, { method = 'GET', headers = {}, body } = {}) => {
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body }) })
  return {
    status: response.status,
    headers: response.headers,
    body: new Uint8Array(await response.arrayBuffer()),
  }
}

/** Signed requests, over sessions that are there after the first of each caller. */
function ask({ running, callers }: Run, count: number): Promise<void> {
  const body = new Uint8Array(BODY_BYTES)
  const url = `${running.url}/echo`
  return atOnce(count, async n => {
    const call = callers[n % AT_ONCE]
    const answer = await call?.(owner.identityKey, { url, method: 'POST', body })
    if (answer?.status !== 200) throw new Error(`a request was answered with HTTP ${answer?.status}`)
  })
}

/** Handshakes, each with the first request of its session. */
function greet({ running }: Run, count: number): Promise<void> {
  const url = `${running.url}/echo`
  return atOnce(count, async n => {
    const call = callAs(issuer(`bench: caller ${n}`), outgoing)
    await call(owner.identityKey, { url, method: 'POST', body: new Uint8Array(1) })
  })
}

async function atOnce(count: number, one: (n: number) => Promise<void>): Promise<void> {
  const left = Array.from({ length: count }).keys()
  const work = async () => {
    for (const n of left) await one(n)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

async function sample(
  { running }: Run,
  postgres: PostgresCpu | undefined,
  count: number,
  work: () => Promise<void>,
): Promise<Spent> {
  const [cpuBefore, postgresBefore] = [await running.cpuMs(), postgres?.()]
  await work()
  const cpuMs = ((await running.cpuMs()) - cpuBefore) / count
  const postgresMs =
    postgres === undefined || postgresBefore === undefined ? null : (postgres() - postgresBefore) / count
  return { cpuMs, postgresMs }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length]).filter(each => each !== undefined)
}

const called: Readonly<Record<ContenderName, string>> = {
  assay: 'this node, sessions and nonces in PostgreSQL',
  stock: 'the stock middleware alone, all in memory',
  stockOnNativeCurve: 'the same on libsecp256k1',
}

function report(runs: readonly Run[], rounds: number): Report {
  const figures = runs.map(({ contender, requests, handshakes }) => ({
    contender,
    requests: middle(requests, contender),
    handshakes: middle(handshakes, contender),
  }))
  const stock = figures.find(({ contender }) => contender === 'stock')
  const rows = figures.map(({ contender, requests, handshakes }) =>
    [
      called[contender].padEnd(46),
      ...[requests, handshakes].flatMap(({ perCpuSecond, cpuMs, postgresMs }) => [
        perCpuSecond.toFixed(0).padStart(14),
        cpuMs.toFixed(2).padStart(9),
        (postgresMs === null ? '–' : postgresMs.toFixed(2)).padStart(12),
      ]),
      `${(requests.perCpuSecond / (stock?.requests.perCpuSecond ?? Number.NaN)).toFixed(1)}×`.padStart(10),
    ].join(''),
  )
  const head = `${''.padEnd(46)}${'requests/CPU-s'.padStart(14)}${'CPU ms'.padStart(9)}${'Postgres ms'.padStart(12)}${'handshakes'.padStart(14)}${'CPU ms'.padStart(9)}${'Postgres ms'.padStart(12)}${'requests'.padStart(10)}`
  const about = `medians of ${rounds} rounds in which all take turns, ${AT_ONCE} at once, ${BODY_BYTES} bytes each; a handshake comes with one request`
  return { printed: [about, head, ...rows].join('\n'), figures: { rounds, contenders: figures } }
}

function middle(samples: readonly Spent[], contender: ContenderName) {
  const cpuMs = median(samples.map(each => each.cpuMs))
  const measured = samples.flatMap(({ postgresMs }) => (postgresMs === null ? [] : [postgresMs]))
  // What the server does in the turns of those that have no use for it is not theirs.
  const postgresMs = contender === 'assay' && measured.length > 0 ? median(measured) : null
  return { perCpuSecond: 1000 / cpuMs, cpuMs, postgresMs }
}
