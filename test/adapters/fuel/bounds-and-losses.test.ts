import { afterEach, describe, expect, test } from 'vitest'
import type { Chain } from '../../../src/adapters/chain/chain.ts'
import { LEASE_MS } from '../../../src/adapters/fuel/sender.ts'
import { findTransactions } from '../../../src/adapters/overlay/find-transactions.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { until } from '../../support/until.ts'
import { auditFuel } from './audit-fuel.ts'
import { batchPlan, type FuelBed, fuelBed, payer, plainPlan, purpose, written } from './fuel-bed.ts'

const beds: FuelBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) {
    const faults = await auditFuel(each.bed.database.pool)
    expect(faults.filter(fault => !thefts.has(fault.slice(0, 64)))).toEqual([])
    await each.close()
  }
})
/** Transactions that a test has made with our key behind our back: the audit is right about them. */
const thefts = new Set<string>()
async function withBed(...args: Parameters<typeof fuelBed>): Promise<FuelBed> {
  const made = await fuelBed(...args)
  beds.push(made)
  return made
}
async function stateOf({ bed }: FuelBed, txid: string) {
  const { rows } = await bed.database.pool.query<{
    state: string
    attempts: number
    last_error: string | null
  }>(`select state, attempts, last_error from fuel_transactions where txid = decode($1, 'hex')`, [txid])
  return rows[0]
}

/** Spends our coins elsewhere, as somebody would who has the key too, for a batch of events. */
function theftOf(inputs: Transaction['inputs'], text: string): Transaction {
  const theft = signTransaction(
    inputs.map(({ txid, vout }) => ({
      txid,
      vout,
      spent: { satoshis: 1000, script: p2pkhLock(payer.publicKey) },
      privateKey: payer.privateKey,
    })),
    batchPlan(text).outputs,
  )
  thefts.add(theft.txid)
  return theft
}

describe('a transaction for a topic', () => {
  test('goes to our own overlay, and with all that proves it to the network', async () => {
    const made = await withBed()
    await made.fill()
    const transaction = orThrow(await made.fuel.write(purpose('batch'), batchPlan('{"n":1}\n')))
    await until(async () => (await stateOf(made, transaction.txid))?.state === 'seen')
    const found = orThrow(await made.bed.overlay.lookup('ls_gitdata_events', { txid: transaction.txid }))
    expect(found.outputs).toHaveLength(1)
    await made.bed.chain.mine()
    await until(async () => (await stateOf(made, transaction.txid))?.state === 'mined')
  })

  test('that our topics take nothing of is dead, and its coin is free again', async () => {
    const made = await withBed()
    await made.fill()
    const before = await made.fuel.level()
    const plan = { ...plainPlan(), topics: [baseTopics.ingest] }
    const { txid } = orThrow(await made.fuel.write(purpose('no batch'), plan))
    await until(async () => (await stateOf(made, txid))?.state === 'dead')
    expect(await made.fuel.level()).toEqual(before)
    expect((await made.bed.chain.statusOf([txid])).size).toBe(0)
  })
})

describe('a coin', () => {
  test('that is spent elsewhere is not free again when its transaction dies, and another one of it is', async () => {
    const made = await withBed()
    await made.fill()
    await made.fuel.stop()
    const { fuel, bed } = made
    const { outputs } = await fuel.level()
    const ours = orThrow(await fuel.write(purpose('two coins'), plainPlan(100, 15)))
    const theft = theftOf(ours.inputs.slice(0, 1), '{"n":1}\n')
    expect(await bed.chain.broadcast([theft])).toEqual({ kind: 'accepted' })
    const beef = orThrow(readBeef((await bed.chain.beefOf(theft.txid)) ?? new Uint8Array()))
    orThrow(await bed.overlay.submit({ beef, topics: [baseTopics.ingest] }))
    await fuel.catchUp()
    expect(await stateOf(made, ours.txid)).toMatchObject({ state: 'dead' })
    expect((await fuel.level()).outputs).toBe(outputs - 1)
    expect((await fuel.holdings()).contested).toEqual({ coins: 1, satoshis: 1000 })
  })

  test('is held back where nobody here knows what took the place of its transaction', async () => {
    const made = await withBed()
    await made.fill()
    await made.fuel.stop()
    const { fuel, bed } = made
    const ours = orThrow(await fuel.write(purpose('two coins'), plainPlan(100, 15)))
    await bed.chain.broadcast([theftOf(ours.inputs.slice(0, 1), '{"n":1}\n')])
    await fuel.catchUp()
    expect(await stateOf(made, ours.txid)).toMatchObject({ state: 'dead' })
    expect((await fuel.holdings()).contested).toEqual({ coins: 2, satoshis: 2000 })
  })

  test('of a transaction that died is spent by another one, and the dead one is never sent again', async () => {
    const made = await withBed()
    await made.fill()
    await made.fuel.stop()
    const { fuel, bed } = made
    const overlay = {
      submit: async () => ({ ok: false, fault: { code: 'not-admitted', detail: 'no' } }) as const,
      letGo: async () => undefined,
    }
    const strict = made.open({ overlay })
    const dead = orThrow(await strict.write(purpose('batch'), batchPlan('{"n":1}\n')))
    await strict.catchUp()
    expect(await stateOf(made, dead.txid)).toMatchObject({ state: 'dead', attempts: 1 })
    const again = orThrow(await fuel.write(purpose('batch', 'normalize', 1), batchPlan('{"n":1}\n')))
    await fuel.catchUp()
    expect(again.txid).not.toBe(dead.txid)
    expect((await bed.chain.statusOf([again.txid, dead.txid])).has(dead.txid)).toBe(false)
    expect(await stateOf(made, dead.txid)).toMatchObject({ state: 'dead', attempts: 1 })
    // The purpose keeps the one it had: to build another is for its owner to decide.
    expect(await fuel.write(purpose('batch'), plainPlan())).toEqual({ ok: true, value: dead })
  })

  test('is taken back when a reorganisation takes its block, and pays again in the next', async () => {
    const made = await withBed()
    await made.fill()
    const { fuel, bed } = made
    const { height } = await bed.chain.tip()
    const spending = await written(fuel, 'round 1')
    await until(async () => (await stateOf(made, spending.txid))?.state === 'seen')
    const pool = bed.database.pool
    await bed.chain.reorganise({ depth: height })
    await until(async () => made.reports.some(({ what }) => what === 'onReorganisation'))
    await until(async () => {
      await bed.chain.mine()
      const { rows } = await pool.query<{ count: number }>(
        `select count(*)::int as count from fuel_transactions where state <> 'mined'`,
      )
      return rows[0]?.count === 0
    })
    expect((await fuel.level()).outputs).toBe(39)
  })
})

