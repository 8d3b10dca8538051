import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { LEASE_MS } from '../../../src/adapters/fuel/sender.ts'
import { findDisagreements } from '../../support/check-overlay.ts'
import { until } from '../../support/until.ts'
import { auditChain } from '../chain/audit.ts'
import { auditFuel } from './audit-fuel.ts'
import { fuelBed } from './fuel-bed.ts'

/** A few in every run; ASSAY_KILLS=50 npx vitest run test/adapters/fuel/kill.test.ts for more. */
const kills = Number(process.env['ASSAY_KILLS'] ?? 3)
/** Somewhat longer than a start takes. */
const START_MS_MAX = 4_000
const SECONDS_PER_KILL = 15

describe('processes that spend from one pool and are killed at any moment', () => {
  test('spend no coin twice, lose none, and leave one transaction on the chain for each purpose', {
    timeout: 60_000 + 1000 * SECONDS_PER_KILL * kills,
  }, async () => {
    const { bed, open, close } = await fuelBed()
    const { pool } = bed.database
    const url = String(pool.options.connectionString)
    const stopMining = bed.chain.startMiner({ intervalMs: 20 })
    const told = new Map<number, string>()
    const complaints: string[] = []
    const hear = (line: string) => {
      const [, n, txid] = /^(\d+) ([0-9a-f]{64})$/.exec(line) ?? []
      if (n === undefined || txid === undefined) complaints.push(line)
      else if ((told.get(Number(n)) ?? txid) !== txid) complaints.push(`${n} has another transaction now`)
      else told.set(Number(n), txid)
    }
    // Both go through the same purposes, from where they have been: they meet at every one of them.
    const start = () => spender(url, Math.max(0, told.size - 5), hear)
    let [one, other] = [start(), start()]
    for (let n = 0; n < kills; n++) {
      // Every third while it starts, or fills the pool; the others between two answers.
      if (n % 3 === 1) await pause((397 * n) % START_MS_MAX)
      else {
        await one.told(1 + ((7 * n) % 37))
        await pause((13 * n) % 50)
      }
      await one.kill()
      expect(await auditFuel(pool)).toEqual([])
      ;[one, other] = [other, start()]
    }
    await one.kill()
    await other.kill()

    // What the dead had taken up is free to be sent once their leases are over.
    const fuel = open({ now: () => Date.now() + LEASE_MS })
    await until(async () => {
      await fuel.catchUp()
      const { rows } = await pool.query<{ open: number }>(
        `select count(*)::int as open from fuel_transactions where state in ('stored', 'seen')`,
      )
      return rows[0]?.open === 0
    })
    await stopMining()
    expect(complaints).toEqual([])
    expect(await auditFuel(pool)).toEqual([])
    expect(await findDisagreements(pool)).toEqual([])
    const { faults, mined } = await auditChain(pool)
    expect(faults).toEqual([])
    expect([...told.values()].filter(txid => !mined.has(txid))).toEqual([])
    expect(told.size).toBeGreaterThan(kills)
    await close()
  })
})

function spender(url: string, first: number, hear: (line: string) => void) {
  const program = join(import.meta.dirname, 'spender-process.ts')
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', program, url, String(first)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  if (child.stdout === null) throw new Error('the process has no output')
  let lines = 0
  createInterface({ input: child.stdout }).on('line', line => {
    lines += 1
    hear(line)
  })
  const exited = once(child, 'exit')
  return {
    async told(count: number) {
      await until(() => {
        if (child.exitCode !== null) throw new Error(`the process ended with ${child.exitCode}`)
        return lines >= count
      })
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
