import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { showSource } from '../../../src/adapters/registry/list-registry.ts'
import {
  LIVE_SECRETS_MAX,
  revokeSecret,
  rotateSecret,
  sourcesWithoutSecret,
} from '../../../src/adapters/registry/secrets.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readWebhookSecret } from '../../../src/core/registry/webhook-secret.ts'
import { until } from '../../support/until.ts'
import { type RegistryBed, registryBed } from './registry-bed.ts'

let bed: RegistryBed
beforeAll(async () => {
  bed = await registryBed()
})
afterAll(() => bed.end())

const HOUR = 3_600_000
const rotate = async (sourceId: string, overlapMs = HOUR) =>
  orThrow(await rotateSecret(bed.changes, sourceId, { who: 'test', overlapMs }))
const keyOf = (secret: string) => orThrow(readWebhookSecret(secret))

describe('a secret of a source', () => {
  test('is 32 bytes behind whsec_, and takes over from the one before it within the overlap', async () => {
    await bed.putSource({ sourceId: 'w', authentication: 'hmac' })
    const registry = bed.open()
    const first = await rotate('w')
    expect(first.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(await registry.secrets('w')).toEqual([keyOf(first.secret)])

    const second = await rotate('w')
    await until(async () => (await registry.secrets('w')).length === 2)
    expect(await registry.secrets('w')).toEqual([keyOf(second.secret), keyOf(first.secret)])

    bed.clock.nowMs += HOUR - 1
    expect(await registry.secrets('w')).toHaveLength(2)
    bed.clock.nowMs += 1
    expect(await registry.secrets('w')).toEqual([keyOf(second.secret)])
  })

  test('can be taken out at once, and is nowhere any more', async () => {
    await bed.putSource({ sourceId: 'leaked', authentication: 'hmac' })
    const registry = bed.open({ ageMsMax: 60_000 })
    const { number } = await rotate('leaked')
    const { secret } = await rotate('leaked')
    expect(await registry.secrets('leaked')).toHaveLength(2)
    expect(await revokeSecret(bed.changes, 'leaked', number, 'test')).toEqual({
      ok: true,
      value: { did: 'revoked' },
    })
    await until(async () => (await registry.secrets('leaked')).length === 1)
    expect(await registry.secrets('leaked')).toEqual([keyOf(secret)])
    expect(orThrow(await revokeSecret(bed.changes, 'leaked', number, 'test')).did).toBe('nothing')
    const { rows } = await bed.database.pool.query(
      `select number, sealed is null as gone from source_secrets where source_id = 'leaked' order by number`,
    )
    expect(rows).toEqual([
      { number: 1, gone: true },
      { number: 2, gone: false },
    ])
  })

  test('is not in the database as it is, nor in what is recorded of it', async () => {
    await bed.putSource({ sourceId: 'hidden', authentication: 'hmac' })
    const { secret } = await rotate('hidden')
    const { rows } = await bed.database.pool.query(
      `select (select json_agg(s)::text from source_secrets as s) || (select json_agg(c)::text from registry_changes as c)
         as all`,
    )
    const kept = rows[0].all
    expect(kept).toContain('hidden')
    expect(kept).not.toContain(secret.slice(6))
    expect(kept).not.toContain(Buffer.from(keyOf(secret)).toString('hex'))
    expect(JSON.stringify(await showSource(bed.database.pool, 'hidden'))).not.toContain(secret.slice(6))
  })

  test('does not open in the place of another', async () => {
    await bed.putSource({ sourceId: 'mine', authentication: 'hmac' })
    await bed.putSource({ sourceId: 'yours', authentication: 'hmac' })
    await rotate('mine')
    await bed.database.pool.query(
      `insert into source_secrets (source_id, number, sealed, fingerprint, created_ms)
         select 'yours', number, sealed, fingerprint, created_ms from source_secrets where source_id = 'mine'`,
    )
    await expect(bed.open().secrets('yours')).rejects.toThrow('secret 1 of source yours')
  })

  test('is one of a few', async () => {
    await bed.putSource({ sourceId: 'many', authentication: 'hmac' })
    for (let i = 0; i < LIVE_SECRETS_MAX; i++) await rotate('many')
    const refused = await rotateSecret(bed.changes, 'many', { who: 'test' })
    expect(refused).toMatchObject({ fault: { detail: expect.stringContaining('8 live secrets') } })
    bed.clock.nowMs += 2 * HOUR
    expect((await rotate('many')).number).toBe(LIVE_SECRETS_MAX + 1)
  })

  test('is for sources that there are', async () => {
    const refused = await rotateSecret(bed.changes, 'nobody', { who: 'test' })
    expect(refused).toMatchObject({ fault: { detail: expect.stringContaining('no source nobody') } })
    expect(await revokeSecret(bed.changes, 'nobody', 1, 'test')).toMatchObject({ ok: false })
  })

  test('is missed where a source signs with one and has none that lives', async () => {
    await bed.putSource({ sourceId: 'bare', authentication: 'hmac' })
    await bed.putSource({ sourceId: 'off', authentication: 'hmac', enabled: false })
    const without = () => sourcesWithoutSecret(bed.database.pool, bed.clock.nowMs)
    expect(await without()).toEqual(['bare'])
    await rotate('bare')
    expect(await without()).toEqual([])
  })
})
