import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describeRounds, isAtRest, readProgress } from '../support/agents-bed/progress.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { againstLog } from './checks/acknowledged.ts'
import { askPrograms } from './checks/by-programs.ts'
import { readLogged, readPackets } from './checks/read-logged.ts'
import { readTransactions, spentTwice } from './checks/spent-once.ts'
import { followStream } from './checks/streams.ts'
import { toldAsCertified } from './checks/told-as-certified.ts'
import { adminToken, type Cluster, nodeNames, startCluster } from './cluster.ts'
import { linesOf, readSent, readTold } from './journals.ts'
import { openMemory } from './memory.ts'
import type { Plan, Planned } from './plan.ts'
import { readers } from './readers.ts'
import { hostileSource } from './traffic.ts'
import type { Trouble } from './trouble.ts'
import { within } from './within.ts'

export type RunOptions = {
  readonly plan: Plan
  readonly troubles: readonly Trouble[]
  /** Where everything of it lies: logs, journals, the database. */
  readonly folder: string
  /** What is tortured; and what looks at it afterwards, which is never a copy with a fault in it. */
  readonly program: readonly string[]
  readonly checkedBy: readonly string[]
  /** After the last trouble, so long nothing may go on before it is said that it does not; some minutes where nothing is said. */
  readonly settleMsMax?: number
  say(line: string): void
  /** Ends it at once, with all its processes. */
  readonly signal?: AbortSignal
}

/** One sentence, and which check it is from. */
export type Violation = { readonly check: string; readonly what: string }

export type RunResult = {
  readonly violations: readonly Violation[]
  readonly figures: Readonly<Record<string, number>>
}

const SETTLE_MS_MAX = 180_000
const SAY_EVERY_MS = 10_000

/** Brings everything up, lets the plan happen under load, waits until it is quiet, and looks at everything. */
export async function runPlan(options: RunOptions): Promise<RunResult> {
  const cluster = await startCluster(options.folder, options.program)
  const ending: (() => Promise<unknown>)[] = [() => cluster.stop()]
  const stopped = new Promise<never>((_, reject) => {
    options.signal?.addEventListener('abort', () => reject(new Error('it was stopped')))
  })
  try {
    return await Promise.race([runOn(cluster, options, ending), stopped])
  } finally {
    await writeFile(path.join(options.folder, 'processes.log'), cluster.said())
    for (const end of ending.reverse()) await end()
  }
}

async function runOn(
  cluster: Cluster,
  options: RunOptions,
  ending: (() => Promise<unknown>)[],
): Promise<RunResult> {
  const { plan, folder, say } = options
  const memory = openMemory(cluster)
  ending.push(() => memory.stop())
  const portsOf = (who: string) => nodeNames.map(name => cluster.links.get(`${who} - ${name}`)?.port ?? 0)
  const publishing = startHelper('publisher-process.ts', {
    urls: portsOf('publishers').map(port => `http://127.0.0.1:${port}`),
    ...{ seed: plan.seed, perSecond: plan.perSecond, journal: path.join(folder, 'published') },
  })
  ending.push(() => publishing.kill())
  const reading = startHelper('reader-process.ts', { ports: portsOf('readers'), folder })
  ending.push(() => reading.kill())

  const { violations: notBegun, happened } = await carryOut(options, cluster)
  const { events, proven } = await readProgress(cluster.pool)
  say(`quiet after ${happened} troubles, with ${proven} of ${events} events certified in a block meanwhile`)
  const unsettled = await settle(options, cluster, publishing)
  const violations = [...notBegun, ...unsettled, ...(await lookAt(options, cluster, memory.violations()))]
  return {
    violations,
    figures: await figuresOf(cluster, folder, {
      troubles: happened,
      certifiedMeanwhile: proven,
      ...memory.most(),
    }),
  }
}

/**
 * Each in its turn, all of them undone. What takes longer to begin and undo than was planned puts off what follows in its lane, so that
 * what was met has time to recover; what would begin after the end is left out. What goes wrong in a trouble itself is a violation too.
 */
