import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'

/** Takes a connection over. */
export type TakeUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/**
 * WebSockets at this path of the server. A server that listens for upgrades at all is given every request that asks for
 * one, also those of clients that would like HTTP/2 and are content without it, as Java's are: these are answered as if
 * they had not asked. May be called for several paths.
 */
export function serveUpgrades(server: Server, path: string, take: TakeUpgrade): void {
  const paths = pathsOf.get(server) ?? listenFor(server)
  paths.set(path, take)
}

const pathsOf = new WeakMap<Server, Map<string, TakeUpgrade>>()

function listenFor(server: Server): Map<string, TakeUpgrade> {
  const paths = new Map<string, TakeUpgrade>()
  pathsOf.set(server, paths)
  // Without a listener for upgrades: here they are requests like any others.
  const plain = createServer((request, response) => {
    // Who stops the server does not know of this one's connections, so none is kept.
    response.setHeader('Connection', 'close')
    server.emit('request', request, response)
  })
  server.on('upgrade', (request, socket, head) => {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket'
    const take = isWebSocket ? paths.get((request.url ?? '').split('?')[0] ?? '') : undefined
    if (take !== undefined) return take(request, socket, head)
    socket.unshift(Buffer.concat([headOf(request), head]))
    plain.emit('connection', socket)
  })
  return paths
}

/** As it came, without what asked for the upgrade. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (!/^(?:upgrade|connection|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[at + 1]}`)
  }
  return Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')
}
