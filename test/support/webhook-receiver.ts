import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Webhook } from 'standardwebhooks'
import * as z from 'zod'

/** Somebody's server that webhooks are delivered to. It believes nothing that the stock library does not verify. */
export type WebhookReceiver = {
  readonly url: string
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
  /** Gone, as a process that was ended; and there again, on the same port. */
  stop(): Promise<void>
  startAgain(): Promise<void>
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
  let connections = 0
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const { headers, url = '' } = request
    if (request.method === 'OPTIONS') {
      const origin = String(headers['webhook-request-origin'])
      asked.push(origin)
      return give(response, receiver.consents(origin))
    }
    const body = Buffer.concat(parts).toString()
    verify(body, headers, receiver.secrets)
    const read: unknown = JSON.parse(body)
    const events = z.array(cloudEvent).parse(Array.isArray(read) ? read : [read])
    const delivery = { path: url, webhookId: String(headers['webhook-id']), headers, body, events }
    deliveries.push(delivery)
    give(response, receiver.answers(delivery))
  }
  const listen = async (port: number) => {
    const server = createServer((request, response) => {
      // What is wrong with a delivery is shown to whoever delivers, and so to the test.
      take(request, response).catch(error => response.writeHead(599).end(String(error)))
    })
    server.on('connection', () => {
      connections += 1
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let server = await listen(0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${address.port}/hook`,
    deliveries,
    asked,
    connections: () => connections,
    secrets: [],
    answers: () => ok,
    consents: origin => ({ status: 200, headers: { 'webhook-allowed-origin': origin } }),
    async stop() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    async startAgain() {
      server = await listen(address.port)
    },
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

function give(response: ServerResponse, answer: ReceiverAnswer): void {
  if (answer === 'never') return
  if (answer === undefined) response.destroy()
  else response.writeHead(answer.status, answer.headers).end(answer.body)
}

/** Ids of the events that it has taken, in order, each as often as it was told. */
export function eventsTaken(receiver: WebhookReceiver): string[] {
  return receiver.deliveries.flatMap(({ events }) => events.flatMap(({ data }) => data.eventId ?? []))
}
