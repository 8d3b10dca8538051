import * as z from 'zod'
import type { Level } from '../../../src/core/level.ts'

/** What becomes of them at the door, in their order. */
export type Published = readonly { readonly status: string; readonly eventId: string }[]

export async function publish(
  nodeUrl: string,
  sourceId: string,
  events: readonly object[],
  { level }: { readonly level?: Level } = {},
): Promise<Published> {
  const query = new URLSearchParams({ sourceId, ...(level !== undefined && { level }) })
  const response = await fetch(`${nodeUrl}/ingest/events?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: events.map(event => `${JSON.stringify(event)}\n`).join(''),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`events were answered with ${response.status}: ${text.slice(0, 500)}`)
  return answer.parse(JSON.parse(text)).items
}

const answer = z.object({ items: z.array(z.object({ status: z.string(), eventId: z.string() })) })
