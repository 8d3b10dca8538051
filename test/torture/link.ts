import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** What a link does with what goes over it. */
export type LinkManner =
  | { readonly kind: 'passes' }
  /** Connections break, and there are no new ones. */
  | { readonly kind: 'is cut' }
  /** Connections stand, and nothing comes through. */
  | { readonly kind: 'swallows' }
  /** What is asked arrives, and breaks off once it is answered: nobody knows what became of it. */
  | { readonly kind: 'loses answers' }
  | { readonly kind: 'delays'; readonly ms: number }
  | { readonly kind: 'throttles'; readonly bytesPerSecond: number }

/** A way to somebody who listens on this machine, that can be made a bad one. */
export type Link = {
  readonly port: number
  readonly url: string
  /** From now on, also for connections that are there. */
  behave(manner: LinkManner): void
  close(): Promise<void>
}

type Pair = { readonly near: Socket; readonly far: Socket }

export async function openLink(targetPort: number): Promise<Link> {
  let manner: LinkManner = { kind: 'passes' }
  /** Rung when it changes, so that nobody goes on waiting for what was. */
  let changed = new AbortController()
  const pairs = new Set<Pair>()
  const drop = (pair: Pair) => {
    pairs.delete(pair)
    pair.near.destroy()
    pair.far.destroy()
  }

  const carry = async (pair: Pair, from: Socket, to: Socket, chunk: Buffer) => {
    for (;;) {
      const now = manner
      const { signal } = changed
      if (now.kind === 'is cut' || (now.kind === 'loses answers' && from === pair.far)) return drop(pair)
      const waitMs = waitOf(now, chunk.length)
      if (waitMs === 0) break
      const isOver = await pause(waitMs, true, { signal }).catch(() => false)
      if (isOver && now.kind !== 'swallows') break
    }
    if (!to.write(chunk) && !to.destroyed) await once(to, 'drain').catch(() => drop(pair))
  }
  const pump = (pair: Pair, from: Socket, to: Socket) => {
    let carried = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      from.pause()
      carried = carry(pair, from, to, chunk).then(() => void from.resume())
    })
    from.on('end', () => void carried.then(() => to.end()))
    // Whoever is gone takes the other side along.
    from.on('error', () => drop(pair))
    from.on('close', () => drop(pair))
  }

  const server = createServer({ allowHalfOpen: true }, near => {
    if (manner.kind === 'is cut') {
      near.on('error', () => undefined)
      near.destroy()
      return
    }
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    const pair = { near, far }
    pairs.add(pair)
    pump(pair, near, far)
    pump(pair, far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    behave(next) {
      manner = next
      changed.abort()
      changed = new AbortController()
      if (next.kind === 'is cut') for (const pair of [...pairs]) drop(pair)
    },
    async close() {
      for (const pair of [...pairs]) drop(pair)
      server.close()
      await once(server, 'close')
    },
  }
}

/** So long what a link swallows waits before anybody looks whether it still does. */
const SWALLOWED_MS = 3_600_000

function waitOf(manner: LinkManner, bytes: number): number {
  switch (manner.kind) {
    case 'delays':
      return manner.ms
    case 'throttles':
      return Math.ceil((1_000 * bytes) / manner.bytesPerSecond)
    case 'swallows':
      return SWALLOWED_MS
    default:
      return 0
  }
}
