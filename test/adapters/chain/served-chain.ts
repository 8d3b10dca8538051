import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import express from 'express'
import type { LocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { chainRoutes } from '../../../src/http/chain-routes.ts'
import type { BodyLimits } from '../../../src/http/receive-body.ts'

/** The chain's routes on a port of their own, which they keep over a restart. */
export async function serveChain(
  chain: LocalChain,
  {
    control = true,
    port = 0,
    limits,
  }: { control?: boolean; port?: number; limits?: Partial<BodyLimits> } = {},
) {
  const faults: unknown[] = []
  const app = express().use(
    '/chain',
    chainRoutes({ chain, control, onFault: fault => faults.push(fault), ...(limits && { limits }) }),
  )
  const server: Server = createServer(app).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/chain`,
    port: address.port,
    /** What was answered with 500. */
    faults,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
