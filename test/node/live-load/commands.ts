import * as z from 'zod'

/** What the test asks of the processes whose clients follow. */
export const clientsCommand = z.discriminatedUnion('what', [
  z.object({
    what: z.literal('follow'),
    port: z.number(),
    seed: z.number(),
    clients: z.number(),
    stages: z.array(z.string()),
    oneInFollowsAll: z.number(),
    /** One of so many messages is timed, at those clients that do nothing but read. */
    timedEvery: z.number(),
  }),
  /** Those that are to read nothing begin with it. */
  z.object({ what: z.literal('stick') }),
  /** Whoever is gone comes back, and everybody reads from now on. */
  z.object({ what: z.literal('settle') }),
  /** By track, its end. */
  z.object({
    what: z.literal('missing'),
    ends: z.record(z.string(), z.number()),
    counts: z.array(z.number()),
  }),
  /** Per question, in their order, what a query has answered. */
  z.object({ what: z.literal('compare'), answers: z.array(z.array(z.string())) }),
])
export type ClientsCommand = z.output<typeof clientsCommand>

export const begun = z.object({ clients: z.number() })
/** How many are not told of everything yet, and one of them. */
export const missing = z.object({ clients: z.number(), example: z.string() })

export const compared = z.object({
  faults: z.array(z.string()),
  messages: z.number(),
  bytes: z.number(),
  connections: z.number(),
  pauses: z.number(),
  gaps: z.number(),
  /** Messages that told of events without their ids. */
  reduced: z.number(),
  /** Why connections were over that no client had ended. */
  cutOff: z.record(z.string(), z.number()),
  timed: z.array(z.object({ streamId: z.string(), lastSeq: z.number(), atMs: z.number() })),
})
export type Compared = z.output<typeof compared>
