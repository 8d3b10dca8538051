import * as z from 'zod'
import { quorums } from '../core/level.ts'
import { stages } from '../core/rounds/template.ts'
import { levelByDefault } from '../runtime/consensus-settings.ts'
import { readBounded } from '../runtime/read-bounded.ts'
import type { Settings } from '../runtime/settings.ts'
import { checkPort } from './check-ground.ts'
import { type Finding, looked, notLooked, ok, type Seen, wrong } from './finding.ts'

const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const ANSWER_MS_MAX = 5_000

/** What a node that runs says of itself, who works for it, and whether its stream comes through whatever is in front of it. */
export async function* checkRunning(settings: Settings): AsyncGenerator<Finding> {
  const url = urlOf(settings)
  const checks = await healthOf(url)
  if (checks === undefined) {
    const port = await checkPort(settings)
    if (port.state === 'wrong') yield port
    yield notLooked('node', `none answers at ${url}`)
    return
  }
  for (const { name, status, message } of checks)
    yield {
      name: `node: ${name}`,
      state: status === 'ok' ? 'ok' : 'wrong',
      seen: message ?? 'well',
      ...(status === 'error' && {
        move: moves.find(([pattern]) => pattern.test(name))?.[1] ?? 'The log of the node says more.',
      }),
    }
  yield await agents(settings, url)
  yield await stream(settings)
}

const moves: readonly (readonly [RegExp, string])[] = [
  [/fuel/, 'Fund the node with `assay wallet fund`; `assay wallet show` says how long what is there lasts.'],
  [/header|chain/, 'Look whether HEADERS_URL or HEADERS_FILE, and ARC_URL, are of this network and answer.'],
  [/database/, 'Look at the server that DATABASE_URL names, and at its disk.'],
]

const health = z.object({
  checks: z.array(
    z.object({ name: z.string(), status: z.enum(['ok', 'error']), message: z.string().optional() }),
  ),
})

async function healthOf(url: string) {
  try {
    return health.parse(await ask(`${url}/health`)).checks
  } catch {
    // Whatever answers there, or does not, is no node that could be asked.
    return undefined
  }
}

const listed = z.object({
  agents: z.array(z.object({ operator: z.string(), stages: z.array(z.string()), reachable: z.boolean() })),
})

/** A job has a seat for an agent of each of so many operators; with fewer, packets wait. */
async function agents(settings: Settings, url: string): Promise<Finding> {
  if (!settings.BRC22_JOB_ORCHESTRATION_ENABLED || !settings.EVENT_PROCESSING_AGENTS_ENABLED)
    return notLooked('agents', 'packets do not go to agents here')
  return looked('agents', async () => {
    const { agents } = listed.parse(await ask(`${url}/agents`))
    const wanted = quorums[levelByDefault(settings)].seats
    const counts = stages.map(stage => {
      const reached = agents.filter(agent => agent.reachable && agent.stages.includes(stage))
      return { stage, operators: new Set(reached.map(({ operator }) => operator)).size }
    })
    const seen = counts.map(({ stage, operators }) => `${operators} to ${stage}`).join(', ')
    return counts.every(({ operators }) => operators >= wanted)
      ? ok(`of operators that can be reached, ${seen}`)
      : wrong(
          `of operators that can be reached, ${seen}; new streams ask ${wanted} at each stage`,
          'Start agents (`assay up`, or `assay agent`), list their operators in EVENT_OPERATORS, or lower EVENT_CONSENSUS_THRESHOLD.',
        )
  })
}

const STREAM_PATH = '/overlay/events/stream'

/** A live stream speaks at once. Where nothing comes, somebody on the way collects what should be passed on. */
async function stream({ ASSAY_PUBLIC_URL, EVENT_STREAM_SSE_ENABLED }: Settings): Promise<Finding> {
  const name = 'proxy'
  if (ASSAY_PUBLIC_URL === undefined)
    return notLooked(name, 'ASSAY_PUBLIC_URL names no address to look through')
  if (!EVENT_STREAM_SSE_ENABLED) return notLooked(name, 'live events cannot be followed by SSE here')
  return looked(name, () => firstWord(new URL(STREAM_PATH, ASSAY_PUBLIC_URL).href))
}

async function firstWord(url: string): Promise<Seen> {
  const giveUp = new AbortController()
  const timer = setTimeout(() => giveUp.abort(), ANSWER_MS_MAX)
  try {
    const response = await fetch(url, { signal: giveUp.signal, headers: { accept: 'text/event-stream' } })
    if (!response.ok)
      return wrong(
        `${url} answers ${response.status}`,
        'Look where ASSAY_PUBLIC_URL leads, and whether the proxy passes everything on.',
      )
    const { done } = (await response.body?.getReader().read()) ?? { done: true }
    return done
      ? wrong(`${url} ends before it says anything`, 'Look where ASSAY_PUBLIC_URL leads.')
      : ok(`live events come through at ${url}`)
  } catch (error) {
    if (!giveUp.signal.aborted)
      return wrong(
        `${url} does not answer: ${error instanceof Error ? error.message : error}`,
        'Look where ASSAY_PUBLIC_URL leads.',
      )
    return wrong(
      `${url} said nothing in ${ANSWER_MS_MAX / 1000} s: something on the way keeps it back`,
      'Switch buffering off there (nginx: proxy_buffering off), and allow connections that stay open.',
    )
  } finally {
    clearTimeout(timer)
    giveUp.abort()
  }
}

async function ask(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(ANSWER_MS_MAX)
  const body = await readBounded(await fetch(url, { signal }), ANSWER_BYTES_MAX, signal)
  return JSON.parse(Buffer.from(body).toString())
}

function urlOf({ ASSAY_HOST, PORT }: Settings): string {
  const host = ASSAY_HOST === '0.0.0.0' ? '127.0.0.1' : ASSAY_HOST
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT}`
}
