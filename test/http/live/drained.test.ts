import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { onTestFinished, test } from 'vitest'
import { openSseSink } from '../../../src/http/read/live/sse-sink.ts'
import type { Sink } from '../../../src/serve/live/ports.ts'
import { until } from '../../support/until.ts'

/** A stream at the first path, and at any other an answer of a few bytes; whoever reads begins by reading nothing. */
async function streaming() {
  const there: { sink: Sink | undefined; asked: ServerResponse | undefined } = {
    sink: undefined,
    asked: undefined,
  }
  const server = createServer((request, response) => {
    if (request.url === '/stream') there.sink = openSseSink(response)
    else there.asked = response.end('here')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  const reader = connect(address.port, '127.0.0.1').pause()
  onTestFinished(async () => {
    reader.destroy()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  reader.write('GET /stream HTTP/1.1\r\nHost: here\r\n\r\n')
  const sink = await until(() => there.sink)
  const fill = async () => {
    while (sink.unread() < 256 * 1024) {
      sink.write(Buffer.alloc(64 * 1024, 'x'))
      await new Promise(setImmediate)
    }
  }
  return { there, reader, sink, fill }
}

/** As the hub waits. */
async function readTo(sink: Sink, bytesMax: number): Promise<void> {
  while (sink.unread() > bytesMax) {
    await new Promise(setImmediate)
    await sink.drained()
  }
}

test('a stream goes on once it is read, also where its reader has asked for something else on the same connection', async () => {
  const { there, reader, sink, fill } = await streaming()
  await fill()
  const drained = readTo(sink, 128 * 1024)
  reader.write('GET /other HTTP/1.1\r\nHost: here\r\n\r\n')
  await until(() => there.asked)
  for (let n = 0; n < 10; n++) await new Promise(setImmediate)
  reader.resume()
  await drained
  await until(() => sink.unread() === 0)
})

test('nobody waits for a reader who has gone', async () => {
  const { reader, sink, fill } = await streaming()
  await fill()
  const drained = sink.drained()
  reader.destroy()
  await drained
})
