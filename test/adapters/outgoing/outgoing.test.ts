import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { OutgoingError, type OutgoingOptions, openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { whyNotPublic } from '../../../src/runtime/addresses/public-address.ts'
import { until } from '../../support/until.ts'

const servers: Server[] = []
const sockets = new Set<Socket>()
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers.splice(0)) {
    server.close()
    await once(server, 'close')
  }
})

describe('an address', () => {
  test.each([
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '10.0.0.1', '172.16.0.1', '172.31.255.255'],
    ...['192.168.0.1', '169.254.169.254', '100.64.0.1', '100.100.100.200', '192.0.0.192', '192.0.2.1'],
    ...['198.18.0.1', '198.51.100.7', '203.0.113.9', '192.88.99.1', '224.0.0.1', '239.255.255.255'],
    ...['240.0.0.1', '255.255.255.255', '168.63.129.16'],
    ...['::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:0:8.8.8.8', 'fe80::1'],
    ...['fc00::1', 'fd00:ec2::254', 'fec0::1', 'ff02::1', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '100::1'],
    ...['2001::1', '2001:db8::1', '2002:7f00:1::', '2001:10::1', '2001:20::1', '3fff::1', '5f00::1'],
    ...['4000::1', '8000::1'],
  ])('%s is not public', address => {
    expect(whyNotPublic(address)).toMatch(/^which is /)
  })

  test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700:4700::1111', '2a00:1450:4001:80b::200e'])(
    '%s is public',
    address => {
      expect(whyNotPublic(address)).toBeUndefined()
    },
  )
})

