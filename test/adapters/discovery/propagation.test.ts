import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openPeers, type Peers } from '../../../src/adapters/discovery/peers.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import type { HostedManager } from '../../../src/adapters/overlay/hosted.ts'
import type { Overlay } from '../../../src/adapters/overlay/overlay.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { advertOf, serve } from '../../support/overlay-host.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest

describe('word of what is admitted', () => {
  let bed: OverlayBed
  const servers: { stop(): Promise<void> }[] = []
  let peers: Peers | undefined
  beforeEach(async () => {
    bed = await overlayBed()
  })
  afterEach(async () => {
    await bed.close()
    await peers?.stop()
    for (const server of servers.splice(0)) await server.stop()
  })

  test('goes to who advertises the topic, about that topic and no other', async () => {
    const told: string[] = []
    const [both, other] = [await host(told, 'both'), await host(told, 'other')]
    const overlay = await nodeWith({ [topic]: [both], tm_any: [both, other] })
    const batch = one(await batches(1))
    orThrow(await overlay.submit({ ...bed.submissionOf(batch), topics: [topic, 'tm_any'] }))
    await settled()
    expect(told.sort()).toEqual([`both ["${topic}","tm_any"]`, 'other ["tm_any"]'])
  })

  test('reaches those that answer while any number of others is silent, slow or dead', async () => {
    const told: string[] = []
    const good = await host(told, 'good')
    const silent = await Promise.all(Array.from({ length: 40 }, () => listen(() => undefined)))
    const overlay = await nodeWith({ [topic]: [...silent, await gone(), good] })
    for (const batch of await batches(20)) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(() => told.length === 20)
  })

  test('asks a host that is dead once in a while, and not once for each thing it should hear', async () => {
    let asked = 0
    const dead = await listen((_, response) => {
      asked += 1
      response.writeHead(503).end()
    })
    const told: string[] = []
    const good = await host(told, 'good')
    const overlay = await nodeWith({ [topic]: [dead, good] })
    for (const batch of await batches(30)) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(() => told.length === 30)
    await until(async () => asked >= 2)
    // Each failure is as good as thirty.
    expect(asked).toBeLessThan(10)
    expect(bed.reports.filter(({ what }) => what === 'onUndelivered').length).toBeLessThan(10)
  })

  test('goes on to a host that does not take one of them', async () => {
    const told: string[] = []
    const choosy = await listen((request, response) => {
      request.resume().on('end', () => {
        told.push('asked')
        response.writeHead(told.length === 1 ? 400 : 200).end('{}')
      })
    })
    const overlay = await nodeWith({ [topic]: [choosy] })
    for (const batch of await batches(5)) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await settled()
    expect(told).toHaveLength(6)
  })

  test('of certificates reaches an agent that advertises their topic and is no node, in order, also after it was away', async () => {
    const taken: string[] = []
    let [isAway, missed] = [false, 0]
    const agent = await listen((request, response) => {
      if (isAway) {
        missed += 1
        request.socket.destroy()
        return
      }
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        taken.push(`${request.headers['x-topics']} ${orThrow(readBeef(Buffer.concat(parts))).subject.txid}`)
        response.end('{}')
      })
    })
    const certified = baseTopics.certified
    const overlay = await nodeWith({ [certified]: [agent] }, { [certified]: admitsAnything })
    const admitted = await batches(9)
    for (const [i, batch] of admitted.entries()) {
      if (i === 3) await until(() => taken.length === 3)
      isAway = i >= 3
      orThrow(await overlay.submit({ ...bed.submissionOf(batch), topics: [certified] }))
    }
    await until(() => missed > 0)
    expect(taken).toHaveLength(3)
    isAway = false
    await until(() => taken.length === 9)
    expect(taken).toEqual(admitted.map(({ txid }) => `["${certified}"] ${txid}`))
  })

  test('is dropped once the host advertises nothing any more', async () => {
    const adverts = { [topic]: [await gone()] }
    const overlay = await nodeWith(adverts)
    for (const batch of await batches(5)) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(() => bed.reports.some(({ what }) => what === 'onUndelivered'))
    adverts[topic] = []
    await settled()
  })

  test('never follows a peer to where it redirects, and never leaves for inside on another network', async () => {
    let inside = 0
    const secret = await listen((_, response) => {
      inside += 1
      response.end('{}')
    })
    const bouncing = await listen((_, response) => response.writeHead(307, { Location: secret }).end())
    const overlay = await nodeWith({ [topic]: [bouncing] })
    for (const batch of await batches(1)) orThrow(await overlay.submit(bed.submissionOf(batch)))
    await until(() => bed.reports.some(({ what }) => what === 'onUndelivered'))
    expect(String(bed.reports[0]?.said[1])).toContain('redirections are not followed')

    const call = openOutgoing({ network: 'mainnet', resolve: async () => ['127.0.0.1'] })
    await expect(call(`https://inside.example:${new URL(secret).port}/submit`)).rejects.toThrow(/loopback/)
    expect(inside).toBe(0)
  })

  async function nodeWith(
    adverts: Record<string, string[]>,
    more: Record<string, HostedManager> = {},
  ): Promise<Overlay> {
    const hosted = hostedTopics(bed.database)
    const managers = { ...hosted.managers, tm_any: admitsAnything, ...more }
    const call = openOutgoing({ network: 'local' })
    peers = openPeers({
      network: 'local',
      topics: Object.keys(managers),
      hostsOf: async asked => (adverts[asked] ?? []).map(url => advertOf(url)),
      self: { addresses: [] },
      named: [],
      callNamed: call,
      call,
      peersMax: 100,
      refreshMs: 20,
      ask: async () => undefined,
      mayBeUnproven: true,
      now: Date.now,
      onImpostor: () => undefined,
      onTrouble: () => undefined,
    })
    await peers.start()
    const overlay = bed.open({ hosted: { ...hosted, managers }, advertised: peers })
    await overlay.start()
    return overlay
  }

  async function batches(count: number) {
    return (await bed.fund(publisher, count)).map(coin => one(batchChain(publisher, coin, 1)))
  }

  async function listen(answer: Parameters<typeof serve>[0]): Promise<string> {
    const server = await serve(answer)
    servers.push(server)
    return server.url
  }

  /** Where nobody listens any more. */
  async function gone(): Promise<string> {
    const server = await serve(() => undefined)
    await server.stop()
    return server.url
  }

  function host(told: string[], name: string): Promise<string> {
    return listen((request, response) => {
      request.resume().on('end', () => {
        told.push(`${name} ${request.headers['x-topics']}`)
        response.end('{}')
      })
    })
  }

  async function settled(): Promise<void> {
    await until(async () => (await bed.database.pool.query('select from outbox')).rowCount === 0)
  }
})

const admitsAnything: HostedManager = {
  identifyAdmissibleOutputs: async () => ({ outputsToAdmit: [0], coinsToRetain: [] }),
  getDocumentation: async () => '',
  getMetaData: async () => ({ name: '', shortDescription: '' }),
}
