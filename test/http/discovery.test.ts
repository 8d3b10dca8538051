import {
  HTTPSOverlayBroadcastFacilitator,
  HTTPSOverlayLookupFacilitator,
  LookupResolver,
  P2PKH,
  PrivateKey,
  StorageUtils,
  TopicBroadcaster,
  Transaction,
  type WalletProtocol,
} from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reindex } from '../../src/adapters/overlay/reindex.ts'
import { openDatabase } from '../../src/adapters/postgres/database.ts'
import type { HostAdvertKind } from '../../src/contract/host-advert.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { hostedTopics } from '../../src/node/hosted-topics.ts'
import { agent, agentAdvertScript } from '../support/agent-adverts.ts'
import { findDisagreements } from '../support/check-overlay.ts'
import { type Party, party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { silentLog } from '../support/silent-log.ts'
import {
  hostProtocols,
  stockHostAdvert,
  stockToken,
  stockUhrpAdvert,
  uhrpProtocol,
} from '../support/stock-adverts.ts'
import { faucetMoney, stockBatch, stockSpend } from '../support/stock-wallet.ts'

const lookupFacilitator = new HTTPSOverlayLookupFacilitator(fetch, true)
const broadcastFacilitator = new HTTPSOverlayBroadcastFacilitator(fetch, true)
const topicOf = { SHIP: baseTopics.ship, SLAP: baseTopics.slap } as const

describe('a node that wallets with the stock SDK look for', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode()
  })
  afterAll(() => node.end())

  /** Knows one tracker and nothing else; forgets at once whom it has found. */
  const resolver = () =>
    new LookupResolver({
      slapTrackers: [node.url],
      facilitator: lookupFacilitator,
      reputationStorage: { get: () => undefined, set: () => undefined },
    })

  async function submitted(owner: Party, script: Uint8Array, topic: string) {
    const transaction = await stockSpend(owner, await faucetMoney(node.url, owner), script)
    const steak = await broadcastFacilitator.send(node.url, { beef: transaction.toBEEF(), topics: [topic] })
    return { transaction, admitted: steak[topic]?.outputsToAdmit }
  }

  async function advertise(owner: Party, kind: HostAdvertKind, name: string, domain = node.url) {
    const { transaction, admitted } = await submitted(
      owner,
      await stockHostAdvert(owner, { kind, domain, name }),
      topicOf[kind],
    )
    expect(admitted).toEqual([0])
    return transaction
  }

  /** Spends output 0 of an advert, as its owner's wallet does. */
  async function withdraw(owner: Party, advert: Transaction, protocol: WalletProtocol, topic: string) {
    const transaction = new Transaction()
    transaction.addInput({
      sourceTransaction: advert,
      sourceOutputIndex: 0,
      unlockingScriptTemplate: stockToken(owner).unlock(protocol, '1', 'anyone'),
      sequence: 0xffffffff,
    })
    const key = new PrivateKey([...owner.privateKey])
    transaction.addOutput({ satoshis: 1, lockingScript: new P2PKH().lock(key.toAddress()) })
    await transaction.sign()
    const steak = await broadcastFacilitator.send(node.url, { beef: transaction.toBEEF(), topics: [topic] })
    expect(steak[topic]?.coinsRemoved).toEqual([0])
    return transaction
  }

  async function found(service: string, query: unknown): Promise<string[]> {
    const { outputs } = await lookupFacilitator.lookup(node.url, { service, query }, 20_000)
    return outputs.map(({ beef }) => Transaction.fromBEEF(beef).id('hex'))
  }

  test('is found by service through SLAP, and by topic through SHIP that is found through SLAP', async () => {
    const host = party('stock host')
    const publisher = party('stock publisher')
    const batch = () => faucetMoney(node.url, publisher).then(money => stockBatch(publisher, money, '1\n'))
    const broadcaster = () =>
      new TopicBroadcaster([baseTopics.ingest], { resolver: resolver(), facilitator: broadcastFacilitator })
    const question = { service: baseLookupServices.events, query: {} }
    await expect(resolver().query(question)).rejects.toThrow(/No competent/)

    await advertise(host, 'SLAP', baseLookupServices.events)
    expect(await resolver().query(question)).toMatchObject({ outputs: [] })
    await expect(broadcaster().broadcast(await batch())).rejects.toThrow(/No competent/)

    await advertise(host, 'SLAP', baseLookupServices.ship)
    const nobody = await broadcaster().broadcast(await batch())
    expect(nobody).toMatchObject({ status: 'error', code: 'ERR_NO_HOSTS_INTERESTED' })

    const ship = await advertise(host, 'SHIP', baseTopics.ingest)
    const sent = await batch()
    expect(await broadcaster().broadcast(sent)).toMatchObject({ status: 'success', txid: sent.id('hex') })
    expect((await resolver().query(question)).outputs).toHaveLength(1)

    await withdraw(host, ship, hostProtocols.SHIP, baseTopics.ship)
    expect(await broadcaster().broadcast(await batch())).toMatchObject({ code: 'ERR_NO_HOSTS_INTERESTED' })
  })

  test('finds adverts by each member that stock clients send', async () => {
    const [one, two] = [party('one'), party('two')]
    const a = (await advertise(one, 'SHIP', 'tm_first', 'https://one.example')).id('hex')
    const b = (await advertise(two, 'SHIP', 'tm_second', 'https://two.example')).id('hex')
    const c = (await advertise(two, 'SLAP', 'ls_second', 'https://two.example')).id('hex')
    const queries: [string, unknown, string[]][] = [
      ['ls_ship', { topics: ['tm_first', 'tm_second'] }, [b, a]],
      ['ls_ship', { topics: ['tm_first'] }, [a]],
      ['ls_ship', { topics: [] }, []],
      ['ls_ship', { domain: 'https://two.example' }, [b]],
      ['ls_ship', { domain: 'https://TWO.example:443/' }, [b]],
      ['ls_ship', { domain: 'two.example' }, []],
      ['ls_ship', { identityKey: one.identityKey }, [a]],
      ['ls_ship', { identityKey: one.identityKey, topics: ['tm_second'] }, []],
      ['ls_ship', { findAll: true, limit: 2 }, [b, a]],
      ['ls_ship', { findAll: true, limit: 1, skip: 1 }, [a]],
      ['ls_ship', { topics: ['tm_first', 'tm_second'], sortOrder: 'asc' }, [a, b]],
      ['ls_slap', { service: 'ls_second' }, [c]],
      ['ls_slap', { service: 'ls_second', domain: 'https://one.example' }, []],
    ]
    for (const [service, query, txids] of queries)
      expect([query, await found(service, query)]).toEqual([query, txids])
    expect(await found('ls_ship', 'findAll')).toEqual([b, a])
    expect(await found('ls_slap', 'findAll')).toContain(c)
  })

  test('answers with the later of two equal adverts, and with the earlier when that one is withdrawn', async () => {
    const host = party('host that says it twice')
    const first = await advertise(host, 'SHIP', 'tm_twice', 'https://twice.example')
    const second = await advertise(host, 'SHIP', 'tm_twice', 'https://TWICE.example/')
    const query = { topics: ['tm_twice'] }
    expect(await found('ls_ship', query)).toEqual([second.id('hex')])
    await withdraw(host, second, hostProtocols.SHIP, baseTopics.ship)
    expect(await found('ls_ship', query)).toEqual([first.id('hex')])
  })

  test('has an advert again when what had withdrawn it is evicted', async () => {
    const host = party('host that comes back')
    const advert = await advertise(host, 'SLAP', 'ls_again', 'https://again.example')
    const gone = await withdraw(host, advert, hostProtocols.SLAP, baseTopics.slap)
    expect(await found('ls_slap', { service: 'ls_again' })).toEqual([])
    await node.overlay.evict(gone.id('hex'), 'a test says so')
    expect(await found('ls_slap', { service: 'ls_again' })).toEqual([advert.id('hex')])
    await node.overlay.evict(advert.id('hex'), 'a test says so')
    expect(await found('ls_slap', { service: 'ls_again' })).toEqual([])
  })

  test('finds content by each spelling of its URL until its advert has expired', async () => {
    const host = party('host of content')
    const bytes = [...Buffer.from('content')]
    const hash = sha256Hex('content')
    const url = StorageUtils.getURLForFile(bytes)
    const advert = { hash, url: 'https://files.example/content', size: bytes.length }
    const later = { ...advert, expirySeconds: 4_000_000_000 }
    const past = { ...advert, expirySeconds: 1_000_000_000, url: 'https://files.example/old' }
    const live = await submitted(host, await stockUhrpAdvert(host, later), baseTopics.uhrp)
    const expired = await submitted(host, await stockUhrpAdvert(host, past), baseTopics.uhrp)
    expect([live.admitted, expired.admitted]).toEqual([[0], [0]])
    const txid = live.transaction.id('hex')
    for (const query of [
      { uhrpUrl: url },
      { uhrpUrl: `uhrp:${url}` },
      { uhrpUrl: `uhrp://${url}` },
      { outpoint: `${txid}.0` },
      { hostIdentityKey: host.identityKey },
      { uhrpUrl: url, expiryTime: 4_000_000_000 },
      'findAll',
    ])
      expect([query, await found('ls_uhrp', query)]).toEqual([query, [txid]])
    expect(await found('ls_uhrp', { uhrpUrl: url, expiryTime: 4_000_000_001 })).toEqual([])
    await withdraw(host, live.transaction, uhrpProtocol, baseTopics.uhrp)
    expect(await found('ls_uhrp', { uhrpUrl: url })).toEqual([])
  })

  test('finds agents, each by the one advert that counts', async () => {
    const broad = agentAdvertScript({ capabilities: ['normalize', 'validate'] })
    const narrow = agentAdvertScript({ capabilities: ['normalize'], expiresMs: 1_900_000_000_001 })
    const admitted = []
    for (const script of [broad, narrow]) admitted.push(await submitted(agent, script, baseTopics.agents))
    const [first = '', second = ''] = admitted.map(({ transaction }) => transaction.id('hex'))
    expect(await found('ls_gitdata_agents', { stage: 'normalize' })).toEqual([second])
    expect(await found('ls_gitdata_agents', { capability: 'validate' })).toEqual([])
    expect(await found('ls_gitdata_agents', { history: true })).toEqual([second, first])
  })

  const refused: [string, string, () => Promise<Uint8Array>][] = [
    [
      'forged',
      baseTopics.ship,
      () =>
        stockHostAdvert(party('forger'), {
          kind: 'SHIP',
          domain: 'https://forged.example',
          name: 'tm_forged',
          identityKey: party('victim').identityKey,
        }),
    ],
    [
      'signed for its owner alone',
      baseTopics.ship,
      () =>
        stockHostAdvert(
          party('host'),
          { kind: 'SHIP', domain: 'https://host.example', name: 'tm_forged' },
          { counterparty: 'self' },
        ),
    ],
    [
      'of a lookup service in the topic of topics',
      baseTopics.ship,
      () =>
        stockHostAdvert(party('host'), { kind: 'SLAP', domain: 'https://host.example', name: 'ls_forged' }),
    ],
    [
      'of a path',
      baseTopics.slap,
      () =>
        stockHostAdvert(party('host'), { kind: 'SLAP', domain: 'https://host.example/a', name: 'ls_forged' }),
    ],
    [
      'of content that somebody else keeps',
      baseTopics.uhrp,
      () =>
        stockUhrpAdvert(party('forger'), {
          hash: sha256Hex('forged'),
          url: 'https://forged.example',
          expirySeconds: 4_000_000_000,
          size: 7,
          identityKey: party('victim').identityKey,
        }),
    ],
  ]
  test.each(refused)('does not admit an advert that is %s', async (_, topic, script) => {
    expect(await submitted(party('forger'), await script(), topic)).toMatchObject({ admitted: [] })
  })

  test('refuses questions that make no sense, and says where', async () => {
    const nonsense: [string, unknown, string][] = [
      ['ls_ship', { topics: 'tm_first' }, '/topics'],
      ['ls_ship', { topic: 'tm_first' }, '/topic'],
      ['ls_ship', { topics: ['a\0b'] }, '/topics/0'],
      ['ls_ship', { limit: 0 }, '/limit'],
      ['ls_ship', { limit: 1_000_000 }, '/limit'],
      ['ls_ship', { skip: -1 }, '/skip'],
      ['ls_ship', { identityKey: 'me' }, '/identityKey'],
      ['ls_ship', { findAll: true, domain: 'https://one.example' }, '/domain'],
      ['ls_ship', 'everything', ''],
      ['ls_slap', { topics: ['tm_first'] }, '/topics'],
      ['ls_slap', { sortOrder: 'random' }, '/sortOrder'],
      ['ls_uhrp', { uhrpUrl: 'uhrp://nothing' }, '/uhrpUrl'],
      ['ls_uhrp', { outpoint: `${'00'.repeat(32)}:0` }, '/outpoint'],
      ['ls_uhrp', { expiryTime: 'later' }, '/expiryTime'],
      ['ls_gitdata_agents', { capability: 'Everything' }, '/capability'],
      ['ls_gitdata_agents', { capability: 'normalize', stage: 'validate' }, '/stage'],
      ['ls_gitdata_agents', { region: 'a\0b' }, '/region'],
      ['ls_gitdata_agents', { cursor: 'ff' }, '/cursor'],
    ]
    for (const [service, query, pointer] of nonsense) {
      const response = await fetch(`${node.url}/lookup`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ service, query }),
      })
      const said = JSON.stringify(await response.json())
      expect([query, response.status]).toEqual([query, 400])
      expect(said).toContain('ERR_LOOKUP_INVALID_QUERY')
      expect(said).toContain(pointer)
    }
  })

  test('has indexes that say what its outputs do, also when they are built again', async () => {
    const database = await openDatabase({ url: node.databaseUrl, log: silentLog, applicationName: 'test' })
    const answers = async () =>
      Promise.all([found('ls_ship', 'findAll'), found('ls_slap', 'findAll'), found('ls_uhrp', 'findAll')])
    try {
      expect(await findDisagreements(database.pool)).toEqual([])
      const before = await answers()
      for (const service of Object.values(hostedTopics(database).services))
        await reindex(service, database.pool)
      expect(await answers()).toEqual(before)
      expect(await findDisagreements(database.pool)).toEqual([])
    } finally {
      await database.close()
    }
  })
})