describe('a call on a public network', () => {
  const outgoing = openOutgoing({ network: 'mainnet', resolve: async () => ['127.0.0.1'] })

  test.each([
    ...['http://example.com/', 'ftp://example.com/', 'file:///etc/passwd', 'data:,x', 'example.com', ''],
    ...['https://user@example.com/', 'https://user:word@example.com/', 'https://:word@example.com/'],
    ...['https://example.com:22/', 'https://example.com:0/', 'https://example.com:25/'],
    ...['https://127.0.0.1/', 'https://127.1/', 'https://2130706433/', 'https://0x7f000001/'],
    ...['https://0177.0.0.1/', 'https://0x7f.1/', 'https://127.0.0.1./', 'https://127.0.0.01/'],
    ...['https://①②⑦.⓪.⓪.①/', 'https://127。0。0。1/', 'https://%31%32%37.0.0.1/'],
    ...['https://0/', 'https://[::1]/', 'https://[::ffff:127.0.0.1]/', 'https://[::ffff:7f00:1]/'],
    ...['https://[0:0:0:0:0:ffff:a9fe:a9fe]/', 'https://[64:ff9b::127.0.0.1]/', 'https://[2002:7f00:1::]/'],
    ...['https://169.254.169.254/latest/meta-data/', 'https://[fd00:ec2::254]/', 'https://10.0.0.1:8443/'],
    ...['https://localhost/', 'https://localhost./', 'https://LOCALHOST/', 'https://ⓛocalhost/'],
    ...['https://xn--bcher-kva.example/', 'https://bücher.example/', 'https://inside.example./'],
    ...['https://exa mple.com/', 'https://example.com\\@127.0.0.1/', 'https://example.com\\\\@127.0.0.1/'],
  ])('does not go to %s', async url => {
    await expect(outgoing(url)).rejects.toThrow(OutgoingError)
  })

  test('opens no socket to what its name resolves to inside, whatever it resolved to before', async () => {
    const { port, connections } = await plainServer()
    const answers = [['8.8.8.8', '127.0.0.1'], ['127.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], ['fe80::1%lo']]
    for (const addresses of answers) {
      const call = openOutgoing({ network: 'testnet', resolve: async () => addresses })
      await expect(call(`https://rebinding.example:${port}/`)).rejects.toThrow(
        /is not called: it resolves to/,
      )
    }
    expect(connections()).toBe(0)
  })

  test('says which host it was and why, and nothing of the path', async () => {
    const call = openOutgoing({ network: 'mainnet', resolve: async () => ['10.1.2.3'] })
    const refusal = await call('https://inside.example/a?key=hidden').catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(OutgoingError)
    expect(String(refusal)).toBe(
      'OutgoingError: https://inside.example: is not called: it resolves to an address which is not public (private)',
    )
  })

  test('fails over a name that nobody knows, or that has no end of addresses', async () => {
    const nobody = openOutgoing({ network: 'mainnet', resolve: async () => [] })
    await expect(nobody('https://nobody.example/')).rejects.toThrow(/has no address/)
    const many = openOutgoing({ network: 'mainnet', resolve: async () => Array(100).fill('8.8.8.8') })
    await expect(many('https://many.example/')).rejects.toThrow(/has 100 addresses/)
  })
})

describe('a call on the local network', () => {
  test('reaches loopback, also without TLS, by any of its names', async () => {
    const { url, port } = await httpServer((_, response) => response.end('here'))
    const { call } = local()
    for (const each of [url, `http://localhost:${port}/`, `http://127.1:${port}/`])
      expect(new TextDecoder().decode((await call(each)).body)).toBe('here')
  })

  test('goes nowhere else without TLS, nor to any other address that is not public', async () => {
    const { call } = local(['192.168.0.1'])
    await expect(call('http://8.8.8.8/')).rejects.toThrow(/only called over https/)
    await expect(call('http://inside.example/')).rejects.toThrow(/only called over https/)
    await expect(call('https://inside.example/')).rejects.toThrow(/not public \(private\)/)
  })

  test('carries method, headers and body, and brings back status, headers and body', async () => {
    const { url } = await httpServer(async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      response.writeHead(418, { 'X-Said': `${request.method} ${request.headers['x-topics']}` })
      response.end(Buffer.concat(parts))
    })
    const body = utf8('a body')
    const answer = await local().call(`${url}submit`, {
      method: 'POST',
      headers: { 'X-Topics': '["tm_x"]' },
      body,
    })
    expect(answer.status).toBe(418)
    expect(answer.headers.get('x-said')).toBe('POST ["tm_x"]')
    expect(answer.body).toEqual(body)
  })

  test('follows no redirection, wherever it leads', async () => {
    const inside = await plainServer()
    for (const status of [300, 301, 302, 303, 307, 308]) {
      const { url } = await httpServer((_, response) =>
        response.writeHead(status, { Location: `http://127.0.0.1:${inside.port}/` }).end('a secret'),
      )
      const refusal = await local()
        .call(url)
        .catch((error: unknown) => error)
      expect(refusal).toMatchObject({
        ...{ name: 'OutgoingError', status },
        message: expect.stringContaining(`answers ${status}, and redirections are not followed`),
      })
    }
    expect(inside.connections()).toBe(0)
  })

  test('takes no more bytes than it may, announced or not, and none in a compressed form', async () => {
    const announced = await httpServer((_, response) => response.end(Buffer.alloc(1001)))
    const streamed = await httpServer((_, response) => {
      const pour = () => {
        while (response.write(Buffer.alloc(500))) if (response.destroyed) return
        response.once('drain', pour)
      }
      pour()
    })
    const packed = await httpServer((_, response) =>
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync(Buffer.alloc(100_000))),
    )
    const { call } = local()
    for (const { url } of [announced, streamed])
      await expect(call(url, { answerBytesMax: 1000 })).rejects.toThrow(/longer than 1000 bytes/)
    await expect(call(packed.url)).rejects.toThrow(/compressed/)
    // Whoever does not care what it says has its status all the same.
    for (const { url } of [announced, streamed, packed]) {
      const { status, body } = await call(url, { answerBytesMax: 10, mayCutAnswer: true })
      expect([status, body.length]).toEqual([200, 10])
    }
    const long = await httpServer((_, response) => {
      response.writeHead(200, { 'X-Long': 'x'.repeat(20_000) }).end()
    })
    await expect(call(long.url)).rejects.toThrow(/Header overflow/)
  })

  test('is over in its time: for who accepts and says nothing, drips, or does not read', async () => {
    const silent = await plainServer()
    const dripping = await plainServer(socket => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
      const drip = setInterval(() => socket.write('.'), 5)
      socket.on('close', () => clearInterval(drip))
    })
    const informing = await plainServer(socket => {
      const inform = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 5)
      socket.on('close', () => clearInterval(inform))
    })
    const deaf = await plainServer(socket => socket.pause())
    const unknown = openOutgoing({ network: 'mainnet', resolve: () => new Promise(() => undefined) })
    const { call } = local()
    const request = { method: 'POST', body: new Uint8Array(8 * 1024 * 1024), answerMsMax: 100 }
    await Promise.all([
      ...[silent, dripping, informing, deaf].map(({ port }) =>
        expect(call(`http://127.0.0.1:${port}/`, request)).rejects.toThrow(/no whole answer within 100 ms/),
      ),
      expect(unknown('https://never.example/', { answerMsMax: 100 })).rejects.toThrow(/within 100 ms/),
    ])
  })

  test('fails over what is no answer, or half of one, without repeating it', async () => {
    const endings = [
      'secret nonsense\r\n\r\n',
      '',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nsecret',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nsecret',
    ]
    for (const ending of endings) {
      const { port } = await plainServer(socket => socket.once('data', () => socket.end(ending)))
      const failure = await local()
        .call(`http://127.0.0.1:${port}/`)
        .catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(OutgoingError)
      expect(String(failure)).not.toContain('secret')
    }
  })

  test('sends nothing that would end its own headers, or say how it is carried', async () => {
    const { url, requests } = await httpServer((_, response) => response.end())
    const { call } = local()
    const split = 'a\r\nX-Admin: yes'
    await expect(call(url, { headers: { 'X-Topics': split } })).rejects.toThrow(/Invalid character/)
    await expect(call(url, { headers: { [split]: 'a' } })).rejects.toThrow(OutgoingError)
    await expect(call(url, { method: 'GET / HTTP/1.1\r\n' })).rejects.toThrow(OutgoingError)
    await expect(call(url, { method: 'CONNECT' })).rejects.toThrow(OutgoingError)
    for (const name of ['Host', 'content-length', 'Transfer-Encoding', 'Connection', 'Proxy-Authorization'])
      await expect(call(url, { headers: { [name]: '1' } })).rejects.toThrow(/of the caller's own/)
    await call(`${url}?a=\r\nX-Admin: yes`)
    expect(requests().map(request => request.headers['x-admin'])).toEqual([undefined])
  })

  test('opens few sockets to one host, and uses them again', async () => {
    const waiting: (() => void)[] = []
    const { url, connections } = await httpServer((_, response) => void waiting.push(() => response.end()))
    const { call } = local(undefined, { socketsPerHostMax: 2 })
    const calls = Array.from({ length: 6 }, () => call(url))
    let answered = 0
    while (answered < 6) {
      await new Promise(resolve => setImmediate(resolve))
      for (const answer of waiting.splice(0)) {
        answer()
        answered += 1
      }
    }
    await Promise.all(calls)
    expect(connections()).toBeLessThanOrEqual(2)
  })
})

