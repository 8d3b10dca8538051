import * as z from 'zod'

/** What the suite asks of the process that serves. */
export const serverCommand = z.discriminatedUnion('what', [
  z.object({ what: z.literal('open'), contender: z.enum(['assay', 'bare']) }),
  /** So many messages a second of so many events each, for so long. */
  z.object({ what: z.literal('tell'), perSecond: z.number(), events: z.number(), ms: z.number() }),
  z.object({ what: z.literal('memory') }),
])
export type ServerCommand = z.output<typeof serverCommand>

export const opened = z.object({ port: z.number() })
export const told = z.object({ cpuMs: z.number(), wallMs: z.number(), messages: z.number() })
export const memory = z.object({ rss: z.number() })

/** And of the one whose clients follow. */
export const clientsCommand = z.discriminatedUnion('what', [
  z.object({ what: z.literal('connect'), port: z.number(), sse: z.number(), webSocket: z.number() }),
  /** Answered once nothing has come for a while. */
  z.object({ what: z.literal('heard') }),
])
export type ClientsCommand = z.output<typeof clientsCommand>

export const connected = z.object({ clients: z.number() })
export const heard = z.object({ messages: z.number(), bytes: z.number() })