async function carryOut(
  { plan, troubles, say }: RunOptions,
  cluster: Cluster,
): Promise<{ readonly violations: Violation[]; readonly happened: number }> {
  const beganMs = Date.now()
  const nowMs = () => Date.now() - beganMs
  const until = (atMs: number) => pause(Math.max(0, atMs - nowMs()))
  const violations: Violation[] = []
  let happened = 0
  /** Of what is touched: the last trouble that it was in. */
  const lastAt = new Map<string, Promise<void>>()

  const follow = async (lane: readonly Planned[]) => {
    let lateMs = 0
    for (const planned of lane) {
      await until(planned.atMs + lateMs)
      const others = planned.touches.map(what => lastAt.get(what))
      const own = Promise.all(others).then(() => happen(planned))
      for (const what of planned.touches) lastAt.set(what, own)
      await own
      lateMs = Math.max(0, nowMs() - planned.atMs - planned.forMs)
    }
  }
  const happen = async (planned: Planned) => {
    if (nowMs() > plan.seconds * 1_000) return
    const trouble = troubles.find(({ name }) => name === planned.trouble)
    if (trouble === undefined) throw new Error(`there is no trouble called ${planned.trouble}`)
    const missing = trouble.missing?.(cluster)
    if (missing !== undefined) return say(`${inWords(planned)} is left out: ${missing}`)
    const atMs = nowMs()
    say(inTime({ ...planned, atMs }))
    happened += 1
    try {
      const undo = await trouble.begin(cluster, planned.how)
      await until(atMs + planned.forMs)
      await undo()
    } catch (error) {
      violations.push({
        check: 'troubles',
        what: `${inWords(planned)}: ${error instanceof Error ? error.message : error}`,
      })
    }
  }
  const lanes = [...new Set(plan.troubles.map(({ lane }) => lane))]
  await Promise.all([
    ...lanes.map(lane => follow(plan.troubles.filter(planned => planned.lane === lane))),
    until(plan.seconds * 1_000),
  ])
  return { violations, happened }
}

export function inTime(planned: Planned): string {
  return `${(planned.atMs / 1_000).toFixed(1).padStart(7)} s  ${inWords(planned)}`
}

function inWords({ trouble, how, forMs }: Planned): string {
  const said = Object.entries(how).map(([member, value]) => `${member} ${value}`)
  return `${trouble}: ${said.join(', ')} (${(forMs / 1_000).toFixed(1)} s)`
}

/** Until publishers are answered, all they sent is certified in blocks, and readers have heard of it. */
async function settle(
  { folder, say, settleMsMax = SETTLE_MS_MAX }: RunOptions,
  cluster: Cluster,
  publishing: Helper,
): Promise<Violation[]> {
  const violations: Violation[] = []
  let [mostDone, endMs] = [-1, 0]
  /** As long as more is done from time to time, a slow machine is waited for. */
  const done = (count: number) => {
    if (count > mostDone) [mostDone, endMs] = [count, Date.now() + settleMsMax]
  }
  const bounded = async (isSo: () => Promise<boolean> | boolean, what: string) => {
    ;[mostDone, endMs] = [-1, Date.now() + settleMsMax]
    try {
      await within(() => endMs, isSo, what)
    } catch (error) {
      const rounds = await describeRounds(cluster.pool).catch(why => `${why}`)
      violations.push({
        check: 'in the end',
        what: `${error instanceof Error ? error.message : error}\n${rounds}`,
      })
    }
  }
  let saidMs = Date.now()
  publishing.finish()
  await bounded(() => {
    done(linesOf(path.join(folder, 'published')).length)
    return publishing.hasExited()
  }, 'every event to be answered for')
  await bounded(async () => {
    await redriveAll(cluster)
    const { events, proven } = await readProgress(cluster.pool)
    done(proven)
    if (Date.now() - saidMs > SAY_EVERY_MS) {
      saidMs = Date.now()
      say(`${proven} of ${events} events are certified in a block`)
    }
    return proven === events && (await isAtRest(cluster.pool))
  }, 'every event to be certified, in a block')
  await bounded(() => isHeardOf(cluster, folder), 'readers to have heard of everything')
  return violations
}

