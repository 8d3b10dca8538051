import { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import { type Listening, listenTo } from '../../../src/adapters/postgres/listen.ts'
import { temporaryDatabase } from '../../support/database.ts'
import { type MovableAddress, movableAddress } from '../../support/movable-address.ts'
import type { TemporaryDatabase } from '../../support/new-database.ts'
import { silentLog } from '../../support/silent-log.ts'
import { until } from '../../support/until.ts'

let temporary: TemporaryDatabase
let address: MovableAddress
let database: Database
/** Not by way of the address. */
let direct: Database
let listening: Listening
let heard: string[]
const port = () => Number(new URL(temporary.url).port)

beforeEach(async () => {
  temporary = await temporaryDatabase()
  address = await movableAddress(port())
  heard = []
  const options = { url: temporary.url, log: silentLog, applicationName: 'listening' }
  direct = await openDatabase(options)
  database = await openDatabase({ ...options, url: address.at(temporary.url) })
  listening = listenTo({
    session: database.session,
    channels: ['news'],
    onNotice: (channel, payload) => heard.push(`${channel} ${payload}`),
    onGap: () => heard.push('gap'),
    onFailure: () => heard.push('failure'),
    bounds: { askMs: 20, silenceMs: 200 },
  })
  await until(() => heard.includes('gap'))
})
afterEach(async () => {
  await address.close()
  await database.close()
  await direct.close()
  await temporary.drop()
})
const say = (text: string) => direct.pool.query("select pg_notify('news', $1)", [text])

describe('what is heard of a server', () => {
  test('is heard of the one that comes to its address after it has gone without a word', async () => {
    await say('one')
    await until(() => heard.includes('news one'))
    address.fallSilent()
    await until(() => heard.includes('failure'))
    address.moveTo(port())
    heard.length = 0
    await until(() => heard.includes('gap'))
    await say('two')
    await until(() => heard.includes('news two'))
    await listening.stop()
    expect(heard).toEqual(['gap', 'news two'])
  })

  test('is not waited for by who stops, be the server there or gone without a word', async () => {
    address.fallSilent()
    await listening.stop()
    address.moveTo(port())
    const again: string[] = []
    const { session } = database
    const more = listenTo({
      ...{ session, channels: ['news'], onNotice: () => undefined, onFailure: () => undefined },
      onGap: () => again.push('gap'),
    })
    await until(() => again.length > 0)
    await more.stop()
    expect(again).toEqual(['gap'])
  })
})

test('a database that is closed leaves no connection to a server that has gone without a word', async () => {
  const client = await database.pool.connect()
  const { stream } = z.object({ stream: z.instanceof(Socket) }).parse(Reflect.get(client, 'connection'))
  client.release()
  await listening.stop()
  address.fallSilent()
  await database.close()
  await until(() => stream.destroyed)
})
