import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { PeerRefusal } from '../../../src/adapters/overlay/outbox.ts'
import { postToPeer } from '../../../src/adapters/overlay/post-to-peer.ts'
import { baseTopics } from '../../../src/contract/names.ts'

describe('what a host answers to a submission', () => {
  let [status, body] = [200, '{}']
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(status).end(body))
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

  const outcomeOf = async (answered: number, said = '{}') => {
    status = answered
    body = said
    const { port } = server.address() as AddressInfo
    const post = postToPeer(openOutgoing({ network: 'local' }))
    const stop = new AbortController().signal
    return post(`http://127.0.0.1:${port}`, Uint8Array.of(1), [baseTopics.certified], undefined, stop).then(
      admitted => ['taken', ...admitted].join(' '),
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

  test('says what it has admitted, where it is a STEAK that says so of what it was asked', async () => {
    const [admits, none] = [{ outputsToAdmit: [1, 3], coinsToRetain: [] }, { outputsToAdmit: [] }]
    const { certified, certify } = baseTopics
    const both = JSON.stringify({ [certified]: admits, [certify]: admits })
    expect(await outcomeOf(200, both)).toBe(`taken ${certified}`)
    for (const said of [
      { [certified]: none },
      { [certify]: admits },
      { [certified]: { outputsToAdmit: 1 } },
      [],
    ])
      expect(await outcomeOf(200, JSON.stringify(said))).toBe('taken')
    for (const said of ['', 'ok', 'null']) expect(await outcomeOf(200, said)).toBe('taken')
  })
})
