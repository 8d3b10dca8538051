import { afterEach, describe, expect, test } from 'vitest'
import type { Impostor } from '../../../src/adapters/discovery/host-claims.ts'
import { DOUBTED_KEPT_MS, IDENTITY_KEPT_MS } from '../../../src/adapters/discovery/host-identities.ts'
import { openPeers, type Peers, type PeersDeps } from '../../../src/adapters/discovery/peers.ts'
import type { AdvertisedHost } from '../../../src/adapters/indexes/host-adverts-index.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { advertisedTarget } from '../../../src/adapters/overlay/targets.ts'
import { advertOf } from '../../support/overlay-host.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const opened: Peers[] = []
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
})

describe('the peers of a node', () => {
  test('are those that advertise a topic that it hosts, in one spelling', async () => {
    const peers = await peersOf({
      tm_a: ['https://One.example', 'https://one.example:443/', 'https://two.example:8443'],
      tm_b: ['https://two.example:8443/'],
      tm_c: ['https://three.example'],
    })
    expect([...peers.targetsOf('tm_a')].sort()).toEqual([
      'ship https://one.example',
      'ship https://two.example:8443',
    ])
    expect(peers.targetsOf('tm_c')).toEqual([])
    expect(peers.topicsOf('ship https://two.example:8443')).toEqual(new Set(['tm_a', 'tm_b']))
    expect(peers.topicsOf('ship https://four.example')).toEqual(new Set())
  })

  test.each([
    ...[
      'http://one.example',
      'https://localhost',
      'http://localhost:8080',
      'https://127.0.0.1',
      'http://127.0.0.1:1',
    ],
    ...['https://[::1]', 'https://10.0.0.1', 'https://169.254.169.254', 'https://user:word@one.example'],
    ...[
      'https://one.example/path',
      'https://one.example/?a',
      'https+bsvauth://one.example',
      'one.example',
      '',
    ],
  ])('are never at %s where the network is not local', async domain => {
    for (const network of ['testnet', 'mainnet'] as const)
      expect((await peersOf({ tm_a: [domain] }, { network })).all()).toEqual([])
  })

  test('may be on loopback, and nowhere else inside, where the network is local', async () => {
    const domains = [
      'http://localhost:8081',
      'http://127.0.0.1:8082',
      'http://10.0.0.1:8083',
      'http://one.example',
    ]
    const peers = await peersOf({ tm_a: domains }, { network: 'local' })
    expect(
      peers
        .all()
        .map(({ base }) => base)
        .sort(),
    ).toEqual(['http://127.0.0.1:8082', 'http://localhost:8081'])
  })

  test('are never the node itself, by its key or its address, nor told twice where the operator names them', async () => {
    const ours = '02'.padEnd(66, '1')
    const hosts = [
      advertOf('https://else.example', ours),
      advertOf('https://us.example/'),
      advertOf('https://named.example'),
    ]
    const peers = await open(
      { hostsOf: async () => hosts },
      { self: { identityKey: ours, addresses: ['https://us.example'] }, named: ['https://named.example/'] },
    )
    expect(peers.all().map(({ name }) => name)).toEqual(['https://named.example/'])
  })

  test('are no more of a topic than it takes, and however many come, they push nobody out', async () => {
    const hosts: AdvertisedHost[] = [1, 2, 3].map(n => advertOf(`https://first${n}.example`))
    const peers = await open({ hostsOf: async () => hosts }, { peersMax: 4 })
    const first = [...peers.targetsOf('tm_a')]
    expect(first).toHaveLength(3)
    for (let n = 0; n < 100; n++) hosts.unshift(advertOf(`https://later${n}.example`))
    await until(() => peers.targetsOf('tm_a').length === 4)
    expect(peers.targetsOf('tm_a')).toEqual(expect.arrayContaining(first))
    expect(peers.topicsOf(advertisedTarget('https://later7.example'))).toEqual(new Set(['tm_a']))
  })

  test('are told no more once their advert is gone, and are kept while the adverts cannot be read', async () => {
    let answer = async () => [advertOf('https://one.example')]
    const troubles: unknown[] = []
    const peers = await open({ hostsOf: () => answer() }, { onTrouble: error => void troubles.push(error) })
    answer = async () => {
      throw new Error('the index is away')
    }
    await until(() => troubles.length > 1)
    expect(peers.targetsOf('tm_a')).toEqual(['ship https://one.example'])
    answer = async () => []
    await until(() => peers.targetsOf('tm_a').length === 0)
    expect(peers.topicsOf('ship https://one.example')).toEqual(new Set())
  })
})

