import * as z from 'zod'
import { type Choices, choicesFrom } from '../core/rounds/simulator/choices.ts'
import { until } from '../support/until.ts'
import { pause } from './submit-load.ts'

/** Publishers who send events to a node that may die at any moment, and send again what was not answered. */
export type IngestLoad = {
  /** eventIds that were answered as being in the log. */
  readonly acknowledged: ReadonlySet<string>
  /** What a publisher would complain about. */
  readonly unexpected: readonly string[]
  readonly counts: { requests: number; again: number; replayed: number; lastAgain: string }
  /** Resolves once so many more requests are answered. */
  more(requests: number): Promise<void>
  /** Resolves once everything that was sent is answered, and nothing more is sent. */
  rest(): Promise<void>
}

export const loadSources = [
  { id: 'load-any', type: 'webhook', shape: 'overlay', streams: ['load'] },
  { id: 'load-other', type: 'webhook', shape: 'overlay', streams: ['load-other'] },
]

export function ingestLoad({
  url,
  seed,
  clients,
}: {
  url: string
  seed: number
  clients: number
}): IngestLoad {
  const acknowledged = new Set<string>()
  const unexpected: string[] = []
  const counts = { requests: 0, again: 0, replayed: 0, lastAgain: '' }
  let isResting = true
  let running: Promise<unknown>[] = []

  const client = (name: number, choices: Choices) => {
    let sent = 0
    return async () => {
      while (!isResting) {
        const n = sent++
        const items = await postUntilAnswered(url, requestOf(`${seed}-${name}-${n}`, choices), counts)
        for (const { status, eventId } of items)
          if (eventId === undefined) unexpected.push(`an event was ${status}`)
          else acknowledged.add(eventId)
        counts.requests += 1
        await pause(choices.pick(THINK_MS_MAX))
      }
    }
  }
  const all = Array.from({ length: clients }, (_, name) => client(name, choicesFrom(seed + name)))
  return {
    acknowledged,
    unexpected,
    counts,
    async more(requests) {
      const enough = counts.requests + requests
      if (isResting) {
        isResting = false
        running = all.map(work =>
          work().catch((error: unknown) => void unexpected.push(`a publisher gave up: ${error}`)),
        )
      }
      await until(() => counts.requests >= enough || unexpected.length > 0)
    },
    async rest() {
      isResting = true
      await Promise.all(running)
    },
  }
}

const THINK_MS_MAX = 20
const AGAIN_MS = 50
const ANSWER_MS_MAX = 30_000
const EVENTS_MAX = 60

type LoadRequest = { readonly key: string; readonly sourceId: string; readonly body: string }

/** Events of every kind of identity. A repetition within a request is one that the answer says. */
function requestOf(key: string, choices: Choices): LoadRequest {
  const events = Array.from({ length: 1 + choices.pick(EVENTS_MAX) }, (_, i) => {
    const data = { key, i, note: 'x'.repeat(choices.pick(200)) }
    const event = { eventType: 'reading', data }
    switch (choices.pick(4)) {
      case 0:
        return { ...event, externalId: `${key}-${i}` }
      case 1:
        return { ...event, timestamp: Date.UTC(2025, 0) + choices.pick(1_000_000_000) }
      case 2:
        return { ...event, sourceSeq: choices.pick(1_000_000_000) }
      default:
        return event
    }
  })
  return {
    key,
    sourceId: choices.chance(50) ? 'load-any' : 'load-other',
    body: events.map(event => `${JSON.stringify(event)}\n`).join(''),
  }
}

const answerShape = z.object({
  items: z.array(z.object({ status: z.string(), eventId: z.string().optional() })),
})

async function postUntilAnswered(
  url: string,
  { key, sourceId, body }: LoadRequest,
  counts: IngestLoad['counts'],
) {
  for (;;) {
    try {
      const response = await fetch(`${url}/ingest/events?sourceId=${sourceId}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': key },
        body,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
      const text = await response.text()
      if (response.ok) {
        if (response.headers.get('idempotent-replayed') === 'true') counts.replayed += 1
        return answerShape.parse(JSON.parse(text)).items
      }
      // Pushed back, or no database at the moment: to be sent again, as its answer says.
      if (response.status !== 503 && response.status !== 429)
        throw new Refused(`a sound request was answered with ${response.status}: ${text.slice(0, 500)}`)
      counts.lastAgain = text
    } catch (error) {
      if (error instanceof Refused || error instanceof z.ZodError) throw error
      counts.lastAgain = String(error)
      // Nobody listens, or somebody died in the middle of it: sent again under the same key.
    }
    counts.again += 1
    await pause(AGAIN_MS)
  }
}

class Refused extends Error {}
