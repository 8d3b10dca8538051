import * as z from 'zod'
import { histogramEntries } from './histogram.ts'
import { schedule } from './schedule.ts'
import { sentBatch } from './sent.ts'

/** What the suite asks of the process that publishes: everything, at once. */
export const publishCommand = z.object({
  url: z.string(),
  connections: z.int(),
  schedule,
  /** What is not under way by then is not sent any more. */
  giveUpMs: z.number(),
})
export type PublishCommand = z.output<typeof publishCommand>

export const published = z.object({
  taken: z.array(sentBatch),
  /** Of refused batches, by what was answered. */
  refused: z.record(z.string(), z.int()),
  notSent: z.int(),
})
export type Published = z.output<typeof published>

/** And of those whose clients follow. */
export const followCommand = z.discriminatedUnion('what', [
  z.object({
    what: z.literal('follow'),
    url: z.string(),
    clients: z.int(),
    streams: z.int(),
    /** Whom verifying clients trust. */
    operators: z.array(z.string()),
    logKey: z.string(),
  }),
  /** Answered once every client has had so many events of its streams, or so many milliseconds are over. */
  z.object({ what: z.literal('settle'), ends: z.array(z.int()), msMax: z.number() }),
  z.object({ what: z.literal('account'), schedule, taken: z.array(sentBatch) }),
])
export type FollowCommand = z.output<typeof followCommand>

export const following = z.object({ clients: z.int() })
export const settled = z.object({ behind: z.array(z.string()) })

/** What has come, of events that are measured; by second since the first was due. */
export const followed = z.object({
  latencies: z.record(z.string(), histogramEntries),
  /** 95 of 100 of what was due in a second; null where nothing has come of it. */
  p95BySecond: z.record(z.string(), z.array(z.number().nullable())),
  /** Of the client that follows everything, when its `anchored` messages came. */
  certifiedBySecond: z.array(z.int()),
  /** What no client should see: something left out, or told twice. */
  faults: z.array(z.string()),
  messages: z.int(),
  events: z.int(),
  bytes: z.int(),
  /** Why connections were over that no client had ended. */
  cutOff: z.record(z.string(), z.int()),
})
export type Followed = z.output<typeof followed>
