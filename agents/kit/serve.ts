import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { BEEF_BYTES_MAX } from '../../src/contract/beef.ts'
import type { AgentHealth } from '../../src/contract/messages.ts'
import { concatAll } from '../../src/core/bytes.ts'
import { steakOf } from './steak.ts'
import type { OfferOutcome, TakeOffer } from './take-offer.ts'

export type ServeOptions = {
  readonly host: string
  readonly port: number
  /** The one that it works for. */
  readonly topic: string
  readonly takeOffer: TakeOffer
  health(): AgentHealth
  readonly registry: Registry
  onFailure(error: unknown): void
}

export type Served = {
  readonly port: number
  close(): Promise<void>
}

/** The agent's own address: BRC-22 for coordinators, health for whoever looks after it. */
export async function serve(options: ServeOptions): Promise<Served> {
  const server = http.createServer((request, response) => {
    answer(request, response, options).catch(error => {
      options.onFailure(error)
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, problem('ERR_INTERNAL', 'the agent failed on this request'))
    })
  })
  server.requestTimeout = REQUEST_MS_MAX
  server.headersTimeout = REQUEST_MS_MAX
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

const REQUEST_MS_MAX = 30_000
const CONNECTIONS_MAX = 256
const RETRY_AFTER_SECONDS = 1

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ServeOptions,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://agent')
  if (pathname === '/submit')
    return request.method === 'POST'
      ? submit(request, response, options)
      : refuse(response, 405, 'ERR_METHOD_NOT_ALLOWED', 'jobs are submitted with POST')
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refuse(response, 405, 'ERR_METHOD_NOT_ALLOWED', 'only /submit takes anything')
  switch (pathname) {
    case '/':
    case '/health':
    case '/health/ready': {
      const health = options.health()
      sendJson(response, health.status === 'ready' ? 200 : 503, health)
      return
    }
    case '/health/live':
      sendJson(response, 200, { status: 'ok' })
      return
    case '/metrics':
      response.setHeader('content-type', options.registry.contentType)
      response.end(await options.registry.metrics())
      return
    default:
      return refuse(response, 404, 'ERR_NOT_FOUND', 'an agent has /submit, /health and /metrics')
  }
}

async function submit(
  request: IncomingMessage,
  response: ServerResponse,
  { topic, takeOffer }: ServeOptions,
): Promise<void> {
  if (!namesTopic(request.headers['x-topics'], topic))
    return refuse(
      response,
      400,
      'ERR_TOPICS',
      `the header X-Topics does not name ${topic}, for which this agent works`,
    )
  const body = await receive(request)
  if (body === undefined) {
    response.once('finish', () => request.destroy())
    return refuse(
      response,
      413,
      'ERR_REQUEST_TOO_LARGE',
      `a job is a BEEF of at most ${BEEF_BYTES_MAX} bytes`,
    )
  }
  answerOffer(response, topic, takeOffer(body))
}

function answerOffer(response: ServerResponse, topic: string, outcome: OfferOutcome): void {
  if (outcome.kind === 'taken') {
    sendJson(response, 200, steakOf(topic, [outcome.seat]))
  } else if (outcome.kind === 'busy') {
    response.setHeader('retry-after', String(RETRY_AFTER_SECONDS))
    refuse(response, 503, 'ERR_AGENT_BUSY', outcome.why)
  } else if (outcome.fault.code === 'not-admitted') {
    // Beside the STEAK, which has no room for it.
    const why = outcome.fault.detail.replace(/[^ -~]/g, '?').slice(0, WHY_CHARS_MAX)
    response.setHeader('x-not-admitted', why)
    sendJson(response, 200, steakOf(topic, []))
  } else {
    refuse(response, 400, 'ERR_JOB_INVALID', outcome.fault.detail)
  }
}

const WHY_CHARS_MAX = 500

function namesTopic(header: string | string[] | undefined, topic: string): boolean {
  try {
    const topics: unknown = JSON.parse(String(header))
    return Array.isArray(topics) && topics.includes(topic)
  } catch {
    // Not JSON: it names nothing.
    return false
  }
}

async function receive(request: IncomingMessage): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > BEEF_BYTES_MAX) return undefined
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of request) {
    if (!(part instanceof Uint8Array)) continue
    length += part.length
    if (length > BEEF_BYTES_MAX) return undefined
    parts.push(part)
  }
  return concatAll(parts)
}

function refuse(response: ServerResponse, status: number, code: string, description: string): void {
  sendJson(response, status, problem(code, description))
}

function problem(code: string, description: string) {
  return { status: 'error', code, description }
}

function sendJson(response: ServerResponse, status: number, json: unknown): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(json))
}