/** What was given up while nobody could be asked is taken up again, as an operator would. */
async function redriveAll({ pool, nodeUrls }: Cluster): Promise<void> {
  const { rows } = await pool.query<{ id: number }>(`select id from dead_letters where state = 'dead'`)
  for (const { id } of rows)
    await fetch(`${nodeUrls[0]}/admin/dead-letters/${id}/redrive`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${adminToken}` },
    })
}

async function isHeardOf({ pool }: Cluster, folder: string): Promise<boolean> {
  const logged = await readLogged(pool)
  const ends = new Map<string, number>()
  for (const { streamId } of logged) ends.set(streamId, (ends.get(streamId) ?? 0) + 1)
  const packets = await readPackets(pool)
  return readers.every(({ name }) => {
    const told = readTold(path.join(folder, `${name}.reader`))
    if (toldAsCertified(name, told, packets, logged).missing > 0) return false
    const { nexts } = followStream(name, told)
    return (
      name.startsWith('events') ||
      [...ends].every(([stream, end]) => (nexts.get(`${stream}/0 validated`) ?? 0) >= end)
    )
  })
}

async function lookAt(
  { folder, checkedBy }: RunOptions,
  cluster: Cluster,
  ofMemory: readonly string[],
): Promise<Violation[]> {
  const { pool, nodeUrls, databaseUrl } = cluster
  const logged = await readLogged(pool)
  const own = logged.filter(({ sourceId }) => sourceId !== hostileSource)
  const checks: readonly (readonly [string, () => Promise<readonly string[]> | readonly string[]])[] = [
    ['acknowledged = logged', () => againstLog(readSent(path.join(folder, 'published')), own)],
    ['logged = certified once', () => auditAtRest(pool, { url: nodeUrls[0] ?? '', databaseUrl })],
    ['coins are spent once', async () => spentTwice(await readTransactions(pool))],
    [
      'streams are dense',
      () =>
        readers.flatMap(
          ({ name }) => followStream(name, readTold(path.join(folder, `${name}.reader`))).faults,
        ),
    ],
    [
      'told = certified',
      async () => {
        const packets = await readPackets(pool)
        return readers.flatMap(
          ({ name }) =>
            toldAsCertified(name, readTold(path.join(folder, `${name}.reader`)), packets, logged).faults,
        )
      },
    ],
    ['export, verify --all and doctor', () => askPrograms(cluster, checkedBy)],
    ['processes stay', () => cluster.unasked],
    ['memory is bounded', () => ofMemory],
  ]
  const violations: Violation[] = []
  for (const [check, look] of checks)
    try {
      for (const what of (await look()).slice(0, SAID_MAX)) violations.push({ check, what })
    } catch (error) {
      violations.push({ check, what: error instanceof Error ? error.message : `${error}` })
    }
  return violations
}

/** Of one check: what is wrong is often wrong a thousand times. */
const SAID_MAX = 10

async function figuresOf(
  { pool }: Cluster,
  folder: string,
  more: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const { events, proven } = await readProgress(pool)
  // A reorganisation that is refused, because the chain is too short or somebody is busy with it, leaves nothing here.
  const { rows } = await pool.query<{ count: number }>(
    'select count(*)::int as count from chain_blocks where not best',
  )
  return {
    blocksReplaced: rows[0]?.count ?? 0,
    answers: linesOf(path.join(folder, 'published')).length,
    events,
    certified: proven,
    messages: readers.reduce((sum, { name }) => sum + linesOf(path.join(folder, `${name}.reader`)).length, 0),
    ...more,
  }
}

type Helper = { finish(): void; hasExited(): boolean; kill(): Promise<void> }

/** Publishers and readers are no part of what is tortured, so they run from the sources. */
function startHelper(file: string, orders: object): Helper {
  const program = path.join(import.meta.dirname, file)
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', program, JSON.stringify(orders)],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  )
  const exited = once(child, 'exit')
  const hasExited = () => child.exitCode !== null || child.signalCode !== null
  return {
    finish: () => void child.stdin?.end(),
    hasExited,
    async kill() {
      if (hasExited()) return
      child.kill('SIGKILL')
      await exited
    },
  }
}
