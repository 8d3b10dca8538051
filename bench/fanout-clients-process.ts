import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerAsked } from './fanout/ask-process.ts'
import { type ClientsCommand, clientsCommand } from './fanout/messages.ts'

/* The process whose clients follow. They look for nothing in what they are told but how much it is. */

const heard = { messages: 0, bytes: 0, atMs: 0 }
/** In every message once, whichever way it came. */
const mark = Buffer.from('"eventIds":')

answerAsked(clientsCommand, obey)

async function obey(asked: ClientsCommand): Promise<object> {
  if (asked.what === 'heard') {
    while (performance.now() - heard.atMs < QUIET_MS) await sleep(QUIET_MS / 4)
    const { messages, bytes } = heard
    Object.assign(heard, { messages: 0, bytes: 0 })
    return { messages, bytes }
  }
  const { port, sse, webSocket } = asked
  for (let i = 0; i < sse + webSocket; i += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, sse + webSocket - i) }, (_, k) => follow(port, i + k < sse)),
    )
  return { clients: sse + webSocket }
}

const AT_ONCE = 50
const QUIET_MS = 1_000

function follow(port: number, isSse: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
    socket.write(`GET /watch?status=received HTTP/1.1\r\nHost: bench\r\n${isSse ? '' : upgrade}\r\n`)
    socket.once('data', () => resolve())
    socket.on('data', chunk => {
      heard.bytes += chunk.length
      heard.atMs = performance.now()
      for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + 1)) heard.messages++
    })
    socket.on('error', reject)
  })
}
