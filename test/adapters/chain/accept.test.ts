import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publicKeyOf, sign } from '#curve'
import { MempoolFullError, openLocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { encodeDer } from '../../../src/contract/der.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import {
  buildTransaction,
  readTransaction,
  SIGHASH_ALL_FORKID,
  sighash,
  type Transaction,
  u32le,
} from '../../../src/contract/transaction.ts'
import { concat, knownHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { pushData } from '../../../src/core/script-push.ts'
import { type ChainDatabases, chainDatabases } from './chain-databases.ts'
import { openPool } from './open-pool.ts'
import { coinsOf, fund, keyOf, lockOf, pay } from './wallet.ts'
import { withChain as withChainOn } from './with-chain.ts'

let databases: ChainDatabases
beforeAll(async () => {
  databases = chainDatabases()
})
afterAll(() => databases.stop())
const withChain = (use: Parameters<typeof withChainOn>[1], options = {}) =>
  withChainOn(databases, use, options)

describe('the mempool', () => {
  test('takes a transaction with its parents, and again, and once it is mined', () =>
    withChain(async chain => {
      const first = pay(coinsOf(await fund(chain)))
      const second = pay(first)
      const third = pay(second)
      expect(await chain.broadcast([first, second, third])).toEqual({ kind: 'accepted' })
      expect(await chain.broadcast([first, second, third])).toEqual({ kind: 'accepted' })
      expect(await chain.broadcast([third])).toEqual({ kind: 'accepted' })
      const txids = [first, second, third].map(({ txid }) => txid)
      expect([...(await chain.statusOf(txids)).values()]).toEqual(txids.map(() => ({ kind: 'seen' })))
      await chain.mine()
      expect(await chain.broadcast([third])).toEqual({ kind: 'accepted' })
      expect((await chain.statusOf(txids)).get(second.txid)?.kind).toBe('mined')
    }))

  test.each(['waiting', 'mined'])(
    'refuses a double spend of a coin whose spender is %s, and names that one',
    state =>
      withChain(async chain => {
        const [a, b] = coinsOf(await fund(chain, { outputs: 2 }), 2)
        if (a === undefined || b === undefined) throw new Error('two coins were asked for')
        const [spendA, spendB] = [pay([a]), pay([b])]
        await chain.broadcast([spendA])
        await chain.broadcast([spendB])
        if (state === 'mined') await chain.mine()
        const both = pay([a, b], { to: 'bob' })
        expect(await chain.broadcast([both])).toEqual({
          kind: 'rejected',
          reason: 'double-spend',
          detail: expect.stringContaining(both.txid),
          competing: [spendA.txid, spendB.txid].sort(),
        })
        expect(await chain.statusOf([both.txid])).toEqual(new Map())
      }),
  )

  test('refuses the children of what it refuses with it, and takes everybody else', () =>
    withChain(async chain => {
      const [a, b] = coinsOf(await fund(chain, { outputs: 2 }), 2)
      if (a === undefined || b === undefined) throw new Error('two coins were asked for')
      const winner = pay([a])
      await chain.broadcast([winner])
      const loser = pay([a], { to: 'bob' })
      const other = pay([b])
      const child = pay(
        [
          [other, 0],
          [loser, 0],
        ],
        {},
      )
      const grandchild = pay(child)
      expect(await chain.broadcast([loser, other, child, grandchild])).toEqual({
        kind: 'rejected',
        reason: 'double-spend',
        detail: expect.stringContaining(loser.txid),
        competing: [winner.txid],
      })
      expect([...(await chain.statusOf([loser, other, child].map(({ txid }) => txid))).keys()]).toEqual([
        other.txid,
      ])
    }))

  const faults: [
    string,
    (money: Transaction) => Transaction,
    RegExp,
    ('orphan' | 'invalid' | 'not-final')?,
  ][] = [
    ['spends what the chain has never seen', () => pay(pay(madeUp())), /never seen/, 'orphan'],
    ['spends an output that is not there', money => spendOf(money, 7), /does not have/],
    ['spends an output of the greatest number', money => spendOf(money, 0xffff_ffff), /does not have/],
    ['pays out more than it takes in', money => pay(coinsOf(money), { burn: -1 }), /1 satoshis more/],
    ['is signed by another key', money => pay(coinsOf(money), { from: 'mallory' }), /does not satisfy/],
    ['mints coins as a block does', () => madeUp(), /never seen/],
    ['waits for a height to come', money => waiting(money, 3), /lock time/, 'not-final'],
    ['waits for a time to come', money => waiting(money, 4_000_000_000), /lock time/, 'not-final'],
    ['spends one output twice', money => buildTransaction([blank(money), blank(money)], [rest]), /twice/],
    ['spends nothing', () => buildTransaction([], [rest]), /no inputs/],
  ]
  test.each(faults)('refuses a transaction that %s', (_, make, detail, reason = 'invalid') =>
    withChain(async chain => {
      const transaction = make(await fund(chain))
      expect(await chain.broadcast([transaction])).toEqual({
        kind: 'rejected',
        reason,
        detail: expect.stringMatching(detail),
        competing: [],
      })
    }),
  )

  test('takes a transaction whose lock time has come', () =>
    withChain(async chain => {
      await fund(chain)
      await chain.mine()
      expect(await chain.broadcast([waiting(await fund(chain), 1)])).toEqual({ kind: 'accepted' })
    }))

  test('asks whoever judges scripts, input by input, with the coin that is spent', () => {
    const asked: number[] = []
    return withChain(
      async chain => {
        const money = await fund(chain, { outputs: 3, satoshis: 11 })
        const unsigned = buildTransaction(
          [blank(money), { ...blank(money), vout: 2 }],
          [{ ...rest, satoshis: 22 }],
        )
        expect(await chain.broadcast([unsigned])).toEqual({ kind: 'accepted' })
        expect(asked).toEqual([0, 11, 1, 11])
      },
      {
        satisfies: async (_: Transaction, index: number, { satoshis }: { satoshis: number }) => {
          asked.push(index, satoshis)
          return true
        },
      },
    )
  })

  test('has a bound, says so, and has room again after a block', () =>
    withChain(
      async chain => {
        const money = await fund(chain, { outputs: 3 })
        const [a, b, c] = coinsOf(money, 3).map(coin => pay([coin]))
        if (a === undefined || b === undefined || c === undefined)
          throw new Error('three coins were asked for')
        await chain.broadcast([a])
        await chain.broadcast([b])
        await expect(chain.broadcast([c])).rejects.toThrow(MempoolFullError)
        await expect(fund(chain)).rejects.toThrow(MempoolFullError)
        await chain.mine()
        expect(await chain.broadcast([c])).toEqual({ kind: 'accepted' })
      },
      { mempoolTransactionsMax: 3 },
    ))

  test('of two processes takes each coin once, whatever is thrown at both', () =>
    withChain(async (chain, pool, url) => {
      const otherPool = openPool(url)
      const other = await openLocalChain({ pool: otherPool, pollMs: 10 })
      const coins = coinsOf(await fund(chain, { outputs: 12 }), 12)
      await chain.mine()
      const picks = fc.sample(fc.uniqueArray(fc.nat(coins.length - 1), { minLength: 1, maxLength: 4 }), {
        numRuns: 120,
        seed: 7,
      })
      const rivals = picks.map((pick, i) =>
        pay(
          pick.flatMap(place => {
            const coin = coins[place]
            return coin ? [coin] : []
          }),
          { burn: i % 100 },
        ),
      )
      const answers = await Promise.all(
        rivals.map((rival, i) => (i % 2 === 0 ? chain : other).broadcast([rival])),
      )
      const accepted = rivals.filter((_, i) => answers[i]?.kind === 'accepted')
      const spent = new Map(accepted.flatMap(({ txid, inputs }) => inputs.map(({ vout }) => [vout, txid])))
      expect(accepted.flatMap(({ inputs }) => inputs)).toHaveLength(spent.size)
      for (const [i, answer] of answers.entries()) {
        if (answer.kind === 'accepted') continue
        const winners = new Set(rivals[i]?.inputs.flatMap(({ vout }) => spent.get(vout) ?? []))
        expect(answer).toMatchObject({ reason: 'double-spend' })
        // Whoever was first when it was asked is first for ever.
        expect(answer.competing.every(txid => winners.has(txid))).toBe(true)
        expect(answer.competing.length).toBeGreaterThan(0)
      }
      await other.close()
      await otherPool.end()
      await chain.mine()
      expect((await pool.query(`SELECT 1 FROM chain_transactions WHERE state = 'pooled'`)).rowCount).toBe(0)
    }))
})

const rest = { satoshis: 1, script: lockOf('alice') }

function blank({ txid }: Transaction) {
  return { txid, vout: 0, script: new Uint8Array() }
}

/** A coinbase that no block holds. */
function madeUp(): Transaction {
  return buildTransaction(
    [{ txid: '00'.repeat(32), vout: 0xffff_ffff, script: knownHex('0101') }],
    [{ satoshis: 5_000, script: lockOf('alice') }],
  )
}

function spendOf({ txid }: Transaction, vout: number): Transaction {
  return signTransaction([{ txid, vout, spent: rest, privateKey: keyOf('alice') }], [rest])
}

/** Not final: the sequence is one below the last, and the signature covers that. */
function waiting(money: Transaction, lockTime: number): Transaction {
  const [spent = rest] = money.outputs
  const unfinal = (transaction: Transaction) => {
    const raw = transaction.raw.slice()
    const sequenceAt = 4 + 1 + 36 + 1 + (transaction.inputs[0]?.script.length ?? 0)
    raw.set(u32le(0xffff_fffe), sequenceAt)
    raw.set(u32le(lockTime), raw.length - 4)
    return orThrow(readTransaction(raw))
  }
  const unsigned = unfinal(buildTransaction([blank(money)], [rest]))
  const signed = signAs(unsigned, spent)
  return unfinal(buildTransaction([{ ...blank(money), script: signed }], [rest]))
}

function signAs(unsigned: Transaction, spent: typeof rest): Uint8Array {
  const der = encodeDer(sign(sighash(unsigned, 0, spent), keyOf('alice')))
  return concat(
    pushData(concat(der, Uint8Array.of(SIGHASH_ALL_FORKID))),
    pushData(publicKeyOf(keyOf('alice'))),
  )
}
