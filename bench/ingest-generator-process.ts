import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, command, type Posted } from './ingest/commands.ts'
import { type Connection, openConnection } from './ingest/connection.ts'
import { percentile } from './percentile.ts'
import { referenceEvent } from './reference-event.ts'

/* Publishers, in a process of their own: what they spend is not the node's. */

process.on('message', async message => {
  try {
    process.send?.(await obey(command.parse(message)))
  } catch (error) {
    process.send?.({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
process.on('disconnect', () => process.exit())

type Prepared = {
  readonly url: string
  readonly path: string
  readonly batch: number
  readonly bodies: Uint8Array[]
}

let prepared: Prepared | undefined

async function obey(asked: Command): Promise<Posted | { bytes: number }> {
  if (asked.what === 'prepare') {
    const { url, sourceId, from, events, batch } = asked
    const bodies = Array.from({ length: Math.floor(events / batch) }, (_, n) =>
      bodyFrom(from + n * batch, batch),
    )
    prepared = { url, path: `/ingest/events?sourceId=${sourceId}`, batch, bodies }
    return { bytes: bodies.reduce((sum, { length }) => sum + length, 0) }
  }
  if (prepared === undefined) throw new Error('bodies are prepared before they are posted')
  return asked.what === 'closed' ? closedLoop(prepared, asked) : openLoop(prepared, asked)
}

function bodyFrom(from: number, batch: number): Uint8Array {
  let text = ''
  for (let i = from; i < from + batch; i++) text += `${JSON.stringify(referenceEvent(i))}\n`
  return Buffer.from(text)
}

async function closedLoop(load: Prepared, { connections }: { connections: number }): Promise<Posted> {
  return measured(load, connections, async (post, all) => {
    const queue = load.bodies.values()
    await Promise.all(
      all.map(async connection => {
        for (const body of queue) await post(connection, body, performance.now())
      }),
    )
  })
}

/** Latency counts from when a request was due, so that one slow answer is not hidden by those that wait behind it. */
async function openLoop(
  load: Prepared,
  { connections, eventsPerSecond }: { connections: number; eventsPerSecond: number },
): Promise<Posted> {
  return measured(load, connections, async (post, all) => {
    const startMs = performance.now()
    const everyMs = (1000 * load.batch) / eventsPerSecond
    let next = 0
    await Promise.all(
      all.map(async connection => {
        for (let n = next++; n < load.bodies.length; n = next++) {
          const body = load.bodies[n]
          const dueMs = startMs + n * everyMs
          const early = dueMs - performance.now()
          if (early > 0) await sleep(early)
          if (body !== undefined) await post(connection, body, dueMs)
        }
      }),
    )
  })
}

type Post = (connection: Connection, body: Uint8Array, sinceMs: number) => Promise<void>

async function measured(
  { url, path, batch, bodies }: Prepared,
  connections: number,
  run: (post: Post, all: readonly Connection[]) => Promise<void>,
): Promise<Posted> {
  const all = await Promise.all(
    Array.from({ length: connections }, () => openConnection(url, 'application/x-ndjson')),
  )
  const took: number[] = []
  const cpu = process.cpuUsage()
  const begun = performance.now()
  await run(async (connection, body, sinceMs) => {
    const status = await connection.post(path, body)
    if (status < 200 || status > 299) throw new Error(`a batch was answered with ${status}`)
    took.push(performance.now() - sinceMs)
  }, all)
  const wallMs = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  for (const connection of all) connection.close()
  return {
    events: bodies.length * batch,
    requests: bodies.length,
    wallMs,
    p50Ms: percentile(took, 0.5),
    p95Ms: percentile(took, 0.95),
    p99Ms: percentile(took, 0.99),
    cpuMs: (user + system) / 1000,
  }
}
