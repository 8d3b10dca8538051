import http from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { attack, HOSTILE_SOURCE } from './ingest/commands.ts'

/* Who sends what no publisher sends, in a process of its own. */

type Hostile = { readonly type: string; readonly encoding?: string; readonly body: Uint8Array }

const MIB = 1024 * 1024
const bodies: readonly Hostile[] = [
  // A bomb: 64 MiB of the same, in 64 KiB.
  { type: 'application/json', encoding: 'gzip', body: gzipSync(Buffer.alloc(64 * MIB, ' ')) },
  { type: 'application/x-ndjson', encoding: 'deflate', body: deflateRawSync(Buffer.alloc(64 * MIB, 'x')) },
  { type: 'application/x-ndjson', body: Buffer.from(`{"data":"${'x'.repeat(10 * MIB)}"}\n`) },
  { type: 'application/json', body: Buffer.from('['.repeat(10_000) + ']'.repeat(10_000)) },
  { type: 'application/json', body: Buffer.from(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`) },
  {
    type: 'application/json',
    body: Buffer.from('[{"__proto__":{"polluted":1},"constructor":{"prototype":{}}}]'),
  },
  { type: 'application/json', body: Buffer.from('[{"data":1e400},{"data":"\\ud800"}]') },
  { type: 'application/x-ndjson', body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x22, 0x7d, 0x0a]) },
  { type: 'text/csv', body: Buffer.from(`a,b\n${'"'.repeat(10_001)}\n`) },
  { type: 'application/json', body: Buffer.from(`{"sourceId":"${'s'.repeat(100_000)}","events":[{}]}`) },
]

/** A flood is for limits of requests: here it is what is in each of them. */
const PAUSE_MS = 400

const statuses = new Map<string, number>()
let isOver = false
let running: Promise<unknown> = Promise.resolve()

process.on('disconnect', () => process.exit())
process.on('message', async message => {
  const asked = attack.parse(message)
  if (asked.what === 'begin') {
    running = assault(asked)
    process.send?.({ begun: true })
    return
  }
  isOver = true
  await running
  process.send?.({ statuses: Object.fromEntries([...statuses].sort()) })
})

async function assault({
  url,
  connections,
  halfOpen,
}: {
  url: string
  connections: number
  halfOpen: number
}) {
  const agent = new http.Agent({ keepAlive: true })
  await Promise.all([
    ...Array.from({ length: connections }, (_, n) => sendInTurn(url, agent, n)),
    ...Array.from({ length: halfOpen }, () => stayHalfOpen(url)),
  ])
  agent.destroy()
}

async function sendInTurn(url: string, agent: http.Agent, from: number): Promise<void> {
  for (let n = from; !isOver; n++) {
    const hostile = bodies[n % bodies.length]
    if (hostile === undefined) return
    const status = await send(`${url}/ingest/events`, hostile, agent)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    await sleep(PAUSE_MS)
  }
}

function send(url: string, { type, encoding, body }: Hostile, agent: http.Agent): Promise<string> {
  const headers = {
    'Content-Type': type,
    'Content-Length': body.length,
    'X-Source-Id': HOSTILE_SOURCE,
    'X-Forwarded-For': '10.0.0.1',
    'webhook-signature': 'v1,AAAA',
    ...(encoding !== undefined && { 'Content-Encoding': encoding }),
  }
  return new Promise(resolve => {
    const request = http.request(
      `${url}?sourceId=${HOSTILE_SOURCE}`,
      { method: 'POST', agent, headers },
      response => {
        response.resume()
        response.on('end', () => resolve(String(response.statusCode)))
        response.on('error', () => resolve('hung up'))
      },
    )
    request.on('error', () => resolve('hung up'))
    request.end(body)
  })
}

/** Says half of a request, a byte now and then, and comes again where it is hung up on. */
async function stayHalfOpen(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  while (!isOver) {
    const socket = connect(Number(port), hostname)
    let isOpen = true
    socket
      .on('error', () => undefined)
      .on('close', () => {
        isOpen = false
      })
    socket.write(
      `POST /ingest/events?sourceId=${HOSTILE_SOURCE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[{\r\n`,
    )
    while (isOpen && !isOver) {
      await sleep(500)
      if (isOpen) socket.write('1\r\n \r\n')
    }
    socket.destroy()
  }
}
