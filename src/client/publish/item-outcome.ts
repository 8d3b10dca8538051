import * as z from 'zod'

const eventId = z.string()
const externalId = z.string().optional()
const placed = {
  eventId,
  externalId,
  partition: z.number(),
  seq: z.number(),
  qualityFlags: z.number(),
  dedup: z.string(),
}

const itemOutcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('accepted'), ...placed }),
  z.object({ status: z.literal('revision'), ...placed, revises: z.string() }),
  z.object({ status: z.literal('duplicate'), eventId, externalId }),
  z.object({
    status: z.literal('quarantined'),
    quarantineId: z.string(),
    reason: z.string(),
    detail: z.string(),
    externalId,
  }),
  z.object({
    status: z.literal('rejected'),
    code: z.string(),
    detail: z.string(),
    pointer: z.string().optional(),
  }),
])

/** What has become of one event, once that is on disk: docs/ingest.md, under Answers. */
export type ItemOutcome = z.output<typeof itemOutcome>

/** Only what is used of it: a later node may say more. */
export const ingestAnswer = z.object({ items: z.array(itemOutcome) })
