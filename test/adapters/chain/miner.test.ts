import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLocalChain } from '../../../src/adapters/chain/local-chain.ts'
import { until } from '../../support/until.ts'
import { auditChain } from './audit.ts'
import { type ChainDatabases, chainDatabases } from './chain-databases.ts'
import { openPool } from './open-pool.ts'
import { coinsOf, fund, pay } from './wallet.ts'
import { withChain as withChainOn } from './with-chain.ts'

let databases: ChainDatabases
beforeAll(async () => {
  databases = chainDatabases()
})
afterAll(() => databases.stop())
const withChain = (use: Parameters<typeof withChainOn>[1]) => withChainOn(databases, use)

describe('a miner', () => {
  test('mines what waits, parents before children, and rests when there is nothing', () =>
    withChain(async (chain, pool) => {
      let last = pay(coinsOf(await fund(chain)))
      for (let i = 0; i < 30; i++) {
        await chain.broadcast([last])
        last = pay(last)
      }
      const stop = chain.startMiner({ intervalMs: 5 })
      await until(async () => (await auditChain(pool)).pooled.size === 0)
      await stop()
      const { height } = await chain.tip()
      expect(height).toBeGreaterThan(0)
      expect(height).toBeLessThan(33)
    }))

  test('waits while another one mines, and takes over when that one stops', () =>
    withChain(async (chain, pool, url) => {
      const otherPool = openPool(url)
      const other = await openLocalChain({ pool: otherPool, pollMs: 10 })
      const stop = chain.startMiner({ intervalMs: 5 })
      await fund(chain)
      await until(async () => (await chain.tip()).height === 1)
      const stopOther = other.startMiner({ intervalMs: 5 })
      await stop()
      await fund(chain)
      await until(async () => (await chain.tip()).height === 2)
      await stopOther()
      await other.close()
      await otherPool.end()
      expect((await auditChain(pool)).pooled.size).toBe(0)
    }))

  test('whose connection is cut goes on over a new one', () =>
    withChain(async (chain, pool) => {
      const stop = chain.startMiner({ intervalMs: 5 })
      for (let height = 1; height <= 3; height++) {
        await fund(chain)
        await until(async () => (await chain.tip()).height >= height)
        await pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        )
      }
      await stop()
    }))
})

describe('processes that mine and pay at once', () => {
  test('make one chain, in which no coin is spent twice', () =>
    withChain(async (chain, pool, url) => {
      const processes = [busyProcess(url), busyProcess(url)]
      await Promise.all(processes.map(each => each.told(60)))
      await Promise.all(processes.map(each => each.kill()))
      await expectAllMined(
        chain,
        pool,
        processes.flatMap(each => each.accepted),
      )
    }))

  test('may be killed at any moment: the chain still links, and nothing that was accepted is lost', () =>
    withChain(async (chain, pool, url) => {
      const accepted: string[] = []
      // Killed after so many answers, wherever the miner and the next payment happen to be then.
      for (const answers of [1, 2, 3, 5, 8, 13, 21, 34]) {
        const busy = busyProcess(url)
        await busy.told(answers)
        await busy.kill()
        accepted.push(...busy.accepted)
        expect((await auditChain(pool)).faults).toEqual([])
      }
      expect(accepted.length).toBeGreaterThanOrEqual(87)
      await expectAllMined(chain, pool, accepted)
    }))
})

async function expectAllMined(
  chain: Awaited<ReturnType<typeof openLocalChain>>,
  pool: Parameters<typeof auditChain>[0],
  txids: readonly string[],
) {
  // What a killed process had sent last may arrive a moment after its death.
  const { faults, mined } = await until(async () => {
    await chain.mine()
    const audit = await auditChain(pool)
    return audit.pooled.size === 0 ? audit : undefined
  })
  expect(faults).toEqual([])
  expect(txids.filter(txid => !mined.has(txid))).toEqual([])
}

function busyProcess(url: string) {
  const program = join(import.meta.dirname, 'busy-process.ts')
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', program, url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const accepted: string[] = []
  if (child.stdout === null) throw new Error('the process has no output')
  const lines = createInterface({ input: child.stdout })
  lines.on('line', line => {
    if (/^[0-9a-f]{64}$/.test(line)) accepted.push(line)
  })
  const exited = once(child, 'exit')
  return {
    accepted,
    async told(count: number) {
      await until(() => {
        if (child.exitCode !== null) throw new Error(`the process ended with ${child.exitCode}`)
        return accepted.length >= count
      })
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
