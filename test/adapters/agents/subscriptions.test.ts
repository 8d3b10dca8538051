import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import express from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { openJobBeef } from '../../../src/adapters/agents/job-beef.ts'
import { startPushing } from '../../../src/adapters/agents/push-offers.ts'
import { openSubscriptions, type SubscriptionLimits } from '../../../src/adapters/agents/subscriptions.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { readJobOffer } from '../../../src/contract/messages.ts'
import {
  type Challenge,
  readChallenge,
  readSubscribed,
  SUBSCRIBE_PATH,
  signSubscription,
  verifySubscribed,
} from '../../../src/contract/subscription.ts'
import { knownHex, toHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { Stage } from '../../../src/core/rounds/template.ts'
import { serveUpgrades } from '../../../src/http/serve-upgrades.ts'
import { listen } from '../../../src/http/server.ts'
import { checkedBy, readAsyncApi } from '../../support/asyncapi-document.ts'
import { type Party, party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { type AgentsAtNode, agentsAtNode, seatRow } from './agents-at-node.ts'

let node: AgentsAtNode
const closing: (() => Promise<unknown> | unknown)[] = []
beforeAll(async () => {
  node = await agentsAtNode()
}, 60_000)
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await node.bed.database.pool.query(`update round_seats set state = 'dead'; truncate agent_reach`)
})
afterAll(() => node.close())

const identity = party('a node with connections')
const agent = party('an agent behind a wall')

/** A process of the node, with a door for agents; `url` is that door. */
async function nodeProcess(
  name: string,
  limits: Partial<SubscriptionLimits> = {},
  triesMax = 3,
  addressOf?: () => string,
  listed: readonly Party[] = [agent],
) {
  const { pool } = node.bed.database
  const failures: unknown[] = []
  const subscriptions = openSubscriptions({
    ...{ pool, identity, node: name, now: Date.now, limits },
    ...(addressOf !== undefined && { addressOf }),
    listed: () => new Set(listed.map(({ identityKey }) => identityKey)),
    onChange: () => undefined,
    onFailure: error => void failures.push(error),
  })
  const pushing = startPushing({
    ...{ pool, subscriptions, triesMax, now: Date.now, at: () => undefined, pollMs: 10 },
    jobBeef: openJobBeef(node.fuel),
    onFailure: error => void failures.push(error),
  })
  const app = express().post('/echo', (request, response) => void request.pipe(response))
  const http = await listen(app, 0, '127.0.0.1')
  serveUpgrades(http.server, SUBSCRIBE_PATH, subscriptions.take)
  const stop = async () => {
    await pushing.stop()
    await subscriptions.stop()
    await http.stop()
  }
  closing.push(stop, () => expect(failures).toEqual([]))
  return { subscriptions, port: http.port, url: `ws://127.0.0.1:${http.port}${SUBSCRIBE_PATH}` }
}

const isDocumented = checkedBy(readAsyncApi())

/** What an agent hears, message by message. */
async function opened(url: string) {
  const socket = new WebSocket(url)
  closing.push(() => socket.terminate())
  const heard: unknown[] = []
  const closed = once(socket, 'close')
  socket.on('message', data => {
    const message: unknown = JSON.parse(String(data))
    isDocumented(SUBSCRIBE_PATH, message)
    heard.push(message)
  })
  socket.on('error', () => undefined)
  await until(() => heard.length > 0)
  const next = async () => {
    await until(() => heard.length > 0)
    return heard.shift()
  }
  return { socket, next, closed, challenge: orThrow(readChallenge(heard.shift())) }
}

function subscribeMessage(by: Party, challenge: Challenge, stage: Stage = 'normalize') {
  const said = {
    agentKey: by.identityKey,
    topic: `gitdata.events.${stage}` as const,
    nonce: randomBytes(32).toString('hex'),
  }
  const signature = toHex(signSubscription(by.privateKey, { ...said, challenge }))
  return { type: 'subscribe', ...said, signature }
}

async function subscribed(url: string, by = agent) {
  const talk = await opened(url)
  const message = subscribeMessage(by, talk.challenge)
  talk.socket.send(JSON.stringify(message))
  const answer = orThrow(readSubscribed(await talk.next()))
  const { agentKey, topic, nonce } = message
  const subscription = { agentKey, topic, nonce, challenge: talk.challenge }
  expect(verifySubscribed(subscription, knownHex(answer.signature))).toBe(true)
  return talk
}

