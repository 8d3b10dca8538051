import { referenceEvent } from '../reference-event.ts'
import { placeOf } from './place-of.ts'
import { type SentBatch, streamOf } from './sent.ts'

/**
 * One event for each stream, ahead of the schedule and never measured: what everybody does for the first time is done by the time that it is
 * certified. Their numbers are below 0, so that no scheduled event is one of them.
 */
export async function prime(url: string, streams: number): Promise<SentBatch[]> {
  return Promise.all(
    Array.from({ length: streams }, async (_, stream) => {
      const dueMs = Date.now()
      const response = await fetch(`${url}/ingest/events?sourceId=${streamOf(stream)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: `${JSON.stringify(referenceEvent(-1 - stream))}\n`,
      })
      return { stream, dueMs, ...placeOf(await response.text(), 1), answeredMs: Date.now() }
    }),
  )
}