describe('a host that is advertised', () => {
  const [owner, stranger] = [party('its owner'), party('a stranger')]
  const url = 'https://one.example'
  const hostsOf = async () => [advertOf(url, stranger.identityKey), advertOf(url, owner.identityKey)]

  test('counts under the key that it proves, for the topics of that key’s own adverts', async () => {
    const impostors: Impostor[] = []
    const peers = await open(
      {
        hostsOf: async topic =>
          topic === 'tm_a' ? [advertOf(url, stranger.identityKey)] : [advertOf(url, owner.identityKey)],
      },
      {
        topics: ['tm_a', 'tm_b'],
        ask: async () => owner.identityKey,
        onImpostor: impostor => void impostors.push(impostor),
      },
    )
    expect(peers.all().map(({ base, topics }) => ({ base, topics }))).toEqual([
      { base: url, topics: ['tm_b'] },
    ])
    expect(peers.topicsOf(advertisedTarget(url))).toEqual(new Set(['tm_b']))
    expect(impostors).toEqual([
      { base: url, advertisedKey: stranger.identityKey, provenKey: owner.identityKey },
    ])
  })

  test('is asked who it is once, however many say that it is theirs, and reported once', async () => {
    let asked = 0
    let looks = 0
    const impostors: Impostor[] = []
    await open(
      {
        async hostsOf() {
          looks += 1
          return Array.from({ length: 50 }, (_, n) => advertOf(url, party(`claimant ${n}`).identityKey))
        },
      },
      {
        async ask() {
          asked += 1
          return owner.identityKey
        },
        onImpostor: impostor => void impostors.push(impostor),
      },
    )
    await until(() => looks >= 5)
    expect([asked, impostors.length]).toEqual([1, 50])
  })

  test('is no peer while it has not answered, and is left alone longer and longer', async () => {
    let asked = 0
    let looks = 0
    const peers = await open(
      {
        async hostsOf() {
          looks += 1
          return hostsOf()
        },
      },
      {
        async ask() {
          asked += 1
          throw new Error('nobody is there')
        },
      },
    )
    await until(() => looks >= 10)
    expect(peers.all()).toEqual([])
    expect(asked).toBeLessThan(5)
    // Another process may have asked it, and what waits for it must not be thrown away.
    expect(peers.topicsOf(advertisedTarget(url))).toEqual(new Set(['tm_a']))
    await expect(post(peers)).rejects.toThrow('who it is')
  })

  test('is a peer without a key where the operator lets it, and else is none', async () => {
    expect((await open({ hostsOf })).all()).toHaveLength(1)
    expect((await open({ hostsOf }, { mayBeUnproven: false })).all()).toEqual([])
  })

  test('is told nothing once it proves another key, also of what was to be told before', async () => {
    const told: string[] = []
    let key = owner.identityKey
    let nowMs = 0
    const peers = await open(
      { hostsOf: async () => [advertOf(url, owner.identityKey)] },
      {
        now: () => nowMs,
        ask: async () => key,
        async call(to) {
          told.push(to)
          return { status: 200, headers: new Headers(), body: new Uint8Array() }
        },
      },
    )
    await post(peers)
    await peers.all()[0]?.call(`${url}/sync`)
    expect(told).toEqual([`${url}/submit`, `${url}/sync`])
    const [peer] = peers.all()
    key = stranger.identityKey
    nowMs += IDENTITY_KEPT_MS
    await until(() => peers.topicsOf(advertisedTarget(url))?.size === 0)
    await post(peers)
    await expect(peer?.call(`${url}/sync`)).rejects.toThrow('no advert names the key that it proves')
    expect(peers.all()).toEqual([])
    expect(told).toHaveLength(2)
    // Its owner is back, and need not wait for an hour.
    key = owner.identityKey
    nowMs += DOUBTED_KEPT_MS
    await until(() => peers.all().length === 1)
  })

  const post = (peers: Peers) =>
    peers.post(url, new Uint8Array(1), ['tm_a'], undefined, new AbortController().signal)
})

async function open(from: Pick<PeersDeps, 'hostsOf'>, more: Partial<PeersDeps> = {}): Promise<Peers> {
  const call = openOutgoing({ network: 'local' })
  const peers = openPeers({
    network: 'mainnet',
    topics: ['tm_a'],
    self: { addresses: [] },
    named: [],
    callNamed: call,
    call,
    ask: async () => undefined,
    mayBeUnproven: true,
    now: Date.now,
    onImpostor: () => undefined,
    onTrouble: () => undefined,
    refreshMs: 10,
    ...from,
    ...more,
  })
  opened.push(peers)
  await peers.start()
  return peers
}

function peersOf(domains: Record<string, string[]>, more: Partial<PeersDeps> = {}): Promise<Peers> {
  const hostsOf = async (topic: string) => (domains[topic] ?? []).map(domain => advertOf(domain))
  return open({ hostsOf }, { topics: ['tm_a', 'tm_b'], ...more })
}
