import { setTimeout as sleep } from 'node:timers/promises'
import { openConnection } from '../ingest/connection.ts'
import { referenceEvent } from '../reference-event.ts'

/** So many requests a second whatever the streams and events are, so that what the door costs is the same in all loads. */
export const REQUESTS_PER_SECOND = 100
const CONNECTIONS = 8

export type Load = {
  readonly streams: number
  readonly eventsPerSecond: number
  readonly seconds: number
}

export function sourcesOf(streams: number, policy: object): object[] {
  return Array.from({ length: streams }, (_, n) => ({
    id: sourceOf(n),
    type: 'webhook',
    streams: [sourceOf(n)],
    policy,
  }))
}

function sourceOf(stream: number): string {
  return `bench-${stream}`
}

/** Posts from event `from` on, at this rate, to all streams in turn; resolves with how many there were. */
export async function post(
  url: string,
  from: number,
  { streams, eventsPerSecond, seconds }: Load,
): Promise<number> {
  const batch = Math.max(1, Math.round(eventsPerSecond / REQUESTS_PER_SECOND))
  const requests = REQUESTS_PER_SECOND * seconds
  const bodies = Array.from({ length: requests }, (_, n) => bodyFrom(from + n * batch, batch))
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => openConnection(url, 'application/x-ndjson')),
  )
  const startMs = performance.now()
  let next = 0
  await Promise.all(
    connections.map(async connection => {
      for (let n = next++; n < requests; n = next++) {
        const early = startMs + (1000 * n) / REQUESTS_PER_SECOND - performance.now()
        if (early > 0) await sleep(early)
        const status = await connection.post(
          `/ingest/events?sourceId=${sourceOf(n % streams)}`,
          bodies[n] ?? new Uint8Array(0),
        )
        if (status < 200 || status > 299) throw new Error(`a batch was answered with ${status}`)
      }
    }),
  )
  for (const connection of connections) connection.close()
  return requests * batch
}

function bodyFrom(from: number, batch: number): Uint8Array {
  let text = ''
  for (let i = from; i < from + batch; i++) text += `${JSON.stringify(referenceEvent(i))}\n`
  return Buffer.from(text)
}
