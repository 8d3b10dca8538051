import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type AdvertiseDeps,
  advertise,
  advertsOf,
  UNWANTED_MS_MAX,
} from '../../../src/adapters/discovery/advertise.ts'
import { postgresHostAdvertsIndex } from '../../../src/adapters/indexes/host-adverts-index.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { auditFuel } from '../fuel/audit-fuel.ts'
import { type FuelBed, fuelBed } from '../fuel/fuel-bed.ts'

const HOME = 'https://node.example'
const hosted = { topics: ['tm_ship', 'tm_slap'], services: ['ls_ship'] }
const key = party('node')
const heir = party('heir of node')
const adverts = advertsOf(hosted, HOME, key.identityKey)

let made: FuelBed
let nowMs: number
beforeEach(async () => {
  nowMs = 1_800_000_000_000
  made = await fuelBed()
})
afterEach(async () => {
  expect(await auditFuel(made.bed.database.pool)).toEqual([])
  await made.close()
})

const deps = (more: Partial<AdvertiseDeps> = {}): AdvertiseDeps => ({
  pool: made.bed.database.pool,
  fuel: made.fuel,
  identities: [key],
  now: () => nowMs,
  ...more,
})
/** What others find, by what the overlay has admitted. */
async function found(): Promise<string[]> {
  const index = postgresHostAdvertsIndex(made.bed.database.pool)
  const lists = await Promise.all(
    (['SHIP', 'SLAP'] as const).map(kind => index.listRecords({ kind, offset: 0, limit: 100 })),
  )
  const spelled = lists.flatMap(({ records }) =>
    records.map(({ name, identityKey, domain }) => `${name} ${domain} ${ownerOf(identityKey)}`),
  )
  return spelled.sort()
}
const ownerOf = (identityKey: string) => (identityKey === key.identityKey ? 'node' : 'heir')
const all = (domain = HOME, owner = 'node') =>
  ['ls_ship', 'tm_ship', 'tm_slap'].map(name => `${name} ${domain} ${owner}`)
const isFound = (...expected: string[]) =>
  until(async () => String(await found()) === String(expected.sort()))
async function written(): Promise<{ txid: string; stage: string; state: string }[]> {
  const { rows } = await made.bed.database.pool.query<{ txid: string; stage: string; state: string }>(
    `select encode(txid, 'hex') as txid, stage, state from fuel_transactions
      where stage in ('advertise', 'withdraw') order by written_ms, stage`,
  )
  return rows
}
async function rowCount(): Promise<number> {
  const { rows } = await made.bed.database.pool.query('select from own_adverts')
  return rows.length
}

describe('what a node hosts', () => {
  test('is advertised in one transaction, once by two nodes at the same time', async () => {
    await made.fill()
    const other = made.open()
    const answers = await Promise.all([
      advertise(adverts, deps()),
      advertise(adverts, deps({ fuel: other })),
      advertise(adverts, deps()),
    ])
    expect(answers.map(answer => orThrow(answer).made).sort()).toEqual([0, 0, 3])
    await isFound(...all())
    expect(await written()).toHaveLength(1)
  })

  test('and that it stopped hosting is withdrawn once nobody has wanted it for some time', async () => {
    await made.fill()
    orThrow(await advertise(adverts, deps()))
    await isFound(...all())
    const fewer = adverts.filter(({ name }) => name !== 'tm_slap')
    nowMs += UNWANTED_MS_MAX
    expect(orThrow(await advertise(fewer, deps()))).toEqual({ made: 0, withdrawn: 0 })
    nowMs += 1
    expect(orThrow(await advertise(fewer, deps()))).toEqual({ made: 0, withdrawn: 1 })
    await isFound(...all().slice(0, 2))
    expect(orThrow(await advertise(fewer, deps()))).toEqual({ made: 0, withdrawn: 0 })
  })

  test('stays where another node of the database, at another address, wants something else', async () => {
    await made.fill()
    const elsewhere = advertsOf(hosted, 'https://other.example', key.identityKey)
    for (let n = 0; n < 4; n++) {
      orThrow(await advertise(adverts, deps()))
      nowMs += UNWANTED_MS_MAX - 1
      orThrow(await advertise(elsewhere, deps()))
    }
    expect(await written()).toHaveLength(2)
    await isFound(...all(), ...all('https://other.example'))
  })
})

