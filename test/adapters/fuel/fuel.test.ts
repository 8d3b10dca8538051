import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { ownFaucet } from '../../../src/adapters/fuel/local-faucet.ts'
import { inTransaction } from '../../../src/adapters/postgres/sql.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { until } from '../../support/until.ts'
import { auditFuel } from './audit-fuel.ts'
import { type FuelBed, fuelBed, plainPlan, purpose, written } from './fuel-bed.ts'

let beds: FuelBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) {
    expect(await auditFuel(each.bed.database.pool)).toEqual([])
    await each.close()
  }
  beds = []
})
async function withBed(...args: Parameters<typeof fuelBed>): Promise<FuelBed> {
  const made = await fuelBed(...args)
  beds.push(made)
  return made
}

describe('the pool of a local node', () => {
  test('fills itself from the faucet, in coins of parents that blocks hold', async () => {
    const { fuel, fill, reports } = await withBed()
    expect(await fuel.level()).toMatchObject({ outputs: 0, seconds: 0, spentTodaySatoshis: 0 })
    await fill()
    expect(await fuel.level()).toMatchObject({ outputs: 40, seconds: 10 })
    expect(reports.filter(({ what }) => what !== 'onRefill')).toEqual([])
  })

  test('has a block for what came in, although the last one held it before it was written down', async () => {
    const { bed, open } = await withBed()
    const fuel = open({
      async faucet(...asked) {
        const paid = await ownFaucet(bed.chain)(...asked)
        await bed.chain.mine()
        // So that whoever follows the chain has been told of the block, and knows of nothing that it could hold.
        await sleep(300)
        return paid
      },
    })
    await fuel.start()
    // It can pay, or has been divided already into coins that wait for a block, which does not come here.
    await until(async () => {
      const { free, coming } = await fuel.holdings()
      return free.treasury.coins > 0 || coming.treasury.coins > 1
    })
  })
})

describe('a purpose', () => {
  test('has one transaction, which is sent by itself and pays its fee', async () => {
    const { fuel, fill, bed } = await withBed()
    await fill()
    const transaction = await written(fuel, 'round 1')
    expect(await written(fuel, 'round 1')).toEqual(transaction)
    await until(async () => (await bed.chain.statusOf([transaction.txid])).size === 1)
    const paid = transaction.outputs.reduce((sum, { satoshis }) => sum + satoshis, 0)
    expect(1000 - paid).toBeGreaterThanOrEqual(Math.ceil(transaction.raw.length / 10))
    expect(1000 - paid).toBeLessThan(transaction.raw.length / 10 + 2)
    expect(transaction.version).toBe(1)
  })

  test('has one transaction too where many ask at once, in two processes', async () => {
    const { fuel, fill, open } = await withBed()
    await fill()
    const other = open()
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, i) => written(i % 2 === 0 ? fuel : other, 'round 1')),
    )
    expect(new Set(all.map(({ txid }) => txid)).size).toBe(1)
    await until(async () => (await fuel.level()).spentTodaySatoshis > 0)
  })

  test('is written in the transaction of its caller, and gone with it', async () => {
    const { fuel, fill, bed } = await withBed()
    await fill()
    const before = await fuel.level()
    await inTransaction(
      bed.database.pool,
      async db => orThrow(await fuel.write(purpose('round 1'), plainPlan(), db)),
      { keep: () => false },
    )
    expect(await fuel.level()).toEqual(before)
    const kept = await inTransaction(bed.database.pool, async db =>
      orThrow(await fuel.write(purpose('round 1'), plainPlan(), db)),
    )
    await until(async () => (await bed.chain.statusOf([kept.txid])).size === 1)
  })

  test('is refused in the transaction of its caller without harm to the rest of it', async () => {
    const { fuel, bed } = await withBed()
    const answer = await inTransaction(bed.database.pool, async db => {
      const refusal = await fuel.write(purpose('round 1'), plainPlan(), db)
      const { rows } = await db.query<{ one: number }>('select 1 as one')
      return { refusal, rows }
    })
    expect(answer).toMatchObject({
      refusal: { ok: false, fault: { code: 'fuel-exhausted' } },
      rows: [{ one: 1 }],
    })
  })

  test('that one coin does not pay for takes several', async () => {
    const { fuel, fill } = await withBed()
    await fill()
    const { inputs } = orThrow(await fuel.write(purpose('many seats'), plainPlan(100, 28)))
    expect(inputs).toHaveLength(3)
    expect((await fuel.level()).outputs).toBe(37)
  })

  test('of one subject has the coins of one parent, whoever else writes between', async () => {
    const { fuel, fill } = await withBed()
    await fill()
    const parents = new Map<string, Set<string>>()
    for (const stage of ['normalize', 'validate', 'certify', 'certificate'])
      for (const round of ['round 1', 'round 2', 'round 3']) {
        const { inputs } = await written(fuel, round, stage)
        const own = parents.get(round) ?? new Set()
        for (const { txid } of inputs) own.add(txid)
        parents.set(round, own)
      }
    expect([...parents.values()].map(({ size }) => size)).toEqual([1, 1, 1])
  })
})