describe('what the network has taken', () => {
  test('and turns down afterwards dies of what it says when it is asked again, and its coin is free', async () => {
    const made = await withBed()
    await made.fill()
    await made.fuel.stop()
    const { bed } = made
    const before = await made.fuel.level()
    const { txid } = await written(made.fuel, 'round 1')
    await made.fuel.catchUp()
    expect(await stateOf(made, txid)).toMatchObject({ state: 'seen' })
    const detail = 'its fee is too low\0 after all'
    // As a network speaks whose miners would not have it.
    const chain: Chain = {
      ...bed.chain,
      statusOf: async txids => new Map(txids.map(each => [each, { kind: 'refused', detail }])),
      broadcast: async () => ({ kind: 'rejected', reason: 'invalid', detail, competing: [] }),
    }
    const fuel = made.open({ chain })
    await fuel.catchUp()
    await fuel.catchUp()
    expect(await stateOf(made, txid)).toMatchObject({ state: 'dead', attempts: 2 })
    expect(await fuel.dead([txid])).toEqual([txid])
    expect(await fuel.level()).toEqual(before)
  })

  test('is found by who sends what spends it, though no topic has taken it', async () => {
    const made = await withBed()
    await made.fill()
    const { txid } = await written(made.fuel, 'round 1')
    const found = await findTransactions([txid], made.bed.database.pool)
    expect(found.map(each => each.txid)).toEqual([txid])
  })
})

describe('a transaction that the network takes long to answer about', () => {
  test('holds up no other', async () => {
    const made = await withBed()
    await made.fill()
    await made.fuel.stop()
    const { chain } = made.bed
    const slow = await written(made.fuel, 'slow')
    let answer = () => {}
    const answered = new Promise<void>(resolve => {
      answer = resolve
    })
    const asked: string[] = []
    const fuel = made.open({
      chain: {
        ...chain,
        async broadcast(transactions) {
          const { txid } = transactions.at(-1) ?? slow
          asked.push(txid)
          if (txid === slow.txid) await answered
          return chain.broadcast(transactions)
        },
      },
    })
    await fuel.start()
    await until(() => asked.includes(slow.txid))
    const others = await Promise.all([1, 2, 3].map(n => written(fuel, `other ${n}`)))
    await until(async () => (await chain.statusOf(others.map(({ txid }) => txid))).size === 3)
    // Its lease runs out meanwhile.
    await made.bed.database.pool.query('update fuel_transactions set due_ms = 0 where txid = $1', [
      bytea(slow.txid),
    ])
    const last = await written(fuel, 'after its lease')
    await until(async () => (await chain.statusOf([last.txid])).size === 1)
    expect(asked.filter(txid => txid === slow.txid)).toHaveLength(1)
    answer()
    await until(async () => (await chain.statusOf([slow.txid])).size === 1)
  })
})

describe('what was stored by a process that died', () => {
  test('is sent by another one when the lease of the first has run out, and not before', async () => {
    let nowMs = 1_800_000_000_000
    const made = await withBed({}, { now: () => nowMs })
    await made.fill()
    await made.fuel.stop()
    // Takes it up, and is never heard of again.
    const lost = made.open({
      overlay: { submit: () => new Promise(() => undefined), letGo: async () => undefined },
    })
    const transaction = orThrow(await lost.write(purpose('batch'), batchPlan('{"n":1}\n')))
    void lost.catchUp()
    await until(async () => (await stateOf(made, transaction.txid))?.attempts === 1)
    await made.fuel.catchUp()
    expect(await stateOf(made, transaction.txid)).toMatchObject({ state: 'stored', attempts: 1 })
    nowMs += LEASE_MS
    await made.fuel.catchUp()
    expect(await stateOf(made, transaction.txid)).toMatchObject({ state: 'seen', attempts: 2 })
    expect((await made.bed.chain.statusOf([transaction.txid])).size).toBe(1)
  })
})