describe('a key that was rotated', () => {
  test('withdraws what it advertised, after the new one has advertised the same', async () => {
    await made.fill()
    orThrow(await advertise(adverts, deps()))
    const anew = advertsOf(hosted, HOME, heir.identityKey)
    const rotated = deps({ identities: [key, heir] })
    expect(orThrow(await advertise(anew, rotated))).toEqual({ made: 3, withdrawn: 0 })
    await isFound(...all(), ...all(HOME, 'heir'))
    nowMs += UNWANTED_MS_MAX + 1
    expect(orThrow(await advertise(anew, rotated))).toEqual({ made: 0, withdrawn: 3 })
    await isFound(...all(HOME, 'heir'))
  })

  test('is no trouble to a node that has not heard of the new one', async () => {
    await made.fill()
    const anew = advertsOf(hosted, 'https://other.example', heir.identityKey)
    orThrow(await advertise(anew, deps({ identities: [key, heir] })))
    nowMs += UNWANTED_MS_MAX + 1
    expect(orThrow(await advertise(adverts, deps()))).toEqual({ made: 3, withdrawn: 0 })
    await isFound(...all(), ...all('https://other.example', 'heir'))
  })
})

describe('an advert that the network would not have', () => {
  /** Its transaction never came to be, as fuel says. */
  const kill = (txid: string) =>
    made.bed.database.pool.query(
      `with dead as (update fuel_transactions set state = 'dead' where txid = decode($1, 'hex'))
       update fuel_coins set spent_by = null where spent_by = decode($1, 'hex')`,
      [txid],
    )

  test('is made anew, and so is a withdrawal', async () => {
    await made.fill()
    await made.fuel.stop()
    orThrow(await advertise(adverts, deps()))
    await kill((await written())[0]?.txid ?? '')
    expect(orThrow(await advertise(adverts, deps()))).toEqual({ made: 3, withdrawn: 0 })
    nowMs += UNWANTED_MS_MAX + 1
    expect(orThrow(await advertise([], deps()))).toEqual({ made: 0, withdrawn: 3 })
    const withdrawal = (await written()).find(({ stage }) => stage === 'withdraw')
    await kill(withdrawal?.txid ?? '')
    expect(orThrow(await advertise([], deps()))).toEqual({ made: 0, withdrawn: 3 })
    expect(orThrow(await advertise([], deps()))).toEqual({ made: 0, withdrawn: 0 })
    await made.fuel.catchUp()
    await isFound()
  })

  test('is not withdrawn once more where its withdrawal died with it', async () => {
    await made.fill()
    await made.fuel.stop()
    orThrow(await advertise(adverts, deps()))
    nowMs += UNWANTED_MS_MAX + 1
    orThrow(await advertise([], deps()))
    for (const { txid } of await written()) await kill(txid)
    expect(orThrow(await advertise([], deps()))).toEqual({ made: 0, withdrawn: 0 })
    expect(orThrow(await advertise(adverts, deps()))).toEqual({ made: 3, withdrawn: 0 })
  })
})

describe('a node without fuel', () => {
  test('writes nothing down, and advertises once there is some', async () => {
    expect(await advertise(adverts, deps())).toMatchObject({ ok: false, fault: { code: 'fuel-exhausted' } })
    expect(await rowCount()).toBe(0)
    await made.fill()
    expect(orThrow(await advertise(adverts, deps()))).toEqual({ made: 3, withdrawn: 0 })
    await isFound(...all())
  })

  test('still wants what it has advertised before', async () => {
    await made.fill()
    await made.fuel.stop()
    orThrow(await advertise(adverts.slice(0, 2), deps()))
    nowMs += UNWANTED_MS_MAX
    const broke = made.open({ key: party('without a coin') })
    expect(await advertise(adverts, deps({ fuel: broke }))).toMatchObject({ ok: false })
    nowMs += UNWANTED_MS_MAX
    const elsewhere = advertsOf(hosted, 'https://other.example', key.identityKey)
    expect(orThrow(await advertise(elsewhere, deps()))).toEqual({ made: 3, withdrawn: 0 })
  })
})

describe('an advert and what is written down of it', () => {
  test('come together or not at all', async () => {
    await made.fill()
    await made.fuel.stop()
    const { pool } = made.bed.database
    await pool.query(`alter table own_adverts add constraint no_room check (name <> 'tm_slap')`)
    await expect(advertise(adverts, deps())).rejects.toThrow('no_room')
    expect(await rowCount()).toBe(0)
    expect(await written()).toEqual([])
    await pool.query('alter table own_adverts drop constraint no_room')
    expect(orThrow(await advertise(adverts, deps()))).toEqual({ made: 3, withdrawn: 0 })
  })
})
