import { MerklePath } from '@bsv/sdk'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { type Bump, writeBump } from '../../../src/contract/bump.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import { readTransaction, type Transaction } from '../../../src/contract/transaction.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { auditChain } from './audit.ts'
import { type ChainDatabases, chainDatabases } from './chain-databases.ts'
import { coinsOf, fund, pay } from './wallet.ts'
import { withChain as withChainOn } from './with-chain.ts'

let databases: ChainDatabases
beforeAll(async () => {
  databases = chainDatabases()
})
afterAll(() => databases.stop())
const withChain = (use: Parameters<typeof withChainOn>[1]) => withChainOn(databases, use)

describe('a reorganisation', () => {
  test('of three blocks mines every transaction again: old proofs fail and new ones hold', () =>
    withChain(async chain => {
      const transactions = await threeBlocks(chain)
      const txids = transactions.map(({ txid }) => txid)
      const before = await proofsOf(chain, txids)
      const outcome = await chain.reorganise({ depth: 3 })
      expect(outcome).toMatchObject({ kind: 'reorganised', forkHeight: 1, thrownOut: [], tip: { height: 5 } })
      expect(await chain.tip()).toEqual(outcome.kind === 'reorganised' && outcome.tip)

      const after = await proofsOf(chain, txids)
      for (const txid of txids) {
        expect(await holds(chain, txid, before.get(txid))).toBe(false)
        expect(await holds(chain, txid, after.get(txid))).toBe(true)
        expect(orThrow(readBeef((await chain.beefOf(txid)) ?? new Uint8Array())).subject.txid).toBe(txid)
      }
    }))

  test('again and again, at any depth, loses nothing', () =>
    withChain(async (chain, pool) => {
      const transactions = await threeBlocks(chain)
      for (const depth of [1, 4, 2, 6, 1]) {
        await chain.reorganise({ depth })
        transactions.push(await fund(chain))
      }
      await chain.mine()
      const { faults, mined, pooled } = await auditChain(pool)
      expect(faults).toEqual([])
      expect(pooled.size).toBe(0)
      expect(transactions.filter(({ txid }) => !mined.has(txid))).toEqual([])
    }))

  test('takes in what was waiting as well, and keeps the blocks that it left behind', () =>
    withChain(async (chain, pool) => {
      await threeBlocks(chain)
      const waiting = await fund(chain)
      await chain.reorganise({ depth: 2 })
      expect((await chain.statusOf([waiting.txid])).get(waiting.txid)?.kind).toBe('mined')
      const { rows } = await pool.query('SELECT height FROM chain_blocks WHERE NOT best ORDER BY height')
      expect(rows).toEqual([{ height: 3 }, { height: 4 }])
    }))

  test('for a rival throws out what spends the same coin, with all that descends from it', () =>
    withChain(async (chain, pool) => {
      const [coin, other] = coinsOf(await fund(chain, { outputs: 2 }), 2)
      if (coin === undefined || other === undefined) throw new Error('two coins were asked for')
      await chain.mine()
      const doomed = pay([coin], { outputs: 2 })
      const child = pay([[doomed, 0], other])
      const grandchild = pay(child)
      const bystander = pay(coinsOf(await fund(chain)))
      for (const transaction of [doomed, child, bystander]) {
        await chain.broadcast([transaction])
        await chain.mine()
      }
      await chain.broadcast([grandchild])

      const rival = pay([coin], { to: 'bob' })
      const rivalsChild = pay(rival, { from: 'bob' })
      const outcome = await chain.reorganise({ depth: 3, replaceWith: [rival, rivalsChild] })
      if (outcome.kind !== 'reorganised') throw new Error(outcome.detail)
      const lost = [doomed, child, grandchild].map(({ txid }) => txid)
      expect(outcome.thrownOut.toSorted()).toEqual(lost.toSorted())
      expect(await chain.statusOf(lost)).toEqual(new Map())
      expect((await blockOf(pool, outcome.forkHeight + 1)).slice(1, 3)).toEqual([
        rival.txid,
        rivalsChild.txid,
      ])
      expect([...(await proofsOf(chain, [bystander.txid])).keys()]).toEqual([bystander.txid])

      expect(await chain.broadcast([doomed])).toMatchObject({
        reason: 'double-spend',
        competing: [rival.txid],
      })
      expect(await chain.broadcast([grandchild])).toMatchObject({
        reason: 'invalid',
        detail: expect.stringContaining(`thrown out in favour of ${rival.txid}`),
        competing: [rival.txid],
      })
      // What the lost ones had spent besides is free again.
      expect(await chain.broadcast([pay([other], { to: 'bob' })])).toEqual({ kind: 'accepted' })
    }))

  test('brings back what was thrown out once its rival is thrown out in turn', () =>
    withChain(async chain => {
      const coins = coinsOf(await fund(chain))
      await chain.mine()
      const [one, two] = [pay(coins), pay(coins, { to: 'bob' })]
      await chain.broadcast([one])
      await chain.mine()
      await chain.reorganise({ depth: 1, replaceWith: [two] })
      expect([...(await chain.statusOf([one.txid, two.txid])).keys()]).toEqual([two.txid])
      await chain.reorganise({ depth: 2, replaceWith: [one] })
      expect([...(await proofsOf(chain, [one.txid])).keys()]).toEqual([one.txid])
      expect(await chain.broadcast([two])).toMatchObject({ reason: 'double-spend', competing: [one.txid] })
      expect(await chain.broadcast([pay(one)])).toEqual({ kind: 'accepted' })
    }))

  test('puts what a rival descends from before it', () =>
    withChain(async (chain, pool) => {
      const [coin, other] = coinsOf(await fund(chain, { outputs: 2 }), 2)
      if (coin === undefined || other === undefined) throw new Error('two coins were asked for')
      await chain.mine()
      const parent = pay([other])
      const doomed = pay([coin])
      await chain.broadcast([parent])
      await chain.broadcast([doomed])
      await chain.mine()
      const rival = pay([coin, [parent, 0]])
      const outcome = await chain.reorganise({ depth: 1, replaceWith: [rival] })
      expect(outcome).toMatchObject({ thrownOut: [doomed.txid] })
      expect((await blockOf(pool, 2)).slice(1)).toEqual([parent.txid, rival.txid])
    }))

  test('is refused, and changes nothing, where it cannot be', () =>
    withChain(async chain => {
      const coins = coinsOf(await fund(chain))
      await chain.mine()
      const deep = pay(coins)
      await chain.broadcast([deep])
      await chain.mine()
      await threeBlocks(chain)
      const tip = await chain.tip()
      const refusals: [Parameters<typeof chain.reorganise>[0], RegExp][] = [
        [{ depth: 0 }, /between 1 and 6/],
        [{ depth: 1.5 }, /between 1 and 6/],
        [{ depth: tip.height + 1 }, /first block always stays/],
        [{ depth: 2, replaceWith: [pay(coins, { to: 'bob' })] }, /reorganise deeper/],
        [{ depth: 2, replaceWith: [pay(coins, { from: 'mallory' })] }, /does not satisfy/],
        [{ depth: 5, replaceWith: [pay(coins, { to: 'bob' }), pay(deep, { to: 'bob' })] }, /thrown out/],
      ]
      for (const [options, detail] of refusals) {
        expect(await chain.reorganise(options)).toEqual({
          kind: 'refused',
          detail: expect.stringMatching(detail),
        })
        expect(await chain.tip()).toEqual(tip)
        expect((await chain.statusOf([deep.txid])).get(deep.txid)?.kind).toBe('mined')
      }
    }))

  test('takes from the faucet what a rival took', () =>
    withChain(async (chain, pool) => {
      const before = await unspentOf(pool)
      const money = await fund(chain)
      await chain.mine()
      const again = await fund(chain)
      const rival = await rivalOfFaucet(chain, pool, money)
      expect(await chain.reorganise({ depth: 1, replaceWith: [rival] })).toMatchObject({
        thrownOut: [money.txid],
      })
      // One purse is a coin shorter: the rival's output is nobody's in its books.
      expect(await unspentOf(pool)).toBe(before - 1)
      expect((await chain.statusOf([again.txid])).size).toBe(1)
      for (let i = 0; i < 3; i++) await fund(chain)
      expect(await unspentOf(pool)).toBe(before - 1)
    }))

  test('gives the faucet back what nobody spends any more', () =>
    withChain(async (chain, pool) => {
      // One coin is left to it, so that every payment spends the change of the one before.
      await pool.query(
        `UPDATE chain_faucet_coins SET spender = txid
         WHERE (txid, vout) <> (SELECT txid, vout FROM chain_faucet_coins LIMIT 1)`,
      )
      const [first, second] = [await fund(chain), await fund(chain)]
      await chain.mine()
      const rival = await rivalOfFaucet(chain, pool, first)
      const outcome = await chain.reorganise({ depth: 1, replaceWith: [rival] })
      expect(outcome.kind === 'reorganised' && outcome.thrownOut.toSorted()).toEqual(
        [first.txid, second.txid].toSorted(),
      )
      await expect(fund(chain)).rejects.toThrow(/no free coin/)
      await chain.reorganise({ depth: 2, replaceWith: [first] })
      const third = await fund(chain)
      expect(third.inputs.map(({ txid }) => txid)).toEqual([first.txid])
    }))
})

