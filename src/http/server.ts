import { createServer, type Server } from 'node:http'
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
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return { port: (server.address() as AddressInfo).port, server, stop: () => stopServer(server, limits) }
}

async function stopServer(server: Server, { drainMsMax }: HttpLimits): Promise<void> {
  const cutOff = setTimeout(() => server.closeAllConnections(), drainMsMax)
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  clearTimeout(cutOff)
}
