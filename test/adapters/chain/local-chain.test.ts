import { MerklePath, P2PKH, PrivateKey, Transaction as SdkTransaction } from '@bsv/sdk'
import knex from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localChain } from '../../../migrations/002-local-chain.ts'
import { type LocalChain, openLocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { writeBump } from '../../../src/contract/bump.ts'
import { headerChain } from '../../../src/contract/headers.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { until } from '../../support/until.ts'
import { auditChain } from './audit.ts'
import { type ChainDatabases, chainDatabases } from './chain-databases.ts'
import { coinsOf, fund, keyOf, pay } from './wallet.ts'
import { withChain as withChainOn } from './with-chain.ts'

let databases: ChainDatabases
beforeAll(async () => {
  databases = chainDatabases()
})
afterAll(() => databases.stop())

/** What the stock SDK asks of whoever knows headers. */
const trackerOf = (chain: LocalChain) => ({
  isValidRootForHeight: async (root: string, height: number) => (await chain.rootAt(height)) === root,
  currentHeight: async () => (await chain.tip()).height,
})
const sdkTransaction = async (chain: LocalChain, txid: string) =>
  SdkTransaction.fromBEEF([...((await chain.beefOf(txid)) ?? [])])

const withChain = (use: Parameters<typeof withChainOn>[1]) => withChainOn(databases, use)

describe('a private chain', () => {
  test('has one first block, however many processes begin it at once', async () => {
    const { pool } = await databases.database()
    const chains = await Promise.all(Array.from({ length: 4 }, () => openLocalChain({ pool })))
    const tips = await Promise.all(chains.map(chain => chain.tip()))
    expect(new Set(tips.map(({ hash }) => hash)).size).toBe(1)
    expect(tips[0]?.height).toBe(0)
    expect((await auditChain(pool)).faults).toEqual([])
    await Promise.all(chains.map(chain => chain.close()))
  })

  test('has headers that link and meet their target, with the time that it is handed', async () => {
    const { pool } = await databases.database()
    let seconds = 1_780_000_000
    const chain = await openLocalChain({ pool, now: () => 1_000 * seconds })
    for (const step of [60, -3_600, 30]) {
      seconds += step
      await fund(chain)
      await chain.mine()
    }
    const bytes = await chain.headers(0, 100)
    const headers = orThrow(headerChain(bytes, 0, 'local'))
    expect(headers.tipHeight).toBe(3)
    const times = [0, 1, 2, 3].map(height => new DataView(bytes.buffer).getUint32(80 * height + 68, true))
    // A clock that is set back does not make a block older than its parent.
    expect(times).toEqual([1_780_000_000, 1_780_000_060, 1_780_000_060, 1_780_000_060])
    expect(await chain.rootAt(2)).toBe(toHex((headers.rootAt(2) ?? new Uint8Array()).toReversed()))
    expect(await chain.rootAt(4)).toBeUndefined()
    expect(await chain.rootAt(-1)).toBeUndefined()
    expect(await chain.rootAt(0.5)).toBeUndefined()
    await chain.close()
  })

  test('can be taken away, and begins anew', () =>
    withChain(async (chain, pool, url) => {
      await fund(chain)
      await chain.mine()
      const before = await chain.tip()
      const migrating = knex({ client: 'pg', connection: url })
      await localChain.down(migrating)
      await localChain.up(migrating)
      await migrating.destroy()
      const anew = await openLocalChain({ pool })
      expect((await anew.tip()).height).toBe(0)
      expect((await anew.tip()).hash).not.toBe(before.hash)
      // Whoever followed the old one is told that nothing of it is left.
      const told: number[] = []
      const stop = anew.follow(async ({ forkHeight }) => void told.push(forkHeight), before)
      await until(() => told.length === 1)
      expect(told).toEqual([-1])
      await stop()
      await anew.close()
    }))

  test('mines nothing where there is nothing to mine', () =>
    withChain(async chain => {
      const before = await chain.tip()
      expect(await chain.mine()).toEqual(before)
    }))

  test('gives money that the stock SDK believes and spends, unmined, and 1, 2 and 200 blocks deep', () =>
    withChain(async chain => {
      const key = PrivateKey.fromHex(toHex(keyOf('alice')))
      const tracker = trackerOf(chain)
      const money = await fund(chain, { outputs: 5 })
      const spend = async (vout: number) => {
        const source = await sdkTransaction(chain, money.txid)
        const spending = new SdkTransaction()
        spending.addInput({
          sourceTransaction: source,
          sourceOutputIndex: vout,
          unlockingScriptTemplate: new P2PKH().unlock(key),
        })
        spending.addOutput({ satoshis: 900, lockingScript: new P2PKH().lock(key.toAddress()) })
        await spending.sign()
        expect(await spending.verify(tracker)).toBe(true)
        const beef = orThrow(readBeef(Uint8Array.from(spending.toBEEF())))
        expect(await chain.broadcast([beef.subject])).toEqual({ kind: 'accepted' })
        return spending.id('hex')
      }
      const spent = [await spend(0)]
      for (const [vout, depth] of [
        [1, 1],
        [2, 2],
        [3, 200],
      ] as const) {
        while ((await chain.tip()).height < depth) {
          await fund(chain)
          await chain.mine()
        }
        spent.push(await spend(vout))
      }
      await chain.mine()
      for (const txid of spent) expect(await (await sdkTransaction(chain, txid)).verify(tracker)).toBe(true)
      expect(await (await sdkTransaction(chain, money.txid)).verify(tracker)).toBe(true)
    }))

  test.each([2, 3, 7, 64])('proves each transaction of a block of %i to the stock SDK', count =>
    withChain(async chain => {
      const money = await fund(chain, { outputs: count })
      await chain.mine()
      const spends = coinsOf(money, count - 1).map(coin => pay([coin]))
      for (const spend of spends) await chain.broadcast([spend])
      const { height } = await chain.mine()
      const root = await chain.rootAt(height)
      const statuses = await chain.statusOf(spends.map(({ txid }) => txid))
      for (const { txid } of spends) {
        const status = statuses.get(txid)
        if (status?.kind !== 'mined') throw new Error(`${txid} is ${status?.kind}`)
        const path = MerklePath.fromHex(toHex(writeBump(status.proof)))
        expect(path.computeRoot(txid)).toBe(root)
        expect(await path.verify(txid, trackerOf(chain))).toBe(true)
        expect(status.proof.height).toBe(height)
      }
    }),
  )

  test('proves the only transaction of a block too', () =>
    withChain(async (chain, pool) => {
      await fund(chain)
      await chain.mine()
      // One transaction over two new blocks: the second has only its own coinbase.
      await chain.reorganise({ depth: 1 })
      const { rows } = await pool.query<{ txids: Buffer }>(
        'SELECT txids FROM chain_blocks WHERE best AND height = 2',
      )
      const txid = rows[0]?.txids.toString('hex') ?? ''
      expect(txid).toHaveLength(64)
      const status = (await chain.statusOf([txid])).get(txid)
      if (status?.kind !== 'mined') throw new Error('the coinbase is not mined')
      const path = MerklePath.fromHex(toHex(writeBump(status.proof)))
      expect(path.computeRoot(txid)).toBe(await chain.rootAt(2))
    }))

  test('tells followers of blocks of other processes, and of every change once', () =>
    withChain(async (chain, pool) => {
      const other = await openLocalChain({ pool, pollMs: 60_000 })
      const heard: number[][] = []
      const stop = chain.follow(async ({ forkHeight, tip }) => {
        heard.push([forkHeight, tip.height])
      })
      await fund(other)
      await other.mine()
      await until(() => heard.length === 1)
      await fund(other)
      await other.mine()
      await until(() => heard.length === 2)
      await other.reorganise({ depth: 2 })
      await until(() => heard.length === 3)
      expect(heard).toEqual([
        [0, 1],
        [1, 2],
        [0, 3],
      ])
      await stop()
      await other.close()
    }))

  test('knows a block that another process has just mined as soon as it is asked for its root', async () => {
    const { pool } = await databases.database()
    const [miner, other] = await Promise.all([
      openLocalChain({ pool }),
      openLocalChain({ pool, pollMs: 3_600_000 }),
    ])
    await fund(miner)
    const { height } = await miner.mine()
    expect(await other.rootAt(height + 1)).toBeUndefined()
    await fund(miner)
    await miner.mine()
    expect(await other.rootAt(height + 1)).toBe(await miner.rootAt(height + 1))
    await Promise.all([miner.close(), other.close()])
  })

  test('tells a follower what it slept through, down to the lowest fork, and again after it failed', () =>
    withChain(async (chain, pool) => {
      for (let i = 0; i < 5; i++) {
        await fund(chain)
        await chain.mine()
      }
      const before = await chain.tip()
      const sleeper = await openLocalChain({ pool, pollMs: 60_000 })
      const heard: number[][] = []
      let calls = 0
      const stop = sleeper.follow(async ({ forkHeight, tip }) => {
        if (++calls === 1) throw new Error('not now')
        heard.push([forkHeight, tip.height])
      })
      await chain.reorganise({ depth: 3 })
      await chain.reorganise({ depth: 1 })
      // Any look at the chain notices; this one finds a block that the sleeper has not heard of.
      const { rows } = await pool.query<{ txid: Buffer }>(
        `SELECT substring(txids FROM 1 FOR 32) AS txid FROM chain_blocks WHERE best AND height = 7`,
      )
      await sleeper.statusOf([rows[0]?.txid.toString('hex') ?? ''])
      await until(() => heard.length === 1)
      expect(heard).toEqual([[2, 7]])
      await stop()

      const since = async (tip: { height: number; hash: string }) => {
        const told: number[] = []
        const stopAgain = sleeper.follow(async ({ forkHeight }) => void told.push(forkHeight), tip)
        await until(() => told.length === 1)
        await stopAgain()
        return told
      }
      expect(await since(before)).toEqual([2])
      expect(await since({ height: 1, hash: await hashAt(chain, 1) })).toEqual([1])
      expect(await since({ height: 3, hash: '07'.repeat(32) })).toEqual([-1])
      await sleeper.close()
    }))

  test('that forgot its old headers reads them from the database', async () => {
    const { pool } = await databases.database()
    const chain = await openLocalChain({ pool, headersKept: 3 })
    for (let i = 0; i < 12; i++) {
      await fund(chain)
      await chain.mine()
    }
    const headers = orThrow(headerChain(await chain.headers(0, 100), 0, 'local'))
    expect(headers.tipHeight).toBe(12)
    for (let height = 0; height <= 12; height++)
      expect(await chain.rootAt(height)).toBe(
        toHex((headers.rootAt(height) ?? new Uint8Array()).toReversed()),
      )
    const opened = await openLocalChain({ pool, headersKept: 3 })
    expect(await opened.tip()).toEqual(await chain.tip())
    await chain.reorganise({ depth: 11 })
    await fund(opened)
    await opened.mine()
    expect(orThrow(headerChain(await opened.headers(0, 100), 0, 'local')).tipHeight).toBe(14)
    await chain.close()
    await opened.close()
  })
})

async function hashAt(chain: LocalChain, height: number): Promise<string> {
  const next = await chain.headers(height + 1, 1)
  return toHex(next.slice(4, 36).toReversed())
}
