import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { baseTopics } from '../../../src/contract/names.ts'
import { batchChain, one } from '../../support/batch-chains.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

const publisher = party('publisher')
const topic = baseTopics.ingest

let bed: OverlayBed
beforeAll(async () => {
  bed = await overlayBed()
})
afterAll(() => bed.close())

describe('a fault injected at any statement', () => {
  test.each(['before', 'after'] as const)(
    'of a submission, %s it runs, leaves nothing half-written',
    async moment => {
      const statements = await statementsOf(async pool => {
        const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
        await bed.open({ pool }).submit(bed.submissionOf(chain[2] ?? one(chain), ...chain))
      })
      expect(statements).toBe(2)
      for (let at = 1; at <= statements; at++) {
        const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
        const submission = bed.submissionOf(chain[2] ?? one(chain), ...chain)
        const failing = bed.open({ pool: failingPool(bed.database.pool, at, moment) })
        await expect(failing.submit(submission)).rejects.toThrow('injected')
        const half = await storedOf(chain)
        expect(half === 0 || (half === 3 && moment === 'after' && at === statements)).toBe(true)
        expect(await findDisagreements(bed.database.pool)).toEqual([])

        expect(await bed.overlay.submit(submission)).toEqual({
          ok: true,
          value: { [topic]: { outputsToAdmit: [0], coinsToRetain: [0], coinsRemoved: [] } },
        })
        expect(await storedOf(chain)).toBe(3)
      }
    },
  )

  test.each(['before', 'after'] as const)(
    'of an eviction, %s it runs, leaves nothing half-written',
    async moment => {
      const statements = await statementsOf(async pool => {
        const chain = await admitted()
        await bed.open({ pool }).evict(one(chain).txid, 'a rehearsal')
      })
      expect(statements).toBeGreaterThan(8)
      for (let at = 1; at <= statements; at++) {
        const chain = await admitted()
        const failing = bed.open({ pool: failingPool(bed.database.pool, at, moment) })
        await expect(failing.evict(one(chain).txid, 'a test')).rejects.toThrow('injected')
        expect([0, 3]).toContain(await storedOf(chain))
        expect(await findDisagreements(bed.database.pool)).toEqual([])
      }
    },
  )

  test('while a block is worked in does not keep its proofs away, though no other block comes', async () => {
    let failing = false
    const pool = watchedPool(bed.database.pool, async run => {
      if (failing) throw new Error('injected')
      return run()
    })
    const overlay = bed.open({ pool })
    await overlay.start()
    const [batch] = batchChain(publisher, one(await bed.fund(publisher, 1)), 1)
    if (batch === undefined) throw new Error('no batch')
    await overlay.submit(bed.submissionOf(batch))
    await until(async () => (await bed.chain.statusOf([batch.txid])).has(batch.txid))
    failing = true
    await bed.mine()
    await until(() => bed.reports.some(({ what }) => what === 'onFollowFailure'))
    failing = false
    await until(async () => (await provenOf(batch.txid)) === 1)
    await overlay.stop()
  })
})

async function provenOf(txid: string): Promise<number> {
  const { rows } = await bed.database.pool.query<{ n: number }>(
    `select count(proof)::int as n from transactions where txid = decode($1, 'hex')`,
    [txid],
  )
  return rows[0]?.n ?? -1
}

async function admitted() {
  const chain = batchChain(publisher, one(await bed.fund(publisher, 1)), 3)
  await bed.overlay.submit(bed.submissionOf(chain[2] ?? one(chain), ...chain))
  return chain
}

async function storedOf(chain: readonly { readonly txid: string }[]): Promise<number> {
  const { rows } = await bed.database.pool.query<{ n: number }>(
    `select count(*)::int as n from transactions where encode(txid, 'hex') = any ($1)`,
    [chain.map(({ txid }) => txid)],
  )
  return rows[0]?.n ?? -1
}

/** How many statements `work` runs through the pool it is handed. */
async function statementsOf(work: (pool: Pool) => Promise<void>): Promise<number> {
  let count = 0
  await work(
    watchedPool(bed.database.pool, async run => {
      count += 1
      return run()
    }),
  )
  return count
}

/** The real pool, over which one statement fails: before the server has heard of it, or after it has answered. */
function failingPool(pool: Pool, at: number, moment: 'before' | 'after'): Pool {
  let count = 0
  return watchedPool(pool, async run => {
    count += 1
    if (count === at && moment === 'before') throw new Error('injected')
    const answer = await run()
    if (count === at) throw new Error('injected')
    return answer
  })
}

type Watch = (run: () => Promise<unknown>) => Promise<unknown>

function watchedPool(pool: Pool, watch: Watch): Pool {
  const watched = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(_, name) {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        if (name === 'query')
          return (...given: unknown[]) => watch(() => Reflect.apply(member, target, given))
        if (name === 'connect') return async () => watched(await Reflect.apply(member, target, []))
        return member.bind(target)
      },
    })
  return watched(pool)
}
