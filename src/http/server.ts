import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Express } from 'express'
import { onePerConnection } from './one-per-connection.ts'
import { errorBody, type OverlayError } from './overlay-error.ts'
import { cutOffUnread, type ReadLimits } from './unread-answers.ts'

export type HttpLimits = ReadLimits & {
  readonly headerBytesMax: number
  /** From the first byte of a request to its last: as long as the longest upload. Whoever reads less waits less. */
  readonly requestMsMax: number
  /** So long the rest of a body may take once it is answered. */
  readonly unreadMsMax: number
  /** Requests that have come over a connection ahead of their turn. */
  readonly pipelinedMax: number
  readonly headersMsMax: number
  readonly idleMsMax: number
  readonly connectionsMax: number
  /** So long requests under way may take to end when the node stops. */
  readonly drainMsMax: number
}

export const httpLimits: HttpLimits = {
  headerBytesMax: 16 * 1024,
  requestMsMax: 24 * 3_600_000,
  unreadMsMax: 60_000,
  answerMsMax: 60_000,
  answerBytesPerSecondMin: 16 * 1024,
  pipelinedMax: 100,
  headersMsMax: 10_000,
  idleMsMax: 65_000,
  connectionsMax: 10_000,
  drainMsMax: 10_000,
}

/**
 * Asked before the app, for the routes where what express costs is more than the work itself; true: the request is
 * answered, or will be.
 */
export type First = (request: IncomingMessage, response: ServerResponse) => boolean

export type HttpServer = {
  readonly port: number
  readonly server: Server
  /** Takes no more connections, lets requests end, and then cuts off what is left. */
  stop(): Promise<void>
}

export async function listen(
  app: Express,
  port: number,
  host: string,
  {
    headers = {},
    first = () => false,
    ...limits
  }: HttpLimits & {
    readonly headers?: Readonly<Record<string, string>>
    readonly first?: First
  } = httpLimits,
): Promise<HttpServer> {
  const underWay = new Set<ServerResponse>()
  const answers: Answers = new WeakMap()
  let isStopping = false
  const answer = onePerConnection(limits.pipelinedMax, (request, response) => {
    underWay.add(response)
    answers.set(request.socket, response)
    response.once('close', () => underWay.delete(response))
    response.once('finish', () => endUnread(request, limits.unreadMsMax))
    if (isStopping) closeAfter(response)
    if (!first(request, response)) app(request, response)
  })
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      requestTimeout: limits.requestMsMax,
      headersTimeout: limits.headersMsMax,
      keepAliveTimeout: limits.idleMsMax,
      connectionsCheckingInterval: 1000,
    },
    answer,
  )
  server.maxConnections = limits.connectionsMax
  // What nobody has to know, nobody has to fail over: RFC 9110 lets a server pass by what is expected of it.
  server.on('checkExpectation', answer)
  answerBadRequests(server, headers, answers)
  const cutting = cutOffUnread(underWay, limits)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async stop() {
      isStopping = true
      for (const response of underWay) closeAfter(response)
      await stopServer(server, limits)
      cutting.stop()
    },
  }
}

/** Nobody waits for the rest of a body any more, and its connection is good for nothing else until then. */
function endUnread(request: IncomingMessage, unreadMsMax: number): void {
  if (request.complete) return
  const { socket } = request
  // Unreferenced: a process that has stopped must not wait for those who do not.
  const cutOff = setTimeout(() => socket.destroy(), unreadMsMax).unref()
  // A connection outlives many requests, and must not keep something of each.
  const forget = () => {
    clearTimeout(cutOff)
    request.off('end', forget)
    socket.off('close', forget)
  }
  request.once('end', forget)
  socket.once('close', forget)
}

/** The last one that was begun, of each connection. */
type Answers = WeakMap<Socket, ServerResponse>

/** What never becomes a request of the app gets an answer of the same shape as what does. */
function answerBadRequests(
  server: Server,
  headers: Readonly<Record<string, string>>,
  answers: Answers,
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const begun = answers.get(socket)
    const midway = begun?.headersSent === true && !begun.writableFinished
    // Into half an answer nothing else may be written.
    if (socket.writable && !midway && error.code !== 'ECONNRESET')
      socket.write(rawAnswer(badRequest(error), headers))
    socket.destroySoon()
  })
}

function badRequest({ code }: NodeJS.ErrnoException): OverlayError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return {
      status: 431,
      code: 'ERR_REQUEST_TOO_LARGE',
      message: 'the headers are longer than this server takes; send fewer or shorter ones',
    }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return {
      status: 408,
      code: 'ERR_REQUEST_TIMEOUT',
      message: 'the request has taken too long to arrive; send it again in one go',
    }
  return {
    status: 400,
    code: 'ERR_REQUEST_INVALID',
    message: 'the request is not HTTP/1.1, or has ended before it was all there',
  }
}

function rawAnswer(error: OverlayError, headers: Readonly<Record<string, string>>): string {
  const body = JSON.stringify(errorBody(error))
  const lines = Object.entries({
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`, ...lines, '', body].join('\r\n')
}

/** How often connections are looked for that have become idle since. */
const IDLE_LOOK_MS = 50

/** Whoever keeps a connection would go on asking over it until it is cut off, in the middle of an answer. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close')
}

async function stopServer(server: Server, { drainMsMax }: Pick<HttpLimits, 'drainMsMax'>): Promise<void> {
  const closeIdle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS)
  const cutOff = setTimeout(() => server.closeAllConnections(), drainMsMax)
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  clearInterval(closeIdle)
  clearTimeout(cutOff)
}
