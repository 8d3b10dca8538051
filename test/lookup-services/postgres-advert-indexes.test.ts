import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AgentEntry, AgentsQuery } from '../../lookup-services/agents-index.ts'
import type { HostAdvertEntry, HostAdvertsQuery } from '../../lookup-services/host-adverts-index.ts'
import type { UhrpEntry, UhrpQuery } from '../../lookup-services/uhrp-index.ts'
import { bans } from '../../migrations/004-bans.ts'
import { discoveryIndexes } from '../../migrations/006-discovery-indexes.ts'
import { postgresAgentsIndex } from '../../src/adapters/indexes/agents-index.ts'
import {
  HOSTS_OF_TOPIC_MAX,
  postgresHostAdvertsIndex,
} from '../../src/adapters/indexes/host-adverts-index.ts'
import { postgresUhrpIndex } from '../../src/adapters/indexes/uhrp-index.ts'
import { collectIndexWrites, type IndexWrite } from '../../src/adapters/overlay/index-writes.ts'
import { runIndexWrites } from '../../src/adapters/overlay/run-index-writes.ts'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { emptyDatabase } from '../support/database.ts'
import type { TemporaryDatabase } from '../support/new-database.ts'
import { party } from '../support/pipeline.ts'
import { silentLog } from '../support/silent-log.ts'
import {
  inMemoryAgentsIndex,
  inMemoryHostAdvertsIndex,
  inMemoryUhrpIndex,
} from './in-memory-advert-indexes.ts'
import { recordWrites } from './record-writes.ts'

const keys = ['north', 'south'].map(name => party(`host ${name}`).identityKey)
const [north = '', south = ''] = keys
const txids = ['a', 'b', 'c'].map(name => sha256Hex(`transaction ${name}`))
const [txid = '', another = ''] = txids

let temporary: TemporaryDatabase
let database: Database

beforeAll(async () => {
  temporary = await emptyDatabase()
  database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  await bans.up(database.knex)
  await discoveryIndexes.up(database.knex)
})
afterAll(async () => {
  await database.close()
  await temporary.drop()
})
beforeEach(async () => {
  await database.pool.query('truncate bans, host_adverts, uhrp_adverts, gitdata_agents')
})

/** As a node records what comes in several kinds at once: one statement after the other. */
async function submission(nowMs: number, ...steps: (() => Promise<void>)[]): Promise<void> {
  const writes: IndexWrite[] = []
  await collectIndexWrites(writes, async () => {
    for (const step of steps) await step()
  })
  await runIndexWrites(database.pool, writes, nowMs)
}

async function ban(type: 'domain' | 'outpoint', value: string): Promise<void> {
  await database.pool.query('insert into bans (type, value, banned_ms) values ($1, $2, 0)', [type, value])
}

