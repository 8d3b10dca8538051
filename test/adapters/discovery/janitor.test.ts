import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkHosts } from '../../../src/adapters/discovery/janitor.ts'
import {
  HOST_FAILURES_MAX,
  postgresHostAdvertsIndex,
} from '../../../src/adapters/indexes/host-adverts-index.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import type { Network } from '../../../src/core/network.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { temporaryDatabase } from '../../support/database.ts'
import type { TemporaryDatabase } from '../../support/new-database.ts'
import { party } from '../../support/pipeline.ts'
import { silentLog } from '../../support/silent-log.ts'
import { type SmallServer, smallServer } from '../../support/small-server.ts'

let temporary: TemporaryDatabase
let database: Database
let host: SmallServer
let asked: (string | undefined)[]
let status: number
let silent: string[]
beforeEach(async () => {
  asked = []
  silent = []
  status = 200
  temporary = await temporaryDatabase()
  database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  host = await smallServer(({ url }) => {
    asked.push(url)
    return { status, body: '{}' }
  })
})
afterEach(async () => {
  await host.stop()
  await database.close()
  await temporary.drop()
})

/** As the topic leaves an advert that it has admitted. */
const admit = (domain: string) =>
  database.pool.query(
    `insert into host_adverts (txid, vout, kind, identity_key, domain, base, name, admitted_ms)
      values (decode($1, 'hex'), 0, 'SHIP', decode($2, 'hex'), $3, $3, 'tm_ship', 1)`,
    [sha256Hex(domain), party('host').identityKey, domain],
  )
const check = (network: Network = 'local') =>
  checkHosts({
    db: database.pool,
    outgoing: openOutgoing({ network }),
    now: () => 1_800_000_000_000,
    onSilent: domain => void silent.push(domain),
  })
const listed = async () =>
  (await postgresHostAdvertsIndex(database.pool).hostsOf('tm_ship')).map(({ domain }) => domain)

describe('a host that is advertised', () => {
  test.each([200, 404, 503])('is there when it answers at all, also with %i', async answer => {
    status = answer
    await admit(host.url)
    for (let n = 0; n <= HOST_FAILURES_MAX; n++) expect(await check()).toEqual({ checked: 1, silent: 0 })
    expect(asked).toEqual(Array.from({ length: HOST_FAILURES_MAX + 1 }, () => '/health/live'))
    expect(await listed()).toEqual([host.url])
  })

  test('is left out once it has been silent several times in a row, which is told once, and is back with an answer', async () => {
    await admit(host.url)
    await host.stop()
    for (let n = 1; n < HOST_FAILURES_MAX; n++) expect(await check()).toEqual({ checked: 1, silent: 0 })
    expect(await listed()).toEqual([host.url])
    expect(await check()).toEqual({ checked: 1, silent: 1 })
    expect(await check()).toEqual({ checked: 1, silent: 1 })
    expect(silent).toEqual([host.url])
    expect(await listed()).toEqual([])
    await host.startAgain()
    expect(await check()).toEqual({ checked: 1, silent: 0 })
    expect(await listed()).toEqual([host.url])
  })

  test('is not called where calls may not go, and counts as silent', async () => {
    await admit(host.url)
    for (let n = 0; n < HOST_FAILURES_MAX; n++) await check('testnet')
    expect(asked).toEqual([])
    expect(silent).toEqual([host.url])
  })

  test('is not taken for a silent one where it is reached in another way than ours', async () => {
    await admit('wss://one.example')
    await admit('https+bsvauth://one.example')
    for (let n = 0; n < HOST_FAILURES_MAX; n++) expect(await check()).toEqual({ checked: 0, silent: 0 })
    expect(await listed()).toHaveLength(2)
  })

  test('does not keep others from being checked', async () => {
    await admit('http://127.0.0.1:9')
    await admit(host.url)
    for (let n = 0; n < HOST_FAILURES_MAX; n++) await check()
    expect(await listed()).toEqual([host.url])
    expect(silent).toEqual(['http://127.0.0.1:9'])
  })

  test('is forgotten with its last advert', async () => {
    await admit(host.url)
    await check()
    await database.pool.query('delete from host_adverts')
    expect(await check()).toEqual({ checked: 0, silent: 0 })
    expect((await database.pool.query('select from host_checks')).rows).toHaveLength(0)
  })
})
