import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import { until } from '../support/until.ts'
import { exchange } from './raw-http.ts'

/** More than a connection holds on its way. */
const LONG = 'x'.repeat(64 * 1024 * 1024)

const limits = {
  ...httpLimits,
  ...{ answerMsMax: 100, answerBytesPerSecondMin: 1024 * 1024 * 1024 },
  ...{ pipelinedMax: 3, drainMsMax: 100 },
}
let http: HttpServer
/** Of whoever reads slowly. */
let patient: HttpServer
/** In the order in which they began. */
let begun: string[]
let ends: (() => void)[]
beforeEach(async () => {
  begun = []
  ends = []
  const app = express()
  app.use(({ path }, response) => {
    begun.push(path)
    if (path === '/long') return void response.send(LONG)
    if (path === '/short') return void response.send(path)
    response.writeHead(200, { 'Content-Length': 2 }).write('a')
    ends.push(() => response.end('z'))
  })
  http = await listen(app, 0, '127.0.0.1', limits)
  patient = await listen(app, 0, '127.0.0.1', { ...limits, answerBytesPerSecondMin: 1024 * 1024 })
})
afterEach(() => Promise.all([http.stop(), patient.stop()]))

const get = (path: string, connection = 'keep-alive') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`

/** Resolves once the server has ended the connection of somebody who reads nothing. */
async function readNothing(requests: string): Promise<void> {
  const socket = connect(http.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.pause()
  const before = begun.length
  socket.write(requests)
  await until(() => begun.length > before)
  const isOpen = () => new Promise<number>(resolve => http.server.getConnections((_, n) => resolve(n)))
  const others = ends.length
  await until(async () => (await isOpen()) === others)
  socket.destroy()
}

describe('an answer that is not read', () => {
  test('is held for a while, and then its connection is ended', async () => {
    await readNothing(get('/long'))
    expect(begun).toEqual(['/long'])
  })

  test('is the only one of those that were asked for behind it', async () => {
    await readNothing(get('/long').repeat(4))
    expect(begun).toEqual(['/long'])
  })

  test('is given the longer the more of it there is', async () => {
    const reading = exchange(patient.port, async socket => {
      socket.pause()
      socket.write(get('/long', 'close'))
      await sleep(10 * limits.answerMsMax)
      socket.resume()
    })
    expect((await reading)[0]?.body.length).toBe(LONG.length)
  })

  test('says nothing against one that is still being given', async () => {
    const answered = exchange(http.port, socket => socket.write(get('/slow', 'close')))
    await until(() => ends.length === 1)
    for (let others = 0; others < 3; others++) await readNothing(get('/long'))
    for (const end of ends) end()
    expect((await answered)[0]?.body.toString()).toBe('az')
  })
})

describe('requests that come before the one ahead of them is answered', () => {
  test('are answered one after the other', async () => {
    const answered = exchange(http.port, socket =>
      socket.write(get('/slow') + get('/short') + get('/short', 'close')),
    )
    await until(() => begun.length > 0)
    expect(begun).toEqual(['/slow'])
    for (const end of ends) end()
    expect((await answered).map(({ body }) => body.toString())).toEqual(['az', '/short', '/short'])
  })

  test('are no more than a connection may have', async () => {
    // Else it would go on for as long as nobody ends the first.
    await exchange(http.port, socket => socket.write(get('/slow') + get('/short').repeat(4)))
    expect(begun).toEqual(['/slow'])
  })
})
