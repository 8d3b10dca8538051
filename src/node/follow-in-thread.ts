import path from 'node:path'
import type { Mode } from '../jobs/mode.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'
import type { ShownMetrics } from '../runtime/shown-metrics.ts'
import type { Stops } from '../runtime/stops.ts'
import { startThread, type Thread } from '../runtime/thread.ts'
import type { LogFollowers } from './log-followers.ts'
import {
  type FollowersData,
  type FromFollowers,
  followersSettings,
  type ToFollowers,
} from './log-followers-messages.ts'

export type FollowInThreadDeps = {
  readonly databaseUrl: string
  /** The key whose certificates sealing keeps pace with; undefined where nobody here certifies. */
  readonly logKey: string | undefined
  /** Whether agents are asked, and what is done while they are not. */
  mode?(): Mode
  readonly log: Log
  readonly stops: Stops
  onPacket?(): void
}

export type FollowersInThread = LogFollowers & { readonly metrics: ShownMetrics }

/** Beside those of the node: what the sealer does for its partitions shares a few, and the projections take one step. */
const CONNECTIONS_MAX = 8
/** A scrape waits so long for what the thread has to show, and goes without it. */
const SHOWN_MS_MAX = 2_000
/** So soon the thread hears that agents can be asked again, or cannot. */
const MODE_MS = 250

/** Log followers in a thread of their own: making packets keeps no request waiting. Resolves once they follow. */
export async function followInThread(
  settings: Settings,
  { databaseUrl, logKey, mode, log, stops, onPacket }: FollowInThreadDeps,
): Promise<FollowersInThread> {
  const shown = openAnswers<string | readonly object[]>()
  const data: FollowersData = {
    settings: pick(settings, followersSettings),
    ...{ databaseUrl, connectionsMax: CONNECTIONS_MAX, logLevel: log.level, logKey },
    asksOutside: settings.CERTIFIER_WEBHOOK_URL !== undefined,
  }
  const thread = await new Promise<Thread<ToFollowers>>((resolve, reject) => {
    let isStarted = false
    const starting: Thread<ToFollowers> = startThread<ToFollowers, FromFollowers>(program, {
      data,
      onMessage(message) {
        if (message.kind === 'packet') onPacket?.()
        else if (message.kind === 'log') logAgain(log, message.line)
        else if (message.kind === 'shown') shown.answer(message.id, message.metrics)
        else {
          isStarted = true
          resolve(starting)
        }
      },
      onFailure(error) {
        if (!isStarted) return reject(error)
        // Its bugs end the process as the process's own do: who starts it again starts both, with nothing lost.
        log.fatal({ err: error }, 'the thread that makes packets and projections has failed')
        throw error
      },
    })
  })
  let told: Mode | undefined
  const telling = setInterval(() => {
    const now = mode?.()
    if (now === undefined || now === told) return
    told = now
    thread.post({ kind: 'mode', mode: now })
  }, MODE_MS)
  stops.add('packets and projections', async () => {
    clearInterval(telling)
    thread.mayEnd()
    thread.post({ kind: 'stop' })
    await thread.ended
    shown.giveUp()
  })
  const show = (as: 'text' | 'json') => shown.ask(id => thread.post({ kind: 'show', id, as }))
  return {
    wake: () => thread.post({ kind: 'wake' }),
    metrics: {
      async metrics() {
        const text = await show('text')
        return typeof text === 'string' ? text : ''
      },
      async getMetricsAsJSON() {
        const json = await show('json')
        return typeof json === 'object' ? json : []
      },
    },
  }
}

/** As this file is spelled: built, or as its source. */
const program = new URL(`./log-followers-thread${path.extname(import.meta.url)}`, import.meta.url)

function pick<T extends object, K extends keyof T>(all: T, names: readonly K[]): Pick<T, K> {
  const picked: Partial<T> = {}
  for (const name of names) picked[name] = all[name]
  return picked as Pick<T, K>
}

/** In the words of the thread's log, at the time of the node's. */
function logAgain(log: Log, line: string): void {
  const { level, time: _, message, ...about } = JSON.parse(line)
  const name = log.levels.labels[level]
  if (name === 'fatal' || name === 'error' || name === 'warn' || name === 'debug' || name === 'trace')
    log[name](about, message)
  else log.info(about, message)
}

/** What is asked by a message and answered by another, if it is answered in time. */
function openAnswers<T>() {
  const waiting = new Map<number, (answer: T | undefined) => void>()
  let last = 0
  return {
    ask: (send: (id: number) => void) =>
      new Promise<T | undefined>(resolve => {
        const id = ++last
        const timer = setTimeout(() => settle(undefined), SHOWN_MS_MAX)
        const settle = (answer: T | undefined) => {
          clearTimeout(timer)
          waiting.delete(id)
          resolve(answer)
        }
        waiting.set(id, settle)
        send(id)
      }),
    answer: (id: number, answer: T) => waiting.get(id)?.(answer),
    giveUp() {
      for (const settle of waiting.values()) settle(undefined)
    },
  }
}