describe('a pool without coins', () => {
  test('says what waits for a block, and when the next one may come', async () => {
    const made = await withBed()
    await made.fuel.start()
    await until(async () => {
      const { coming, unsent } = await made.fuel.holdings()
      if (coming.fuel.coins === 40 && unsent === 0) return true
      // Once the coins are there, no block may come any more: only what they are made of waits for one.
      if (coming.fuel.coins === 0 && coming.treasury.coins > 0) await made.bed.chain.mine()
      return false
    })
    const answer = await made.fuel.write(purpose('early'), plainPlan())
    expect(answer).toMatchObject({ ok: false, fault: { code: 'fuel-exhausted' } })
    expect(answer.ok ? '' : answer.fault.detail).toContain(
      '40 coins wait for the next block; one comes about every 1 s',
    )
  })

  test('says how to fund it where nothing is on its way', async () => {
    const { fuel } = await withBed()
    const answer = await fuel.write(purpose('early'), plainPlan())
    expect(answer.ok ? '' : answer.fault.detail).toContain('assay wallet fund')
  })
})

describe('a budget', () => {
  test('bounds what is spent in a day, whoever spends at once, and not a satoshi more', async () => {
    let nowMs = 1_800_000_000_000
    const made = await withBed({ satsPerDayMax: 3_000 }, { now: () => nowMs })
    await made.fill()
    const { fuel } = made
    const before = await fuel.level()
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => fuel.write(purpose(`round ${i}`), plainPlan(300))),
    )
    const refusals = answers.filter(({ ok }) => !ok)
    expect(refusals.length).toBeGreaterThan(2)
    for (const refusal of refusals) expect(refusal).toMatchObject({ fault: { code: 'budget-exhausted' } })
    const { spentTodaySatoshis, budgetSatoshis, outputs } = await fuel.level()
    expect(budgetSatoshis).toBe(3_000)
    expect(spentTodaySatoshis).toBeLessThanOrEqual(3_000)
    expect(spentTodaySatoshis).toBeGreaterThan(3_000 - 350)
    expect(outputs).toBe(before.outputs - (12 - refusals.length))
    nowMs += 86_400_000
    expect(await fuel.write(purpose('round 0 of the next day'), plainPlan(300))).toMatchObject({ ok: true })
  })
})

describe('small coins that are made into one', () => {
  test('are gathered anew where the network would not have it, and nothing counts for the day that was not stored', async () => {
    const made = await withBed({ horizonSeconds: 0 }, { faucet: async () => refuse() })
    const { fuel, bed } = made
    const paid = await bed.chain.pay({ lockingScript: fuel.lock, satoshis: 900, outputs: 10 })
    if (paid.kind !== 'funded') throw new Error(paid.detail)
    await bed.mine()
    orThrow(await fuel.fund((await bed.chain.beefOf(paid.transaction.txid)) ?? new Uint8Array()))
    const detail = 'no'
    const chain: Chain = {
      ...bed.chain,
      broadcast: async () => ({ kind: 'rejected', reason: 'invalid', detail, competing: [] }),
    }
    const refused = made.open({ chain, faucet: async () => refuse() })
    for (let n = 0; n < 6; n++) {
      await refused.split(1).catch(() => undefined)
      await refused.catchUp()
      expect((await fuel.level()).spentTodaySatoshis).toBe(0)
    }
    const { rows } = await bed.database.pool.query<{ state: string }>(
      'select state from fuel_transactions where subject is not null',
    )
    expect(rows.map(({ state }) => state)).toEqual(['dead', 'dead', 'dead', 'dead'])
  })

  const refuse = () => {
    throw new Error('this faucet is dry')
  }
})

describe('money that was taken for lost', () => {
  test('is in the treasury once somebody shows the block that holds it', async () => {
    const { fuel, bed } = await withBed({ horizonSeconds: 0 })
    const paid = await bed.chain.pay({ lockingScript: fuel.lock, satoshis: 900, outputs: 1 })
    if (paid.kind !== 'funded') throw new Error(paid.detail)
    const beef = async () => (await bed.chain.beefOf(paid.transaction.txid)) ?? new Uint8Array()
    expect(orThrow(await fuel.fund(await beef()))).toMatchObject({ isNew: true, mined: false })
    // As it is when the network turned it down at first; so old, nobody asks about it any more.
    await bed.database.pool.query(`update fuel_transactions set state = 'dead', written_ms = 0`)
    await bed.mine()
    await fuel.catchUp()
    expect((await fuel.holdings()).free.treasury.satoshis).toBe(0)
    expect(orThrow(await fuel.fund(await beef()))).toMatchObject({ isNew: false, mined: true })
    expect((await fuel.holdings()).free.treasury).toEqual({ coins: 1, satoshis: 900 })
  })
})