const rows = async () =>
  (
    await node.bed.database.pool.query<{ key: string; node: string }>(
      `select encode(agent_key, 'hex') as key, node from agent_subscriptions`,
    )
  ).rows

describe('an agent without a public address', () => {
  test('is offered seats by the process that it is connected to, whoever coordinates the round', async () => {
    const here = await nodeProcess('here')
    await nodeProcess('elsewhere')
    const talk = await subscribed(here.url)
    expect(await rows()).toEqual([{ key: agent.identityKey, node: 'here' }])
    const job = await node.job('pushed', [{ agent, endpoints: [] }])
    // The coordinator of the round leaves them alone.
    expect(await node.offers().takeDue(10)).toEqual([])
    const offer = orThrow(readJobOffer(await talk.next()))
    const beef = orThrow(readBeef(new Uint8Array(Buffer.from(offer.beef, 'base64'))))
    expect([beef.subject.txid, offer.seat]).toEqual([job.txid, 0])
    talk.socket.send(JSON.stringify({ type: 'steak', jobTx: job.txid, seat: 0, taken: true }))
    const row = await until(async () => {
      const seen = await seatRow(node, job.txid, 0)
      return seen.state === 'running' && seen
    })
    expect(row.steak).toEqual({ tm_gitdata_events_normalize: { outputsToAdmit: [0], coinsToRetain: [] } })
  })

  test('that does not take a seat is offered it again, and at last no more', async () => {
    const here = await nodeProcess('here', {}, 2)
    const talk = await subscribed(here.url)
    const { txid } = await node.job('refused', [{ agent, endpoints: [] }])
    for (const _ of [1, 2]) {
      await talk.next()
      talk.socket.send(JSON.stringify({ type: 'steak', jobTx: txid, seat: 0, taken: false, why: 'full' }))
    }
    await until(async () => (await seatRow(node, txid, 0)).state === 'failed')
    expect(await seatRow(node, txid, 0)).toMatchObject({
      error: 'it did not take the seat: full',
      attempts: 2,
    })
  })

  test('that hangs up is no subscriber any more, and its seat goes back', async () => {
    const here = await nodeProcess('here')
    const talk = await subscribed(here.url)
    const { txid } = await node.job('hung up', [{ agent, endpoints: [] }])
    await talk.next()
    talk.socket.terminate()
    await until(async () => (await rows()).length === 0)
    await until(async () => (await seatRow(node, txid, 0)).error?.includes('hung up') === true)
    expect((await seatRow(node, txid, 0)).state).toBe('queued')
  })

  test('that connects again is heard over its newest connection', async () => {
    const [here, there] = [await nodeProcess('here'), await nodeProcess('there')]
    const first = await subscribed(here.url)
    await subscribed(here.url)
    await first.closed
    expect(await rows()).toEqual([{ key: agent.identityKey, node: 'here' }])
    await subscribed(there.url)
    expect(await rows()).toEqual([{ key: agent.identityKey, node: 'there' }])
  })

  test('is gone with the process that it was connected to', async () => {
    const here = await nodeProcess('here')
    const talk = await subscribed(here.url)
    await here.subscriptions.stop()
    await talk.closed
    expect(await rows()).toEqual([])
  })

  test.each<[string, (challenge: Challenge, earlier: Challenge) => object | string]>([
    [
      'with the signature of another key',
      challenge => ({ ...subscribeMessage(party('thief'), challenge), agentKey: agent.identityKey }),
    ],
    ['with what it has said on an earlier connection', (_, earlier) => subscribeMessage(agent, earlier)],
    [
      'for another topic than it has signed',
      challenge => ({ ...subscribeMessage(agent, challenge), topic: 'gitdata.events.certify' }),
    ],
    ['for a topic that has no jobs', challenge => ({ ...subscribeMessage(agent, challenge), topic: 'x' })],
    ['with something else than a subscription', () => ({ type: 'steak' })],
    ['with something that is not JSON', () => 'hello'],
  ])('is turned away %s', async (_, message) => {
    const here = await nodeProcess('here')
    const earlier = await opened(here.url)
    const talk = await opened(here.url)
    const said = message(talk.challenge, earlier.challenge)
    talk.socket.send(typeof said === 'string' ? said : JSON.stringify(said))
    const [code] = await talk.closed
    expect(code).toBe(1008)
    expect(await rows()).toEqual([])
    expect(here.subscriptions.held()).toEqual([])
  })

  test('is cut off where it proves nothing in time, says too much, or where there is no room', async () => {
    const here = await nodeProcess('here', { handshakeMsMax: 50, connectionsMax: 2 })
    const slow = await opened(here.url)
    const loud = await opened(here.url)
    loud.socket.send(`"${'x'.repeat(5000)}"`)
    const third = new WebSocket(here.url)
    const [error] = await once(third, 'error')
    expect(String(error)).toContain('503')
    expect((await loud.closed)[0]).toBe(1009)
    expect((await slow.closed)[0]).toBe(1008)
  })

  test('keeps its connections, and finds room, while strangers of other addresses open all they can', async () => {
    let address = '10.0.0.1'
    const limits = { strangersMax: 3, strangersPerAddressMax: 2, connectionsMax: 5, perAddressMax: 3 }
    const here = await nodeProcess('here', limits, 3, () => address)
    const open = () => new WebSocket(here.url)
    const isRefused = async () => String((await once(open(), 'error'))[0]).includes('503')
    await subscribed(here.url)
    address = '10.0.0.2'
    const strangers = [await opened(here.url), await opened(here.url)]
    expect(await isRefused()).toBe(true)
    address = '2001:db8::1'
    strangers.push(await opened(here.url))
    // Of all addresses together.
    address = '10.0.0.3'
    expect(await isRefused()).toBe(true)
    expect(await rows()).toHaveLength(1)

    for (const { socket, closed } of strangers) {
      socket.terminate()
      await closed
    }
    // The same network of version 6, which is one customer's.
    address = '2001:db8::2'
    await opened(here.url)
    address = '2001:db8::3'
    await opened(here.url)
    expect(await isRefused()).toBe(true)
  })

  test('finds room where keys that nobody has listed hold all of it', async () => {
    const here = await nodeProcess('here', { connectionsMax: 3 })
    const keys = [0, 1, 2].map(n => party(`a key of nobody, ${n}`))
    const held = () => here.subscriptions.held().map(({ agentKey }) => agentKey)
    const [first] = [await subscribed(here.url, keys[0]), await subscribed(here.url, keys[1])]
    await subscribed(here.url, agent)
    await subscribed(here.url, keys[2])
    expect((await first.closed)[0]).toBe(1006)
    expect(held()).toEqual([keys[1], agent, keys[2]].map(each => each?.identityKey))
    await until(async () => (await rows()).length === 3)
    // Its place is its own, however many come.
    for (const key of keys) await subscribed(here.url, key)
    expect(held()).toContain(agent.identityKey)
  })

  test('is forgotten some time after its process was killed', async () => {
    await node.bed.database.pool.query(
      'insert into agent_subscriptions (agent_key, topic, node, until_ms, since_ms) values ($1, $2, $3, 0, 0)',
      [knownHex(agent.identityKey), 'tm_gitdata_events_normalize', 'a process that is gone'],
    )
    await nodeProcess('here')
    await until(async () => (await rows()).length === 0)
  })

  test('that does not answer pings is gone', async () => {
    const here = await nodeProcess('here', { pingMs: 20 })
    const talk = await subscribed(here.url)
    // As a machine that was switched off: nothing is read, so no ping is answered.
    talk.socket.pause()
    await until(async () => (await rows()).length === 0)
    talk.socket.resume()
    expect((await talk.closed)[0]).toBe(1006)
  })
})

describe('a server with WebSockets', () => {
  test('answers a request that would like HTTP/2 as if it had not asked, body and all', async () => {
    const { port } = await nodeProcess('here')
    const socket = connect(port, '127.0.0.1')
    const headers = ['Host: x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA']
    socket.write(['POST /echo HTTP/1.1', ...headers, 'Content-Length: 10', '', 'hello'].join('\r\n'))
    socket.write(' more')
    let heard = ''
    for await (const part of socket) heard += part
    expect(heard).toMatch(/^HTTP\/1.1 200 OK/)
    expect(heard).toContain('hello')
  })

  test('has none at other paths', async () => {
    const { port } = await nodeProcess('here')
    const [error] = await once(new WebSocket(`ws://127.0.0.1:${port}/elsewhere`), 'error')
    expect(String(error)).toContain('404')
  })
})
