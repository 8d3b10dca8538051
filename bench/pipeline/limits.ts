import { sha256Hex } from '#sha256'
import { askProcess } from '../fanout/ask-process.ts'
import { opened } from '../fanout/messages.ts'
import { posted, prepared } from '../ingest/commands.ts'
import { startGenerator } from '../ingest/generator-handle.ts'
import { processCpuMs } from '../ingest/process-cpu.ts'
import { rawCopyPerSecond } from '../ingest/raw-copy.ts'
import { referenceEvent } from '../reference-event.ts'
import { benchDatabase } from '../submit/databases.ts'
import type { Limit, LimitOptions } from './limit.ts'
import { seedShape } from './seed-shape.ts'

export const limitNames = ['copy', 'hashing', 'loopback', 'seedShape'] as const
export type Limits = { readonly [Name in (typeof limitNames)[number]]: Limit }

export async function measureLimits(options: LimitOptions): Promise<Limits> {
  const database = await benchDatabase(options.server)
  try {
    return {
      copy: await copy(database.url, options),
      hashing: hashing(options),
      loopback: await loopback(options),
      seedShape: await seedShape(database.url, options),
    }
  } finally {
    await database.drop()
  }
}

const COPY_CONNECTIONS = 4
const HTTP_CONNECTIONS = 8
const FEW_BATCHES = 40

/** A first run says how many events it takes to fill the time. */
async function copy(url: string, { postgres, batch, seconds }: LimitOptions): Promise<Limit> {
  const run = (events: number) =>
    rawCopyPerSecond(url, { from: 0, events, batch, connections: COPY_CONNECTIONS })
  const guess = await run(batch * FEW_BATCHES)
  const events = wholeBatches(Math.min(guess * seconds, EVENTS_MAX), batch)
  const before = postgres?.()
  const perSecond = await run(events)
  const after = postgres?.()
  return {
    perSecond,
    cpuMicroseconds: before === undefined || after === undefined ? null : (1000 * (after - before)) / events,
  }
}

const EVENTS_MAX = 1_000_000
const HASHED_AT_ONCE = 1_000

/** Once over each event's bytes, on one core. */
function hashing({ seconds }: LimitOptions): Limit {
  const lines = Array.from({ length: HASHED_AT_ONCE }, (_, i) => JSON.stringify(referenceEvent(i)))
  const before = process.cpuUsage()
  let spent = 0
  let events = 0
  while (spent < seconds * 1e6) {
    for (const line of lines) sha256Hex(line)
    events += lines.length
    const { user, system } = process.cpuUsage(before)
    spent = user + system
  }
  return { perSecond: (1e6 * events) / spent, cpuMicroseconds: spent / events }
}

/** The same bodies to a server that reads them and says 202. */
async function loopback({ batch, seconds }: LimitOptions): Promise<Limit> {
  const server = askProcess('pipeline-bare-http-process')
  const generator = startGenerator()
  try {
    const { port } = await server.ask({ what: 'open' }, opened)
    const run = async (events: number) => {
      const url = `http://127.0.0.1:${port}`
      await generator.ask({ what: 'prepare', url, sourceId: 'bench-0', from: 0, events, batch }, prepared)
      const before = processCpuMs(server.pid)
      const { wallMs } = await generator.ask({ what: 'closed', connections: HTTP_CONNECTIONS }, posted)
      const after = processCpuMs(server.pid)
      return {
        perSecond: (1000 * events) / wallMs,
        cpuMs: after === undefined ? undefined : after - (before ?? 0),
      }
    }
    const guess = await run(batch * FEW_BATCHES)
    const events = wholeBatches(Math.min(guess.perSecond * seconds, EVENTS_MAX / 4), batch)
    const { perSecond, cpuMs } = await run(events)
    return { perSecond, cpuMicroseconds: cpuMs === undefined ? null : (1000 * cpuMs) / events }
  } finally {
    server.end()
    await generator.end()
  }
}

function wholeBatches(events: number, batch: number): number {
  return Math.max(1, Math.round(events / batch)) * batch
}
