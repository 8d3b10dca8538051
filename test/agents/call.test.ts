import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type CallsOptions, openCalls } from '../../agents/kit/call.ts'

const opened: (() => unknown)[] = []

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

describe('the calls of an agent', () => {
  test.each([
    'http://127.0.0.1:9/rounds',
    'http://localhost:9/rounds',
    'http://[::1]:9/rounds',
    'http://2130706433:9/rounds',
    'http://169.254.169.254/latest/meta-data',
    'https://10.0.0.7/rounds',
    'http://[::ffff:192.168.1.1]/rounds',
  ])('go to nothing inside, as at %s', async url => {
    await expect(calls({ isLocal: () => false })(url)).rejects.toThrow(/is not called: it .*AGENT_NODES/)
  })

  test('go to loopback where the chain is local, and to nothing else inside', async () => {
    const { url } = await heard()
    const call = calls({ isLocal: () => true })
    expect((await call(`${url}/rounds`)).status).toBe(200)
    expect((await call(`${url.replace('127.0.0.1', 'localhost')}/rounds`)).status).toBe(200)
    await expect(call('http://10.0.0.7/rounds')).rejects.toThrow(/is not called/)
  })

  test('go to its own nodes wherever they are, and not to their neighbours', async () => {
    const [own, neighbour] = [await heard(), await heard()]
    const call = calls({ nodes: [`${own.url}/`] })
    expect((await call(`${own.url}/rounds`, { method: 'POST', body: Uint8Array.of(1) })).status).toBe(200)
    await expect(call(`${neighbour.url}/rounds`)).rejects.toThrow(/is not called/)
    expect([own.requests(), neighbour.requests()]).toEqual([1, 0])
  })

  test('go to http and https alone', async () => {
    await expect(calls({})('file:///etc/passwd')).rejects.toThrow(/http and https are/)
  })
})

function calls(options: Partial<CallsOptions>) {
  const { call, close } = openCalls({ nodes: [], isLocal: () => false, ...options })
  opened.push(close)
  return call
}

async function heard() {
  let requests = 0
  const server = http.createServer((_, response) => {
    requests += 1
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.push(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests: () => requests }
}
