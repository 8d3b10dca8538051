import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'

export type HttpLimits = {
  readonly headerBytesMax: number
  /** From the first byte of a request to its last. */
  readonly requestMsMax: number
  readonly headersMsMax: number
  readonly idleMsMax: number
  readonly connectionsMax: number
  /** So long requests under way may take to end when the node stops. */
  readonly drainMsMax: number
}

export const httpLimits: HttpLimits = {
  headerBytesMax: 16 * 1024,
  requestMsMax: 60_000,
  headersMsMax: 10_000,
  idleMsMax: 65_000,
  connectionsMax: 10_000,
  drainMsMax: 10_000,
}

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
  limits: HttpLimits = httpLimits,
): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      requestTimeout: limits.requestMsMax,
      headersTimeout: limits.headersMsMax,
      keepAliveTimeout: limits.idleMsMax,
      connectionsCheckingInterval: 1000,
    },
    app,
  )
  server.maxConnections = limits.connectionsMax
  const underWay = new Set<ServerResponse>()
  server.prependListener('request', (_, response) => {
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
  })
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
    stop: () => stopServer(server, underWay, limits),
  }
}

/** How often connections are looked for that have become idle since. */
const IDLE_LOOK_MS = 50

async function stopServer(
  server: Server,
  underWay: ReadonlySet<ServerResponse>,
  { drainMsMax }: HttpLimits,
): Promise<void> {
  // Whoever keeps a connection would go on asking over it until it is cut off, in the middle of an answer.
  const isLast = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('Connection', 'close')
  }
  for (const response of underWay) isLast(response)
  server.prependListener('request', (_, response) => isLast(response))
  const closeIdle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS)
  const cutOff = setTimeout(() => server.closeAllConnections(), drainMsMax)
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  clearInterval(closeIdle)
  clearTimeout(cutOff)
}
