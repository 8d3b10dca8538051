import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { advertiseDue } from '../../../src/adapters/uhrp/advertise-wanted.ts'
import { LOST_PAUSE_MS, wantLostAgain } from '../../../src/adapters/uhrp/adverts.ts'
import { fuelAdverts } from '../../../src/adapters/uhrp/fuel-adverts.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import type { Issuer } from '../../../src/contract/tokens.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { auditFuel } from '../fuel/audit-fuel.ts'
import { type FuelBed, fuelBed } from '../fuel/fuel-bed.ts'

const key = party('node')
const heir = party('heir of node')
const sha256 = sha256Hex('worth telling')

let made: FuelBed
let nowMs: number
beforeEach(async () => {
  nowMs = 1_800_000_000_000
  made = await fuelBed()
  await made.fill()
})
afterEach(async () => {
  expect(await auditFuel(made.bed.database.pool)).toEqual([])
  await made.close()
})

const failures: string[] = []
const deps = (identities: readonly [Issuer, ...Issuer[]] = [key]) => ({
  pool: made.bed.database.pool,
  adverts: fuelAdverts({ fuel: made.fuel, identities }),
  now: () => nowMs,
  urlOf: (name: string) => `https://node.example/uhrp/${name}`,
  onFailure: (_: string, error: unknown) => void failures.push(String(error)),
})
/** As the store writes it down. */
const want = (state: 'wanted' | 'unwanted', expiresMs: number) =>
  made.bed.database.pool.query(
    `insert into uhrp_own_adverts (sha256, length, expires_ms, state, due_ms) values (decode($1, 'hex'), 14, $2, $3, 0)
      on conflict (sha256) do update set expires_ms = excluded.expires_ms, state = excluded.state, due_ms = 0,
        attempts = 0, version = uhrp_own_adverts.version + (case when $3 = 'wanted' then 1 else 0 end)`,
    [sha256, expiresMs, state],
  )
const stands = async () => {
  const { rows } = await made.bed.database.pool.query<{ owner: string; expires: number }>(
    `select encode(host_identity_key, 'hex') as owner, expires_s as expires from uhrp_adverts order by expires_s`,
  )
  return rows.map(({ owner, expires }) => `${owner === key.identityKey ? 'node' : 'heir'} until ${expires}`)
}
const standing = (...expected: string[]) => until(async () => String(await stands()) === String(expected))
const row = async () => {
  const { rows } = await made.bed.database.pool.query<{
    state: string
    version: number
    advert: string | null
  }>('select state, version, advert from uhrp_own_adverts')
  return rows[0]
}

describe('an advert of stored content', () => {
  test('stands where others look, is replaced by the next, and is taken back', async () => {
    await want('wanted', 2_000_000_000_000)
    await advertiseDue(deps())
    await standing('node until 2000000000')
    await want('wanted', 2_100_000_000_000)
    await advertiseDue(deps())
    await standing('node until 2100000000')
    await want('unwanted', 2_100_000_000_000)
    await advertiseDue(deps())
    await standing()
    expect(await row()).toEqual({ state: 'withdrawn', version: 1, advert: null })
    expect(failures).toEqual([])
  })

  test('of an old key is replaced by one of the key that came after it', async () => {
    await want('wanted', 2_000_000_000_000)
    await advertiseDue(deps())
    await standing('node until 2000000000')
    await want('wanted', 2_100_000_000_000)
    await advertiseDue(deps([key, heir]))
    await standing('heir until 2100000000')
  })

  test('of a key that is gone is not replaced, and says whose it is', async () => {
    await want('wanted', 2_000_000_000_000)
    await advertiseDue(deps())
    await want('wanted', 2_100_000_000_000)
    await advertiseDue(deps([heir]))
    expect(failures.splice(0).join()).toContain(key.identityKey)
    expect(await row()).toMatchObject({ state: 'wanted', version: 1 })
  })

  test('is not written where something else was wanted meanwhile, and what is wanted now replaces the one before', async () => {
    await want('wanted', 2_000_000_000_000)
    await advertiseDue(deps())
    const { adverts } = deps()
    await want('wanted', 2_050_000_000_000)
    const slow = {
      ...adverts,
      advertise: async (...asked: Parameters<typeof adverts.advertise>) => {
        const name = await adverts.advertise(...asked)
        await want('wanted', 2_100_000_000_000)
        return name
      },
    }
    await advertiseDue({ ...deps(), adverts: slow })
    await advertiseDue(deps())
    await standing('node until 2100000000')
    const { rows } = await made.bed.database.pool.query<{ rebuild: number }>(
      `select rebuild from fuel_transactions where stage = 'content-advert' order by rebuild`,
    )
    expect(rows.map(({ rebuild }) => rebuild)).toEqual([0, 2])
    expect(failures).toEqual([])
  })

  test('that the network would not have is made anew after a while', async () => {
    await made.fuel.stop()
    await want('wanted', 2_000_000_000_000)
    await advertiseDue(deps())
    const { adverts } = deps()
    expect(await wantLostAgain({ db: made.bed.database.pool, adverts })).toBe(0)
    const refusing = made.open({
      overlay: {
        submit: async () => ({ ok: false, fault: { code: 'not-admitted', detail: 'no' } }),
        letGo: async () => undefined,
      },
    })
    await refusing.catchUp()
    expect(await wantLostAgain({ db: made.bed.database.pool, adverts })).toBe(1)
    expect(await row()).toEqual({ state: 'wanted', version: 1, advert: null })
    expect(await advertiseDue(deps())).toBe(0)
    nowMs += LOST_PAUSE_MS
    expect(await advertiseDue(deps())).toBe(1)
    await made.fuel.catchUp()
    await standing('node until 2000000000')
  })

  test('is written for the topic alone, with a satoshi', async () => {
    await made.fuel.stop()
    await want('wanted', 2_000_000_000_000)
    await advertiseDue(deps())
    const [txid = ''] = (await row())?.advert?.split('.') ?? []
    expect((await made.fuel.find(txid))?.outputs[0]?.satoshis).toBe(1)
    const { rows } = await made.bed.database.pool.query<{ topics: string[] }>(
      `select topics from fuel_transactions where stage = 'content-advert'`,
    )
    expect(rows).toEqual([{ topics: [baseTopics.uhrp] }])
    orThrow(
      await made.fuel.write(
        { subject: sha256, stage: 'content-advert', rebuild: 0 },
        { spends: [], outputs: [], topics: [] },
      ),
    )
  })
})