describe('many calls at once', () => {
  test('are stopped by one signal, which nobody takes for a leak', async () => {
    const { url, requests } = await httpServer(() => undefined)
    const warnings: Error[] = []
    const onWarning = (warning: Error) => void warnings.push(warning)
    process.on('warning', onWarning)
    const stopping = new AbortController()
    const outgoing = openOutgoing({ network: 'local' })
    const calls = Array.from({ length: 12 }, () =>
      outgoing(url, { stop: stopping.signal }).catch(error => error),
    )
    await until(() => requests().length > 0)
    stopping.abort()
    for (const ended of await Promise.all(calls)) expect(ended).toBeInstanceOf(OutgoingError)
    await new Promise(resolve => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})

describe('a call that the operator has vouched for', () => {
  test('goes inside as well, and is bounded in the same way', async () => {
    const { port } = await httpServer((_, response) => response.end(Buffer.alloc(1001)))
    const call = openOutgoing({ network: 'mainnet', isVouchedFor: true })
    expect((await call(`http://127.0.0.1:${port}/`)).status).toBe(200)
    await expect(call(`http://localhost:${port}/`, { answerBytesMax: 1000 })).rejects.toThrow(/longer than/)
    await expect(call(`http://user:word@127.0.0.1:${port}/`)).rejects.toThrow(/password/)
  })
})

function local(addresses?: readonly string[], options: Partial<OutgoingOptions> = {}) {
  return {
    call: openOutgoing({
      network: 'local',
      ...(addresses !== undefined && { resolve: async () => addresses }),
      ...options,
    }),
  }
}

async function listening(server: Server) {
  servers.push(server)
  let connections = 0
  server.on('connection', socket => {
    connections += 1
    sockets.add(socket.on('error', () => undefined))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, connections: () => connections }
}

function plainServer(talk: (socket: Socket) => void = () => undefined) {
  return listening(createServer(talk))
}

async function httpServer(answer: RequestListener) {
  const requests: Parameters<RequestListener>[0][] = []
  const server = createHttpServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  const { port, connections } = await listening(server)
  return { port, connections, url: `http://127.0.0.1:${port}/`, requests: () => requests }
}
