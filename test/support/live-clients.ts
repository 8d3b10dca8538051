import http, { type IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import * as z from 'zod'
import { checkedBy, readAsyncApi } from './asyncapi-document.ts'
import { until } from './until.ts'

/** Whatever a test is told is what docs/asyncapi.yaml says. */
const check = checkedBy(readAsyncApi())

/** One that follows, and all that it was told, in order. */
export type LiveClient = {
  readonly messages: readonly LiveMessage[]
  /** As it was told with the last message that had one. */
  cursor(): string | undefined
  /** Why it is over, once it is. */
  ended(): string | undefined
  /** Reads nothing any more, or reads on. */
  pause(): void
  resume(): void
  close(): void
}

export type LiveMessage = z.output<typeof messageShape>

const messageShape = z.looseObject({
  type: z.string(),
  eventIds: z.array(z.string()).nullish(),
  eventId: z.string().optional(),
  firstSeq: z.number().nullish(),
  lastSeq: z.number().nullish(),
  packetNo: z.number().nullish(),
  line: z.number().optional(),
  firstLine: z.number().nullish(),
  lastLine: z.number().nullish(),
  reason: z.string().optional(),
  stage: z.string().nullish(),
  streamId: z.string().nullish(),
  cursor: z.string().optional(),
})

export type Follow = {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

export function followSse(port: number, { path, headers = {} }: Follow): LiveClient {
  const messages: LiveMessage[] = []
  let [cursor, over]: [string | undefined, string | undefined] = [undefined, undefined]
  let answer: IncomingMessage | undefined
  const request = http.get({ host: '127.0.0.1', port, path, headers, agent: false }, response => {
    answer = response
    if (response.statusCode !== 200) {
      over = String(response.statusCode)
      response.resume()
      return
    }
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) take(block)
    })
    response.on('close', () => {
      over ??= 'closed'
    })
    // It is closed right after.
    response.on('error', () => undefined)
  })
  request.on('error', error => {
    over ??= error.message
  })
  const take = (block: string) => {
    for (const line of block.split('\n')) {
      if (line.startsWith('id: ')) cursor = line.slice(4)
      if (!line.startsWith('data: ')) continue
      const said: unknown = JSON.parse(line.slice(6))
      check(path, said)
      messages.push(messageShape.parse(said))
    }
  }
  return {
    messages,
    cursor: () => cursor,
    ended: () => over,
    pause: () => void answer?.pause(),
    resume: () => void answer?.resume(),
    close: () => void request.destroy(),
  }
}

export function followWebSocket(port: number, { path, headers = {} }: Follow): LiveClient {
  const messages: LiveMessage[] = []
  let [cursor, over]: [string | undefined, string | undefined] = [undefined, undefined]
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  socket.on('message', data => {
    const all: unknown = JSON.parse(String(data))
    check(path, all)
    const { cursor: at, ...said } = messageShape.parse(all)
    if (at !== undefined) cursor = at
    messages.push(said)
  })
  socket.on('close', (code, reason) => {
    over ??= `${code} ${reason}`
  })
  socket.on('error', error => {
    over ??= error.message
  })
  return {
    messages,
    cursor: () => cursor,
    ended: () => over,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.terminate(),
  }
}

export const transports = { SSE: followSse, WebSocket: followWebSocket } as const

/** Once it has begun: what happens from then on it is told. */
export async function begun(client: LiveClient): Promise<LiveClient> {
  await until(() => client.messages.length > 0 || client.ended() !== undefined)
  return client
}

/** Ids of all events that it was told of in messages of this type, in order. */
export function eventIdsOf(client: LiveClient, type: string): string[] {
  return client.messages.flatMap(message =>
    message.type === type
      ? (message.eventIds ?? (message.eventId === undefined ? [] : [message.eventId]))
      : [],
  )
}
