import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { isBlockedPort } from '../../src/runtime/addresses/blocked-ports.ts'

/**
 * A port on loopback that nobody listens on, and that nobody who asks here is given as well, though its process may
 * be down for a while: each worker of Vitest has ports of its own, and goes through them one by one. They are below
 * those that systems hand out to outgoing connections, and below those that the node takes for its own PostgreSQL; and
 * none is one that `fetch` refuses.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS_EACH; tries++) {
    next = (next + 1) % PORTS_EACH
    const port = first + next
    if (!isBlockedPort(port) && (await isFree(port))) return port
  }
  throw new Error(`There is no free port between ${first} and ${first + PORTS_EACH} on 127.0.0.1.`)
}

const PORTS_EACH = 1_000
/** No number is a program that is not a test: a bench, a torture run. */
const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % 10
const first = 10_000 + worker * PORTS_EACH
let next = randomInt(PORTS_EACH)

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
