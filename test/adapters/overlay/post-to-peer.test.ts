import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { PeerRefusal } from '../../../src/adapters/overlay/outbox.ts'
import { postToPeer } from '../../../src/adapters/overlay/post-to-peer.ts'
import { baseTopics } from '../../../src/contract/names.ts'

describe('what a host answers to a submission', () => {
  let status = 200
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(status).end('{}'))
  })
  beforeEach(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })

  const outcomeOf = async (answered: number) => {
    status = answered
    const { port } = server.address() as AddressInfo
    const post = postToPeer(openOutgoing({ network: 'local' }))
    const stop = new AbortController().signal
    return post(`http://127.0.0.1:${port}`, Uint8Array.of(1), [baseTopics.certified], undefined, stop).then(
      () => 'taken',
      error => (error instanceof PeerRefusal ? 'refused' : 'failed'),
    )
  }

  test.each([400, 409, 413, 422, 500, 501])('is about what it was sent where it is %i', async answered => {
    expect(await outcomeOf(answered)).toBe('refused')
  })

  test.each([401, 403, 404, 405, 407, 408, 429, 502, 503, 504])(
    'is about the host, or the way to it, where it is %i',
    async answered => {
      expect(await outcomeOf(answered)).toBe('failed')
    },
  )

  test('is that it has taken it where it is 200', async () => {
    expect(await outcomeOf(200)).toBe('taken')
  })
})
