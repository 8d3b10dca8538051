import * as z from 'zod'
import { pause } from '../submit-load.ts'

export const STREAMS = 8
const BATCHES_PER_SECOND = 2
const TYPES = 100
/** Every so many batches come from a source of their own. */
const SELDOM = 8

export const loadSources = Array.from({ length: STREAMS }, (_, n) => `load-${n}`).flatMap(streamId =>
  ['often', 'seldom'].map(kind => ({
    ...{ id: `${streamId}-${kind}`, type: 'webhook', shape: 'overlay', streams: [streamId] },
  })),
)

export type Published = {
  /** How many each stream has. */
  readonly events: ReadonlyMap<string, number>
  /** When the request was sent that had this event, by stream and sequence. */
  sentMs(streamId: string, seq: number): number | undefined
  /** Requests that had to be made again. */
  readonly again: number
  /** How long each request took to be answered. */
  readonly answeredMs: readonly number[]
}

/** So many events a second in all, for so long; each stream has one publisher, so that its order is known. */
export async function publish(
  url: string,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Published> {
  const batch = Math.max(1, Math.round(perSecond / STREAMS / BATCHES_PER_SECOND))
  const sent = new Map<string, number[]>()
  const counts = { again: 0 }
  const answeredMs: number[] = []
  const startMs = Date.now()
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, stream) => {
      const streamId = `load-${stream}`
      const times: number[] = []
      sent.set(streamId, times)
      for (let n = 0; n < seconds * BATCHES_PER_SECOND; n++) {
        const dueMs = startMs + ((n + stream / STREAMS) * 1000) / BATCHES_PER_SECOND
        const early = dueMs - Date.now()
        if (early > 0) await pause(early)
        times.push(Date.now())
        const sourceId = `${streamId}-${n % SELDOM === SELDOM - 1 ? 'seldom' : 'often'}`
        counts.again += await post(
          `${url}/ingest/events?sourceId=${sourceId}`,
          `${streamId}-${n}`,
          bodyOf(streamId, n, batch),
          batch,
        )
        answeredMs.push(Date.now() - (times.at(-1) ?? 0))
      }
    }),
  )
  return {
    events: new Map([...sent].map(([streamId, times]) => [streamId, times.length * batch])),
    sentMs: (streamId, seq) => sent.get(streamId)?.[Math.floor(seq / batch)],
    again: counts.again,
    answeredMs,
  }
}

function bodyOf(streamId: string, n: number, batch: number): string {
  return Array.from({ length: batch }, (_, i) => {
    const made = n * batch + i
    const data = { made, site: `site-${made % TYPES}`, note: 'x'.repeat(200) }
    const event = { eventType: `type-${made % TYPES}`, externalId: `${streamId} ${made}`, data }
    return `${JSON.stringify(event)}\n`
  }).join('')
}

const answerShape = z.object({ items: z.array(z.object({ status: z.string() })) })
const AGAIN_MS = 50

/** How often it had to be sent again. */
async function post(url: string, key: string, body: string, batch: number): Promise<number> {
  for (let again = 0; ; again++) {
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': key }
    // Nobody takes the connection yet, or it breaks: sent again under the same key.
    const response = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
    const text = (await response?.text()) ?? ''
    if (response === undefined || response.status === 503 || response.status === 429) {
      await pause(AGAIN_MS)
      continue
    }
    if (!response.ok) throw new Error(`events were answered with ${response.status}: ${text.slice(0, 300)}`)
    const { items } = answerShape.parse(JSON.parse(text))
    const taken = items.filter(({ status }) => status === 'accepted').length
    if (taken !== batch) throw new Error(`${taken} of ${batch} events were accepted: ${text.slice(0, 300)}`)
    return again
  }
}
