import * as z from 'zod'
import type { MixtureRequest } from './event-mixture.ts'

/** What a node answered to one item, in either shape of answer. */
export type Answered = {
  readonly status: 'accepted' | 'revision' | 'duplicate' | 'quarantined' | 'rejected'
  readonly eventId?: string | undefined
  readonly revises?: string | undefined
  readonly quarantineId?: string | undefined
}

/** Posts it under its key, as its publisher does. */
export async function postMixture(url: string, request: MixtureRequest): Promise<Answered[]> {
  const { path, headers, body, idempotencyKey, format } = request
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { ...headers, 'Idempotency-Key': idempotencyKey },
    body,
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${format} was answered with ${response.status}: ${text.slice(0, 1000)}`)
  return path === '/overlay/events/ingest'
    ? overlayShape.parse(JSON.parse(text)).processedEvents.map(item => ({
        ...item,
        eventId: item.eventId ?? undefined,
        status:
          item.status !== 'ingested' ? item.status : item.revises === undefined ? 'accepted' : 'revision',
      }))
    : ingestShape.parse(JSON.parse(text)).items
}

const ingestShape = z.object({
  items: z.array(
    z.object({
      status: z.enum(['accepted', 'revision', 'duplicate', 'quarantined', 'rejected']),
      eventId: z.string().optional(),
      revises: z.string().optional(),
      quarantineId: z.string().optional(),
    }),
  ),
})

const overlayShape = z.object({
  processedEvents: z.array(
    z.object({
      status: z.enum(['ingested', 'duplicate', 'quarantined', 'rejected']),
      eventId: z.string().nullable(),
      revises: z.string().optional(),
      quarantineId: z.string().optional(),
    }),
  ),
})
