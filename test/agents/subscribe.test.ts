import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, onTestFailed, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { subscribe } from '../../agents/kit/subscribe.ts'
import type { OfferOutcome } from '../../agents/kit/take-offer.ts'
import {
  type Challenge,
  readSubscribe,
  SUBSCRIBE_PATH,
  type Subscribe,
  signSubscribed,
  verifySubscription,
} from '../../src/contract/subscription.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { agentsBed, bedSource } from '../support/agents-bed.ts'
import { checkedBy, readAsyncApi } from '../support/asyncapi-document.ts'
import { party } from '../support/pipeline.ts'
import { until } from '../support/until.ts'

const key = party('the agent')
const nodeKey = party('the node')
const jobTx = '12'.repeat(32)
const taken: OfferOutcome = { kind: 'taken', jobTx, seat: 1 }
const offer = { type: 'job', beef: Buffer.from('a job').toString('base64'), seat: 1 }
const opened: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

describe('agents that only subscribe', () => {
  test('carry whole rounds, as processes that nobody can call', async () => {
    const bed = await agentsBed({ agentOptions: ['--subscribe'] })
    opened.push(() => bed.stop())
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await bed.publish(bedSource, [{ eventType: 'reading', externalId: 'one', data: { celsius: 20 } }])
    await bed.allAnchored()
    const { rows } = await bed.pool.query('select distinct endpoints from round_seats')
    expect(rows).toEqual([{ endpoints: [] }])
  }, 240_000)
})

describe('an agent that subscribes', () => {
  test('proves its key for its topic, and is offered jobs once the node has proven its own', async () => {
    const node = await subscribedNode()
    const offers: Uint8Array[] = []
    const agent = subscribed(node.url, bytes => {
      offers.push(bytes)
      return taken
    })
    await agent.subscribed
    const [link] = node.links
    expect(link?.said.topic).toBe('gitdata.events.validate')
    expect(link?.isProven).toBe(true)
    link?.socket.send(JSON.stringify(offer))
    expect(await until(() => link?.answers[0])).toEqual({ type: 'steak', jobTx, seat: 1, taken: true })
    expect(Buffer.from(offers[0] ?? []).toString()).toBe('a job')
  })

  test('says why it does not take a job', async () => {
    const node = await subscribedNode()
    const agent = subscribed(node.url, () => ({ kind: 'busy', jobTx, why: 'no room' }))
    await agent.subscribed
    node.links[0]?.socket.send(JSON.stringify(offer))
    expect(await until(() => node.links[0]?.answers[0])).toEqual({
      ...{ type: 'steak', jobTx, seat: 1, taken: false, why: 'no room' },
    })
  })

  test('takes no jobs of a node that has not proven the key that it names', async () => {
    const node = await subscribedNode({ signedBy: party('somebody else') })
    const lost: string[] = []
    const agent = subscribed(
      node.url,
      () => taken,
      error => lost.push(error.message),
    )
    expect(await until(() => lost[0])).toMatch(/has not proven the key/)
    expect(agent.isOpen()).toBe(false)
  })

  test('comes back when it is cut off, and when the node falls silent', async () => {
    const node = await subscribedNode()
    const agent = subscribed(node.url, () => taken)
    await agent.subscribed
    node.links[0]?.socket.terminate()
    await until(() => node.links.length === 2)
    await until(() => agent.isOpen())
    // Nothing is read any more, so nothing is answered.
    node.links[1]?.socket.pause()
    await until(() => node.links.length === 3)
  })

  test('is gone once it is stopped', async () => {
    const node = await subscribedNode()
    const agent = subscribed(node.url, () => taken)
    await agent.subscribed
    await agent.stop()
    await until(() => node.links[0]?.isClosed === true)
    expect(node.links).toHaveLength(1)
  })
})

function subscribed(
  node: string,
  takeOffer: (bytes: Uint8Array) => OfferOutcome,
  onLost = (_: Error) => undefined as unknown,
) {
  const agent = subscribe({ node, kind: 'validate', key, takeOffer, onLost, heartbeatMs: 200, againMs: 20 })
  opened.push(agent.stop)
  return agent
}

const isDocumented = checkedBy(readAsyncApi())

type Link = { socket: WebSocket; said: Subscribe; isProven: boolean; isClosed: boolean; answers: unknown[] }

/** The other end: it challenges, checks and answers, and keeps what it is told. */
async function subscribedNode({ signedBy = nodeKey } = {}) {
  const links: Link[] = []
  const server = http.createServer()
  const sockets = new WebSocketServer({ server, path: SUBSCRIBE_PATH })
  const challenge: Challenge = { type: 'challenge', nodeKey: nodeKey.identityKey, nonce: 'ab'.repeat(32) }
  sockets.on('connection', socket => {
    socket.send(JSON.stringify(challenge))
    socket.on('message', data => isDocumented(SUBSCRIBE_PATH, JSON.parse(String(data))))
    socket.once('message', data => {
      const said = orThrow(readSubscribe(JSON.parse(String(data))))
      const proof = { ...said, challenge }
      const link: Link = {
        ...{ socket, said, isClosed: false, answers: [] },
        isProven: verifySubscription(proof, knownHex(said.signature)),
      }
      links.push(link)
      socket.on('message', more => link.answers.push(JSON.parse(String(more))))
      socket.on('close', () => {
        link.isClosed = true
      })
      socket.send(
        JSON.stringify({ type: 'subscribed', signature: toHex(signSubscribed(signedBy.privateKey, proof)) }),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.push(async () => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
    await new Promise(resolve => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, links }
}