describe('the index of adverts of hosts in PostgreSQL', () => {
  const index = () => postgresHostAdvertsIndex(database.pool)
  const advert = (change: Partial<HostAdvertEntry> = {}): HostAdvertEntry => ({
    ...{ txid, vout: 0, kind: 'SHIP', identityKey: north, name: 'tm_one' },
    ...{ domain: 'https://one.example', base: 'https://one.example' },
    ...change,
  })
  const other = { domain: 'https://two.example', base: 'https://two.example' }
  const all: HostAdvertsQuery = { kind: 'SHIP', order: 'asc', limit: 100, skip: 0 }
  const places = async (query: HostAdvertsQuery = all) => (await index().find(query)).map(({ vout }) => vout)

  test('takes in what one statement records, and gives back its outpoints', async () => {
    const large = advert({ vout: 0xffff_ffff, identityKey: south })
    await recordWrites(database.pool, 5, async () => {
      for (const each of [advert(), advert(), large, advert({ vout: 2, kind: 'SLAP', name: 'ls_one' })])
        await index().put(each)
    })
    expect(await index().find(all)).toEqual([
      { txid, vout: 0 },
      { txid, vout: 0xffff_ffff },
    ])
  })

  test('lists the hosts of a topic: the latest first, each once', async () => {
    await submission(5, () => index().put(advert()))
    await submission(6, () => index().put(advert({ vout: 1, identityKey: south, ...other })))
    await submission(7, () => index().put(advert({ vout: 2, domain: 'https://one.example/' })))
    await submission(8, () => index().put(advert({ vout: 3, name: 'tm_another' })))
    expect(await index().hostsOf('tm_one')).toEqual([
      { identityKey: north, domain: 'https://one.example/', txid, vout: 2 },
      { identityKey: south, domain: 'https://two.example', txid, vout: 1 },
    ])
    await submission(9, () => index().remove({ txid, vout: 2 }))
    expect((await index().hostsOf('tm_one')).map(({ vout }) => vout)).toEqual([1, 0])
    expect(await index().hostsOf('tm_nobody')).toEqual([])
  })

  test('gives out those that were there first, however many come after them', async () => {
    await submission(1, () => index().put(advert()))
    await submission(2, () => index().put(advert({ vout: 1, identityKey: south, ...other })))
    await database.pool.query(
      `insert into host_adverts (txid, vout, kind, identity_key, domain, base, name, admitted_ms)
        select decode($1, 'hex'), n, 'SHIP', decode($2, 'hex'), url, url, 'tm_one', 10 + n
          from (select n, 'https://flood' || n || '.example' as url from generate_series(2, $3) as n) as flood`,
      [txid, north, 2 + HOSTS_OF_TOPIC_MAX],
    )
    const hosts = await index().hostsOf('tm_one')
    expect(hosts).toHaveLength(HOSTS_OF_TOPIC_MAX)
    expect(hosts[0]?.vout).toBe(2 + HOSTS_OF_TOPIC_MAX)
    expect(hosts.map(({ vout }) => vout)).toEqual(expect.arrayContaining([0, 1]))
  })

  test('leaves out a banned host, however it is spelled, until the ban is lifted', async () => {
    await submission(5, () => index().put(advert({ domain: 'https://ONE.example/' })))
    await submission(6, () => index().put(advert({ vout: 1, ...other })))
    for (const spelling of ['https://one.example', 'https://ONE.example', 'one.example']) {
      await ban('domain', spelling)
      expect([await places(), (await index().hostsOf('tm_one')).length]).toEqual([[1], 1])
      await database.pool.query('truncate bans')
      expect(await places()).toEqual([0, 1])
    }
  })

  test('bans a host for all of its ports and schemes, a base URL for itself alone, and no other host', async () => {
    const bases = [
      'https://bad.example',
      'https://bad.example:8443',
      'http://bad.example:80',
      'https://not-bad.example',
      'https://bad.example.org',
      'https://mixed.example:8443',
      'https://mixed.example',
    ]
    for (const [vout, base] of bases.entries())
      await submission(vout, () => index().put(advert({ vout, domain: base, base })))
    await ban('domain', 'bad.example')
    await ban('domain', 'https://mixed.example:8443')
    expect(await places()).toEqual([3, 4, 6])
  })

  test('answers with the earlier of two equal adverts where the later one is banned', async () => {
    await submission(5, () => index().put(advert()))
    await submission(6, () => index().put(advert({ vout: 1 })))
    expect(await places()).toEqual([1])
    await ban('outpoint', `${txid}.1`)
    expect(await places()).toEqual([0])
    await ban('outpoint', `${txid}.0`)
    expect(await places()).toEqual([])
  })

  test('shows pages of all records, and searches them by any part of what they say', async () => {
    await submission(5, () => index().put(advert()))
    await submission(6, () => index().put(advert({ vout: 1, identityKey: south, ...other })))
    await submission(7, () => index().put(advert({ vout: 2, kind: 'SLAP', name: 'ls_one' })))
    await ban('outpoint', `${txid}.1`)
    const page = (change: object) => index().listRecords({ kind: 'SHIP', offset: 0, limit: 50, ...change })
    expect(await page({ limit: 1 })).toEqual({
      records: [
        {
          ...{ txid, outputIndex: 1, identityKey: south, domain: 'https://two.example', name: 'tm_one' },
          createdMs: 6,
        },
      ],
      total: 2,
    })
    expect(await page({ limit: 1, offset: 1 })).toMatchObject({ records: [{ outputIndex: 0 }], total: 2 })
    for (const [search, total] of [
      ['TWO.example', 1],
      ['tm_', 2],
      [south.slice(4, 20), 1],
      [txid.slice(0, 10), 2],
      ['100%_', 0],
    ])
      expect([search, (await page({ search })).total]).toEqual([search, total])
  })

  test('is emptied for one kind at a time', async () => {
    await submission(5, () => index().put(advert()))
    await submission(5, () => index().put(advert({ vout: 1, kind: 'SLAP', name: 'ls_one' })))
    await index().reset('SHIP')
    expect([await places(), await places({ ...all, kind: 'SLAP' })]).toEqual([[], [1]])
  })

  test('answers as the shortest index does, whatever came', async () => {
    const entry = fc
      .record({
        ...outpoint,
        kind: fc.constantFrom('SHIP' as const, 'SLAP' as const),
        identityKey: fc.constantFrom(...keys),
        base: fc.constantFrom('https://one.example', 'https://two.example'),
        name: fc.constantFrom('tm_one', 'tm_two'),
      })
      .map(said => ({ ...said, domain: said.base }))
    const query: fc.Arbitrary<HostAdvertsQuery> = fc.record({
      kind: fc.constantFrom('SHIP', 'SLAP'),
      base: maybe(fc.constantFrom('https://one.example', 'https://two.example')),
      names: maybe(fc.subarray(['tm_one', 'tm_two'])),
      identityKey: maybe(fc.constantFrom(...keys)),
      order: fc.constantFrom('asc', 'desc'),
      limit: fc.integer({ min: 1, max: 4 }),
      skip: fc.nat(2),
    })
    await fc.assert(
      fc.asyncProperty(steps(entry), fc.array(query, { minLength: 5 }), async (came, queries) => {
        await database.pool.query('truncate host_adverts')
        let now = 0
        const plain = inMemoryHostAdvertsIndex(() => now)
        for (const { entry, remove, nowMs } of came) {
          now = nowMs
          for (const each of [index(), plain]) {
            const step = () => (remove ? each.remove(entry) : each.put(entry))
            await (each === plain ? step() : submission(now, step))
          }
        }
        for (const query of queries) expect(await index().find(query)).toEqual(await plain.find(query))
      }),
      { numRuns: 25 },
    )
  })

  test('can be taken back to before its migration and on again', async () => {
    await discoveryIndexes.down(database.knex)
    await expect(index().find(all)).rejects.toThrow(/host_adverts/)
    await discoveryIndexes.up(database.knex)
    expect(await places()).toEqual([])
  })
})

