import { afterEach, describe, expect, test } from 'vitest'
import {
  type AdvertisedHost,
  openPeers,
  type Peers,
  type PeersDeps,
} from '../../../src/adapters/discovery/peers.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { advertisedTarget } from '../../../src/adapters/overlay/targets.ts'
import { advertOf } from '../../support/overlay-host.ts'
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

async function open(from: Pick<PeersDeps, 'hostsOf'>, more: Partial<PeersDeps> = {}): Promise<Peers> {
  const call = openOutgoing({ network: 'local' })
  const peers = openPeers({
    network: 'mainnet',
    topics: ['tm_a'],
    self: { addresses: [] },
    named: [],
    callNamed: call,
    call,
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
