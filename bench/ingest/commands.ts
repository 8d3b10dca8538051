import * as z from 'zod'

/** What the benchmark asks its generator's process for; each is answered before the next one. */
export const command = z.discriminatedUnion('what', [
  /** Makes the bodies, so that making them costs nothing later. */
  z.object({
    what: z.literal('prepare'),
    url: z.string(),
    sourceId: z.string(),
    from: z.int(),
    events: z.int(),
    batch: z.int(),
  }),
  /** Posts what is prepared, a request after the other on each connection. */
  z.object({ what: z.literal('closed'), connections: z.int() }),
  /** Posts what is prepared at this rate, whatever the answers do. */
  z.object({ what: z.literal('open'), connections: z.int(), eventsPerSecond: z.int() }),
])
export type Command = z.output<typeof command>

export const posted = z.object({
  events: z.int(),
  requests: z.int(),
  wallMs: z.number(),
  p50Ms: z.number(),
  p95Ms: z.number(),
  p99Ms: z.number(),
  /** Of the generator's process. */
  cpuMs: z.number(),
})
export type Posted = z.output<typeof posted>

/** Whose name hostile requests are sent under, and the name of its stream. */
export const HOSTILE_SOURCE = 'bench-hostile'

/** What it asks of those who are hostile. */
export const attack = z.discriminatedUnion('what', [
  /** Until the end, each connection a request after the other, and so many that say half of one. */
  z.object({ what: z.literal('begin'), url: z.string(), connections: z.int(), halfOpen: z.int() }),
  z.object({ what: z.literal('end') }),
])
export type Attack = z.output<typeof attack>

export const begun = z.object({ begun: z.literal(true) })
/** How often each status was answered. */
export const attacked = z.object({ statuses: z.record(z.string(), z.int()) })

export const prepared = z.object({ bytes: z.number() })
export const failure = z.object({ failed: z.string() })
