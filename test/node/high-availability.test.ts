import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { openPublisher, subscribe } from '../../src/client/index.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { auditLog } from '../support/audit-log.ts'
import { type ReplicatedPostgres, replicatedPostgres } from '../support/replicated-postgres.ts'
import { roundRobin } from '../support/round-robin.ts'
import { until } from '../support/until.ts'

// What docs/operating.md tells whoever runs several nodes, done as it says, under load. The times are printed, and not
// judged: they are of the machine. By hand, with more load: ASSAY_DRILL_EVENTS=200 npx vitest run test/node/high-availability.test.ts
const eventsPerBeat = Number(process.env['ASSAY_DRILL_EVENTS'] ?? 3)
const BEAT_MS = 100
/** Short, so that whoever is gone is not waited for long. */
const settings = { EVENT_PROCESSING_TIMEOUT_MS: '8000', INGEST_BACKOFF_BASE_MS: '50', INGEST_RETRY_MAX: '12' }

let stage = 'starting'
const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
}, 60_000)

async function bedWith(options: Parameters<typeof agentsBed>[0]): Promise<AgentsBed> {
  const bed = await agentsBed({ settings, ...options })
  undo.push(() => bed.stop())
  onTestFailed(async () => void process.stderr.write(`${stage}: ${await bed.describe()}`))
  return bed
}

/** Sends without a pause, through whatever happens, and remembers what was answered for. */
function load(url: string) {
  const acknowledged = new Set<string>()
  const failures: unknown[] = []
  let tries = 0
  let longestMs = 0
  let lastMs = performance.now()
  let isOver = false
  const publisher = openPublisher({ url, sourceId: bedSource, answerMs: 5_000, onRetry: () => void tries++ })
  const running = (async () => {
    for (let n = 0; !isOver; n += eventsPerBeat) {
      await publisher.room()
      for (let i = n; i < n + eventsPerBeat; i++)
        publisher
          .send({ eventType: 'reading', externalId: `reading-${i}`, data: { celsius: i % 40 } })
          .then(outcome => {
            if (!('eventId' in outcome)) throw new Error(`an event was answered ${JSON.stringify(outcome)}`)
            acknowledged.add(outcome.eventId)
            longestMs = Math.max(longestMs, performance.now() - lastMs)
            lastMs = performance.now()
          })
          .catch(error => failures.push(error))
      await sleep(BEAT_MS)
    }
  })()
  return {
    acknowledged,
    failures,
    longestMs: () => Math.round(longestMs),
    tries: () => tries,
    /** Resolves once so many more are acknowledged. */
    async more(count: number) {
      const wanted = acknowledged.size + count
      await until(() => acknowledged.size >= wanted || failures.length > 0)
    },
    async end() {
      isOver = true
      await running
      await publisher.close()
    },
  }
}

async function nothingIsLost(bed: AgentsBed, sent: ReturnType<typeof load>): Promise<void> {
  stage = 'the last are answered'
  await sent.end()
  expect(sent.failures).toEqual([])
  stage = 'the last are certified'
  await bed.allAnchored()
  stage = 'at rest'
  await until(() => isAtRest(bed.pool))
  expect(await auditAtRest(bed.pool, bed)).toEqual([])
  expect(new Set((await auditLog(bed.databaseUrl)).eventIds)).toEqual(sent.acknowledged)
}

function say(drill: string, figures: Readonly<Record<string, number>>): void {
  process.stderr.write(`${JSON.stringify({ drill, ...figures })}\n`)
}

describe('two nodes behind a balancer', () => {
  test('are replaced one after the other under load: every request is answered, some at the next try, and every event once', {
    timeout: 400_000,
  }, async () => {
    const bed = await bedWith({})
    const port = (url: string) => Number(new URL(url).port)
    let other = await bed.anotherNode()
    const balancer = await roundRobin([port(bed.url), port(other.url)])
    undo.push(() => balancer.close())
    const sent = load(balancer.url)
    const told = new Map<string, number>()
    const watching = new AbortController()
    const watched = (async () => {
      for await (const { message } of subscribe({
        url: balancer.url,
        filter: { streams: [bedSource] },
        from: 'earliest',
        signal: watching.signal,
      }))
        if (message.type === 'event') told.set(message.eventId, (told.get(message.eventId) ?? 0) + 1)
    })()

    stage = 'before the first goes'
    await sent.more(100)
    stage = 'the first goes'
    bed.node().signal('SIGTERM')
    expect(await bed.node().exited).toEqual({ code: 0, signal: null })
    stage = 'the other alone'
    await sent.more(100)
    await bed.restartNode()
    stage = 'both again'
    await sent.more(100)
    stage = 'the other goes'
    other.signal('SIGTERM')
    expect(await other.exited).toEqual({ code: 0, signal: null })
    await sent.more(100)
    other = await bed.anotherNode({ PORT: String(port(other.url)) })
    await sent.more(100)

    await nothingIsLost(bed, sent)
    stage = 'the last are told'
    await until(() => told.size >= sent.acknowledged.size)
    watching.abort()
    await watched
    expect([...told].filter(([, times]) => times !== 1)).toEqual([])
    expect(new Set(told.keys())).toEqual(sent.acknowledged)
    say('rolling restart', {
      events: sent.acknowledged.size,
      triesAgain: sent.tries(),
      longestWaitMs: sent.longestMs(),
    })
  })
})

describe('a primary with a synchronous standby', () => {
  let postgres: ReplicatedPostgres

  test('falls silent, and the standby takes its place: nothing that was acknowledged is lost, and no coin is spent twice', {
    timeout: 400_000,
  }, async () => {
    postgres = await replicatedPostgres()
    undo.push(() => postgres.end())
    const bed = await bedWith({
      server: postgres.url,
      settings: { ...settings, DATABASE_STATEMENT_MS_MAX: '5000' },
    })
    const sent = load(bed.url)
    await sent.more(200)
    await until(async () => (await bed.progress()).anchored > 100)

    stage = 'the database falls silent'
    const cutMs = performance.now()
    postgres.address.fallSilent()
    await postgres.killPrimary()
    const { port } = await postgres.promote()
    postgres.address.moveTo(port)
    const promotedMs = performance.now()
    await sent.more(1)
    const acknowledgedMs = performance.now()
    await until(() =>
      bed.progress().then(
        ({ anchored, events }) => anchored > events / 2 && anchored > 200,
        () => false,
      ),
    )
    await sent.more(100)
    expect(bed.node().hasExited()).toBe(false)
    await nothingIsLost(bed, sent)
    stage = 'the node that has been through it is told to stop'
    bed.node().signal('SIGTERM')
    expect(await bed.node().exited).toEqual({ code: 0, signal: null })
    say('fail-over', {
      events: sent.acknowledged.size,
      promotedAfterMs: Math.round(promotedMs - cutMs),
      acknowledgedAgainAfterMs: Math.round(acknowledgedMs - cutMs),
      triesAgain: sent.tries(),
    })
  })
})