describe('the index of adverts of content in PostgreSQL', () => {
  const index = () => postgresUhrpIndex(database.pool)
  const advert = (change: Partial<UhrpEntry> = {}): UhrpEntry => ({
    ...{ txid, vout: 0, hash: sha256Hex('content'), hostIdentityKey: north, size: 7, expirySeconds: 100_000 },
    ...{ url: 'https://one.example/content', origin: 'https://one.example' },
    ...change,
  })
  const all: UhrpQuery = { expirySecondsMin: 0, limit: 100, skip: 0 }
  const places = async (query: UhrpQuery = all) => (await index().find(query)).map(({ vout }) => vout)

  test('gives back the largest numbers that an advert can hold', async () => {
    const large = { expirySeconds: Number.MAX_SAFE_INTEGER, size: Number.MAX_SAFE_INTEGER }
    await submission(5, () => index().put(advert({ vout: 0xffff_ffff, ...large })))
    expect(await places({ ...all, expirySecondsMin: Number.MAX_SAFE_INTEGER })).toEqual([0xffff_ffff])
  })

  test('leaves out a banned host, and a banned advert', async () => {
    const two = { url: 'https://two.example/content', origin: 'https://two.example' }
    await submission(5, () => index().put(advert()))
    await submission(5, () => index().put(advert({ vout: 1, expirySeconds: 100_001 })))
    await submission(5, () => index().put(advert({ vout: 2, ...two, expirySeconds: 100_002 })))
    expect(await places()).toEqual([2, 1])
    await ban('domain', 'https://two.example')
    await ban('outpoint', `${txid}.1`)
    expect(await places()).toEqual([0])
    expect(await places({ ...all, outpoint: { txid, vout: 1 } })).toEqual([])
  })

  test('answers as the shortest index does, whatever came', async () => {
    const entry = fc
      .record({
        ...outpoint,
        hash: fc.constantFrom(sha256Hex('one'), sha256Hex('two')),
        hostIdentityKey: fc.constantFrom(...keys),
        origin: fc.constantFrom('https://one.example', 'https://two.example'),
        expirySeconds: fc.nat(3),
      })
      .map(said => ({ ...said, url: `${said.origin}/content`, size: 7 }))
    const query: fc.Arbitrary<UhrpQuery> = fc.record({
      hash: maybe(fc.constantFrom(sha256Hex('one'), sha256Hex('two'))),
      hostIdentityKey: maybe(fc.constantFrom(...keys)),
      outpoint: maybe(fc.record(outpoint)),
      expirySecondsMin: fc.nat(3),
      limit: fc.integer({ min: 1, max: 4 }),
      skip: fc.nat(2),
    })
    await fc.assert(
      fc.asyncProperty(steps(entry), fc.array(query, { minLength: 5 }), async (came, queries) => {
        await index().reset()
        const plain = inMemoryUhrpIndex()
        for (const { entry, remove, nowMs } of came)
          for (const each of [index(), plain]) {
            const step = () => (remove ? each.remove(entry) : each.put(entry))
            await (each === plain ? step() : submission(nowMs, step))
          }
        for (const query of queries) expect(await index().find(query)).toEqual(await plain.find(query))
      }),
      { numRuns: 25 },
    )
  })
})

