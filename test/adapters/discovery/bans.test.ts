import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrations } from '../../../migrations/index.ts'
import { ban, bannedAmong, readBanned } from '../../../src/adapters/discovery/bans.ts'
import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import { migrate } from '../../../src/adapters/postgres/migrate.ts'
import { type TemporaryDatabase, temporaryDatabase } from '../../support/database.ts'
import { silentLog } from '../../support/silent-log.ts'

let temporary: TemporaryDatabase
let database: Database
beforeAll(async () => {
  temporary = await temporaryDatabase()
  database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  await migrate(database, migrations)
}, 60_000)
afterAll(async () => {
  await database.close()
  await temporary.drop()
})

const advert = (domain: string, outputIndex = 0) => ({ txid: 'ab'.repeat(32), outputIndex, domain })

test('a ban of a host holds for all its ports and schemes, one of a base URL for itself alone', async () => {
  const of = (value: string) => ban(database.pool, { type: 'domain', value, reason: null, bannedMs: 0 })
  await of('bad.example')
  await of('https://mixed.example:8443')
  const adverts = [
    'https://bad.example',
    'HTTPS://BAD.example:8443/',
    'https+rtt://bad.example',
    'https://not-bad.example',
    'https://bad.example.org',
    'https://mixed.example:8443',
    'https://mixed.example',
  ].map(each => advert(each))
  expect([...(await bannedAmong(database.pool, adverts))]).toEqual([0, 1, 2, 5].map(n => adverts[n]))
})

test('a ban of an outpoint holds for that output', async () => {
  await ban(database.pool, { type: 'outpoint', value: `${'ab'.repeat(32)}.5`, reason: 'x', bannedMs: 1 })
  const adverts = [advert('https://good.example', 4), advert('https://good.example', 5)]
  expect([...(await bannedAmong(database.pool, adverts))]).toEqual([adverts[1]])
})

test.each([
  ['domain', 'https://A.example/', 'https://a.example'],
  ['domain', 'a.example:80', 'a.example:80'],
  ['domain', 'http://[::1]:80', 'http://[::1]:80'],
  ['domain', 'https://a.example/x', undefined],
  ['domain', 'https://u:p@a.example', undefined],
  ['domain', '', undefined],
  ['domain', `${'a'.repeat(300)}.example`, undefined],
  ['outpoint', `${'AB'.repeat(32)}.007`, `${'ab'.repeat(32)}.7`],
  ['outpoint', `${'ab'.repeat(32)}`, undefined],
] as const)('a banned %s spelled %s is kept as %s', (type, text, kept) => {
  expect(readBanned(type, text)).toBe(kept)
})
