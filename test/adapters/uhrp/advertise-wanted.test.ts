import { rm } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { advertiseDue, startAdvertising } from '../../../src/adapters/uhrp/advertise-wanted.ts'
import type { Adverts } from '../../../src/adapters/uhrp/adverts.ts'
import { nodeHolder } from '../../../src/adapters/uhrp/holder.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { type UhrpBed, uhrpBed } from '../../support/uhrp-bed.ts'
import { until } from '../../support/until.ts'

const HOUR_MS = 3_600_000
const bytes = utf8('worth telling\n')
const sha256 = sha256Hex(bytes)
const holder = nodeHolder('test')

let bed: UhrpBed
beforeAll(async () => {
  bed = await uhrpBed()
})
afterEach(() => bed.clear())
afterAll(() => bed.close())

/** Writes down what it is asked for; it is what stands on the other side of the port. */
function notebook(trouble: { next?: Error } = {}) {
  const said: string[] = []
  const fail = () => {
    const { next } = trouble
    delete trouble.next
    if (next !== undefined) throw next
  }
  const adverts: Adverts = {
    async advertise({ sha256, url, length, expirySeconds, version, replaces }) {
      said.push(`advertise ${version} until ${expirySeconds}${replaces ? ` for ${replaces}` : ''}`)
      expect([url, length]).toEqual([`https://node.example/uhrp/${sha256}`, bytes.length])
      fail()
      return `advert ${version}`
    },
    async withdraw({ advert }) {
      said.push(`withdraw ${advert}`)
      fail()
    },
    lost: async () => [],
  }
  return { said, adverts }
}

const failures: unknown[] = []
const deps = (adverts: Adverts) => ({
  pool: bed.database.pool,
  adverts,
  now: bed.now,
  urlOf: (name: string) => `https://node.example/uhrp/${name}`,
  onFailure: (_: string, error: unknown) => void failures.push(error),
})
const store = async (hours: number, audience: 'public' | 'restricted' = 'public') => {
  const retainUntilMs = bed.now() + hours * HOUR_MS
  await bed.store.put(bytes, { holder, audience, retainUntilMs })
  return Math.floor(retainUntilMs / 1000)
}
const states = async () => {
  const { rows } = await bed.database.pool.query<{ state: string }>('select state from uhrp_own_adverts')
  return rows.map(({ state }) => state)
}

const advertNames = async () => {
  const { rows } = await bed.database.pool.query<{ advert: string }>('select advert from uhrp_own_adverts')
  return rows.map(({ advert }) => advert)
}

describe('what is stored publicly', () => {
  test('is advertised once, by one of many processes', async () => {
    const until = await store(2)
    const { said, adverts } = notebook()
    const counts = await Promise.all(Array.from({ length: 4 }, () => advertiseDue(deps(adverts))))
    expect(counts.reduce((sum, each) => sum + each)).toBe(1)
    expect(said).toEqual([`advertise 0 until ${until}`])
    expect(await states()).toEqual(['advertised'])
  })

  test('is advertised anew when it is kept longer, in place of the advert before, and not more often than it may', async () => {
    await store(2)
    const { said, adverts } = notebook()
    await advertiseDue(deps(adverts))
    const retainUntilMs = bed.now() + 5 * HOUR_MS
    for (let n = 0; n < 5; n++) await bed.store.extend(sha256, holder, retainUntilMs + n * HOUR_MS)
    expect(await advertiseDue(deps(adverts))).toBe(0)
    bed.pass(61_000)
    await advertiseDue(deps(adverts))
    expect(said.slice(1)).toEqual([
      `advertise 1 until ${Math.floor(retainUntilMs / 1000) + 4 * 3600} for advert 0`,
    ])
  })

  test('is told again under the same version where the answer was lost', async () => {
    const untilSeconds = await store(2)
    const { said, adverts } = notebook({ next: new Error('killed before it could write that down') })
    await advertiseDue(deps(adverts))
    expect(await states()).toEqual(['wanted'])
    bed.pass(61_000)
    await advertiseDue(deps(adverts))
    expect(said).toEqual([`advertise 0 until ${untilSeconds}`, `advertise 0 until ${untilSeconds}`])
    expect(await states()).toEqual(['advertised'])
  })

  test('gives up a lease that its process died over', async () => {
    await store(2)
    let wakeUp = (_advert: string) => {}
    const asleep: Adverts = {
      ...notebook().adverts,
      advertise: () =>
        new Promise(resolve => {
          wakeUp = resolve
        }),
    }
    const late = advertiseDue(deps(asleep))
    await until(async () => {
      const { rows } = await bed.database.pool.query('select from uhrp_own_adverts where attempts = 1')
      return rows.length === 1
    })
    const { said, adverts } = notebook()
    expect(await advertiseDue(deps(adverts))).toBe(0)
    bed.pass(61_000)
    await advertiseDue(deps(adverts))
    expect(said).toHaveLength(1)
    wakeUp('an advert too late')
    await late
    expect(await advertNames()).toEqual(['advert 0'])
  })

  test('is withdrawn when it expires, or cannot be served any more, and advertised again when it is stored anew', async () => {
    await store(2)
    const { said, adverts } = notebook()
    await advertiseDue(deps(adverts))
    await rm(bed.store.folder.pathOf(sha256))
    expect((await bed.store.open(sha256, 'anybody')).kind).toBe('none')
    await advertiseDue(deps(adverts))
    expect(await states()).toEqual(['withdrawn'])
    bed.pass(61_000)
    await store(2)
    await advertiseDue(deps(adverts))
    bed.pass(3 * HOUR_MS)
    await bed.sweep()
    await advertiseDue(deps(adverts))
    expect(said.map(each => each.replace(/ until.*/, ''))).toEqual([
      'advertise 0',
      'withdraw advert 0',
      'advertise 1',
      'withdraw advert 1',
    ])
  })

  test('is never withdrawn where it was never advertised', async () => {
    await store(2)
    bed.pass(3 * HOUR_MS)
    await bed.sweep()
    const { said, adverts } = notebook()
    await advertiseDue(deps(adverts))
    expect(said).toEqual([])
    expect(await states()).toEqual(['withdrawn'])
  })
})

describe('what is restricted', () => {
  test('is not advertised before it is released to everybody', async () => {
    await store(2, 'restricted')
    const { said, adverts } = notebook()
    await bed.store.release(sha256, holder, { audience: 'restricted', readers: [] })
    expect(await advertiseDue(deps(adverts))).toBe(0)
    await bed.store.release(sha256, holder, { audience: 'public', readers: [] })
    await advertiseDue(deps(adverts))
    expect(said).toHaveLength(1)
  })
})

describe('a node', () => {
  test('advertises what it stores by itself, until it is stopped', async () => {
    const { said, adverts } = notebook()
    const advertising = startAdvertising(deps(adverts))
    await store(2)
    await until(() => said.length === 1)
    await advertising.stop()
  })
})
