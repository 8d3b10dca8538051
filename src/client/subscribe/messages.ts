import * as z from 'zod'
import { levels } from '../../core/level.ts'
import { readAs } from '../refusal.ts'
import { ConnectionLost } from './connection.ts'

/* Of docs/asyncapi.yaml, what is used of it: a later node may say more, and is not misunderstood. */

const where = { streamId: z.string(), partition: z.number(), packetNo: z.number(), packetId: z.string() }
const certifiedLine = { ...where, line: z.number(), versionId: z.string().nullable() }
const place = z.object({ at: z.number(), line: z.number() }).nullable()

const eventMessage = z.object({
  type: z.literal('event'),
  eventId: z.string(),
  eventType: z.string(),
  certificationLevel: z.enum(levels),
  timestamp: z.string().nullable(),
  data: z.json(),
  certification: z.object({
    agentId: z.string().nullable(),
    signature: z.string().nullable(),
    consensusNodes: z.number().nullable(),
  }),
  overlayMetadata: z.object({ latency: z.number().nullable() }),
  sourceId: z.string(),
  issues: z.array(z.string()),
  ...certifiedLine,
  processingEvidence: z.object({ agents: z.array(z.string()), certification: z.json() }).optional(),
})

const quarantinedMessage = z.object({
  type: z.literal('quarantined'),
  eventId: z.string(),
  sourceId: z.string(),
  issues: z.array(z.string()),
  ...certifiedLine,
})

const fusedRecordMessage = z.object({
  type: z.literal('fused'),
  certificationLevel: z.enum(levels),
  data: z.json(),
  ...certifiedLine,
})

const gapMessage = z.object({
  type: z.literal('gap'),
  streamId: z.string().nullable(),
  partition: z.number().nullable(),
  stage: z.string().nullable(),
  from: place,
  to: place,
  reason: z.string(),
  packetNo: z.number().nullable(),
  oldest: place,
})

const news = { stage: z.string(), versionId: z.string().nullable(), ...where }
const filledMessage = z.object({ type: z.literal('filled'), ...news })
const unanchoredMessage = z.object({ type: z.literal('unanchored'), ...news })

/** Told of the connection, not of events. */
const connectionMessage = z.object({
  type: z.enum(['hello', 'heartbeat', 'slow', 'bye']),
  reason: z.string().optional(),
})

const receivedMessage = z.object({
  type: z.literal('received'),
  sourceId: z.string(),
  count: z.number(),
  eventIds: z.array(z.string()).nullable(),
  streamId: z.string(),
  partition: z.number(),
  firstSeq: z.number(),
  lastSeq: z.number(),
})

const packetMessage = z.object({
  type: z.enum(['normalized', 'validated', 'anchored', 'proven']),
  versionId: z.string().nullable(),
  sourceIds: z.array(z.string()),
  count: z.number(),
  eventIds: z.array(z.string()).nullable(),
  firstSeq: z.number(),
  lastSeq: z.number().nullable(),
  ...where,
})

const linesMessage = z.object({
  type: z.enum(['certified', 'fused']),
  versionId: z.string().nullable(),
  sourceId: z.string().nullable(),
  count: z.number(),
  eventIds: z.array(z.string()).nullable(),
  setAside: z.number(),
  firstLine: z.number().nullable(),
  lastLine: z.number().nullable(),
  ...where,
})

/** Of one line of a certified packet. */
const lineMessage = z.discriminatedUnion('type', [eventMessage, quarantinedMessage, fusedRecordMessage])
const eventsMessage = z.discriminatedUnion('type', [
  ...lineMessage.options,
  gapMessage,
  filledMessage,
  unanchoredMessage,
])
const watchMessage = z.discriminatedUnion('type', [
  receivedMessage,
  packetMessage,
  linesMessage,
  gapMessage,
  filledMessage,
  unanchoredMessage,
])

export type LineMessage = z.output<typeof lineMessage>
export type GapMessage = z.output<typeof gapMessage>
export type ConnectionMessage = z.output<typeof connectionMessage>
export type EventsMessage = z.output<typeof eventsMessage>
export type WatchMessage = z.output<typeof watchMessage>

export const readEventsMessage = readerOf(eventsMessage)
export const readWatchMessage = readerOf(watchMessage)

const anyMessage = z.object({ type: z.string() })

/** Undefined for a type that this version does not know; what is not as its type promises ends the connection. */
function readerOf<Message>(
  shape: z.ZodType<Message> & {
    readonly options: readonly { readonly shape: { readonly type: z.ZodType } }[]
  },
) {
  const knows = (type: string) => shape.options.some(option => option.shape.type.safeParse(type).success)
  return (
    json: string,
  ): ConnectionMessage | { readonly type: 'told'; readonly message: Message } | undefined => {
    const said = readAs(z.unknown(), json)
    const connection = connectionMessage.safeParse(said)
    if (connection.success) return connection.data
    const message = shape.safeParse(said)
    if (message.success) return { type: 'told', message: message.data }
    const { data: named } = anyMessage.safeParse(said)
    if (named !== undefined && !knows(named.type)) return undefined
    throw new ConnectionLost({
      code: 'not-an-answer',
      status: 200,
      detail: `the node tells what cannot be read: ${z.prettifyError(message.error)}`,
      retryable: false,
    })
  }
}
