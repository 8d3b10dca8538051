import type { IncomingMessage } from 'node:http'
import { Webhook } from 'standardwebhooks'
import * as z from 'zod'
import { type Reply, type SmallServer, smallServer } from './small-server.ts'

/** Somebody's server that webhooks are delivered to. It believes nothing that the stock library does not verify. */
export type WebhookReceiver = SmallServer & {
  /** In the order in which they came, those that were not taken too. */
  readonly deliveries: readonly ReceivedDelivery[]
  /** Times that it was asked for its consent, with the origin that asked. */
  readonly asked: readonly string[]
  readonly connections: () => number
  /** What it verifies with; nothing is, as long as it is empty. */
  secrets: string[]
  /** What it says to each delivery; 200 at first. */
  answers: (delivery: ReceivedDelivery) => ReceiverAnswer
  /** What it says when it is asked for its consent. */
  consents: (origin: string) => ReceiverAnswer
}

export type ReceivedDelivery = {
  readonly path: string
  readonly webhookId: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly events: readonly z.output<typeof cloudEvent>[]
}

/** Undefined: the connection is cut off. */
export type ReceiverAnswer =
  | 'never'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | undefined

const cloudEvent = z.strictObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().startsWith('assay.'),
  subject: z.string().optional(),
  time: z.iso.datetime().optional(),
  datacontenttype: z.literal('application/json'),
  data: z.looseObject({ type: z.string(), eventId: z.string().optional() }),
})

export const ok: ReceiverAnswer = { status: 200 }

export async function webhookReceiver(): Promise<WebhookReceiver> {
  const [deliveries, asked]: [ReceivedDelivery[], string[]] = [[], []]
  const sockets = new Set<IncomingMessage['socket']>()
  // What is wrong with a delivery is answered with 500, and so shown to whoever delivers.
  const server = await smallServer(({ method, headers, url = '', socket }, body) => {
    sockets.add(socket)
    if (method === 'OPTIONS') {
      const origin = String(headers['webhook-request-origin'])
      asked.push(origin)
      return replyOf(receiver.consents(origin))
    }
    verify(body, headers, receiver.secrets)
    const read: unknown = JSON.parse(body)
    const events = z.array(cloudEvent).parse(Array.isArray(read) ? read : [read])
    const delivery = { path: url, webhookId: String(headers['webhook-id']), headers, body, events }
    deliveries.push(delivery)
    return replyOf(receiver.answers(delivery))
  })
  const receiver: WebhookReceiver = {
    ...server,
    url: `${server.url}/hook`,
    ...{ deliveries, asked },
    connections: () => sockets.size,
    secrets: [],
    answers: () => ok,
    consents: origin => ({ status: 200, headers: { 'webhook-allowed-origin': origin } }),
  }
  return receiver
}

function verify(body: string, headers: IncomingMessage['headers'], secrets: readonly string[]): void {
  const given = {
    'webhook-id': String(headers['webhook-id']),
    'webhook-timestamp': String(headers['webhook-timestamp']),
    'webhook-signature': String(headers['webhook-signature']),
  }
  for (const secret of secrets) new Webhook(secret).verify(body, given)
}

function replyOf(answer: ReceiverAnswer): Reply | undefined | Promise<undefined> {
  if (answer === 'never') return new Promise(() => undefined)
  return answer && { body: '', ...answer }
}

/** Ids of the events that it has taken, in order, each as often as it was told. */
export function eventsTaken(receiver: WebhookReceiver): string[] {
  return receiver.deliveries.flatMap(({ events }) => events.flatMap(({ data }) => data.eventId ?? []))
}