/** Spends what this payment of the faucet spends, under the faucet's own key. */
async function rivalOfFaucet(chain: LocalChain, pool: Pool, payment: Transaction): Promise<Transaction> {
  const { rows } = await pool.query<{ private_key: Buffer }>('SELECT private_key FROM chain_faucet_key')
  const privateKey = Uint8Array.from(rows[0]?.private_key ?? [])
  const [coin] = payment.inputs
  const raw = coin && (await chain.rawOf(coin.txid))
  const spent = raw && orThrow(readTransaction(raw)).outputs[coin.vout]
  if (coin === undefined || spent === undefined) throw new Error('the faucet spent no coin that exists')
  return signTransaction([{ ...coin, spent, privateKey }], [spent])
}

/** Coins that the faucet may spend: those of transactions that were not thrown out. */
async function unspentOf(pool: Pool): Promise<number> {
  const { rowCount } = await pool.query(
    `SELECT 1 FROM chain_faucet_coins c JOIN chain_transactions t USING (txid)
     WHERE c.spender IS NULL AND t.state <> 'rejected'`,
  )
  return rowCount ?? 0
}

/** A chain of spends, and bystanders, over three blocks; the money is in the block below. */
async function threeBlocks(chain: LocalChain): Promise<Transaction[]> {
  const money = await fund(chain, { outputs: 10 })
  await chain.mine()
  const made: Transaction[] = []
  let last = pay(coinsOf(money), { outputs: 2 })
  for (let block = 0; block < 3; block++) {
    for (let i = 0; i < 3; i++) {
      made.push(last)
      await chain.broadcast([last])
      last = pay(last, { outputs: 2 })
    }
    const bystander = await fund(chain)
    made.push(bystander)
    await chain.mine()
  }
  return made
}

async function proofsOf(chain: LocalChain, txids: readonly string[]): Promise<Map<string, Bump>> {
  const statuses = await chain.statusOf(txids)
  return new Map(
    [...statuses].flatMap(([txid, status]) =>
      status.kind === 'mined' ? [[txid, status.proof] as const] : [],
    ),
  )
}

/** By the stock SDK's word. */
async function holds(chain: LocalChain, txid: string, proof: Bump | undefined): Promise<boolean> {
  if (proof === undefined) throw new Error(`${txid} has no proof`)
  return MerklePath.fromHex(toHex(writeBump(proof))).verify(txid, {
    isValidRootForHeight: async (root, height) => (await chain.rootAt(height)) === root,
    currentHeight: async () => (await chain.tip()).height,
  })
}

async function blockOf(pool: Pool, height: number): Promise<string[]> {
  const { rows } = await pool.query<{ txids: Buffer }>(
    'SELECT txids FROM chain_blocks WHERE best AND height = $1',
    [height],
  )
  return (rows[0]?.txids.toString('hex') ?? '').match(/.{64}/g) ?? []
}