describe('the index of adverts of agents in PostgreSQL', () => {
  const index = () => postgresAgentsIndex(database.pool)
  const advert = (change: Partial<AgentEntry> = {}): AgentEntry => ({
    ...{ txid, vout: 0, agentKey: north, operator: south, operatorFromMs: 1, operatorToMs: 9000 },
    ...{ capabilities: ['normalize', 'validate'], endpoints: ['https://one.example', 'wss://two.example/x'] },
    ...{ packetsMax: 64, bytesMax: 1 << 24, satoshisPerThousandEvents: 10, region: 'eu', expiresMs: 5000 },
    ...change,
  })
  const all: AgentsQuery = { which: 'all', order: 'asc', limit: 100 }
  const current: AgentsQuery = { ...all, which: 'current' }
  const places = async (query: AgentsQuery) => (await index().find(query)).map(({ vout }) => vout)

  test('gives back what it was given, with and without a region', async () => {
    const large = { bytesMax: Number.MAX_SAFE_INTEGER, operatorToMs: Number.MAX_SAFE_INTEGER }
    const odd = advert({ vout: 0xffff_ffff, region: `'"\\ \u{1f600}`, ...large })
    const { region: _, ...plain } = advert()
    await submission(5, () => index().put(plain))
    await submission(6, () => index().put(odd))
    expect(await index().find(all)).toEqual([
      { ...plain, admittedMs: 5, spent: false },
      { ...odd, admittedMs: 6, spent: false },
    ])
  })

  test('lists an advert as withdrawn that is admitted and spent within one submission', async () => {
    await submission(
      5,
      () => index().put(advert()),
      () => index().markSpent(advert(), another),
    )
    expect(await index().find(all)).toMatchObject([{ spent: true }])
    expect(await places(current)).toEqual([])
    await submission(6, () => index().markUnspent(advert(), txid))
    expect(await places(current)).toEqual([])
    await submission(6, () => index().markUnspent(advert(), another))
    expect(await places(current)).toEqual([0])
  })

  test('holds the advert that expires last against a query, and no other of the same agent', async () => {
    await submission(5, () => index().put(advert()))
    await submission(6, () =>
      index().put(advert({ vout: 1, capabilities: ['normalize'], expiresMs: 6000, region: 'us' })),
    )
    expect(await places({ ...current, capability: 'normalize' })).toEqual([1])
    expect(await places({ ...current, capability: 'validate' })).toEqual([])
    expect(await places({ ...current, region: 'eu' })).toEqual([])
    expect(await places({ ...current, expiresAfterMs: 5999 })).toEqual([1])
    expect(await places({ ...current, expiresAfterMs: 6000 })).toEqual([])
    // Withdrawn, it no longer stands before the one that its agent has left.
    await submission(7, () => index().markSpent({ txid, vout: 1 }, another))
    expect(await places({ ...current, capability: 'validate' })).toEqual([0])
  })

  test('answers as the shortest index does, whatever came', async () => {
    const entry = fc
      .record({
        ...outpoint,
        agentKey: fc.constantFrom(...keys),
        capabilities: fc.subarray(['normalize', 'validate'], { minLength: 1 }),
        satoshisPerThousandEvents: fc.nat(2),
        packetsMax: fc.integer({ min: 1, max: 3 }),
        region: fc.constantFrom('eu', 'us'),
        expiresMs: fc.nat(3),
      })
      .map(said => advert(said))
    const query: fc.Arbitrary<AgentsQuery> = fc.record({
      agentKey: maybe(fc.constantFrom(...keys)),
      operator: maybe(fc.constantFrom(...keys)),
      capability: maybe(fc.constantFrom('normalize', 'validate')),
      region: maybe(fc.constantFrom('eu', 'us')),
      maxPrice: maybe(fc.nat(2)),
      packets: maybe(fc.nat(3)),
      bytes: maybe(fc.nat(1)),
      expiresAfterMs: maybe(fc.nat(3)),
      which: fc.constantFrom('current', 'all'),
      order: fc.constantFrom('asc', 'desc'),
      limit: fc.integer({ min: 1, max: 4 }),
      after: maybe(fc.record({ ...outpoint, admittedMs: fc.nat(3) })),
    })
    await fc.assert(
      fc.asyncProperty(steps(entry), fc.array(query, { minLength: 5 }), async (came, queries) => {
        await index().reset()
        let now = 0
        const plain = inMemoryAgentsIndex(() => now)
        for (const { entry, remove, spentBy, unspent, nowMs } of came) {
          now = nowMs
          for (const each of [index(), plain]) {
            const step = () => {
              if (remove) return each.remove(entry)
              if (spentBy === undefined) return each.put(entry)
              return unspent ? each.markUnspent(entry, spentBy) : each.markSpent(entry, spentBy)
            }
            await (each === plain ? step() : submission(now, step))
          }
        }
        for (const query of queries) expect(await index().find(query)).toEqual(await plain.find(query))
      }),
      { numRuns: 25 },
    )
  })
})

const outpoint = { txid: fc.constantFrom(...txids), vout: fc.nat(1) }

function maybe<T>(value: fc.Arbitrary<T>) {
  return fc.option(value, { nil: undefined })
}

/** Puts mostly. What an outpoint says never changes in truth; here it may, as what came first stays. */
function steps<T>(entry: fc.Arbitrary<T>) {
  return fc.array(
    fc.record({
      entry,
      remove: fc.integer({ min: 0, max: 4 }).map(dice => dice === 0),
      spentBy: fc.oneof(fc.constant(undefined), fc.constant(undefined), fc.constantFrom(...txids)),
      unspent: fc.boolean(),
      nowMs: fc.nat(3),
    }),
    { maxLength: 10 },
  )
}
