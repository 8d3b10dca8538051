import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { p2pkhLock } from '../../src/contract/script.ts'
import { toHex } from '../../src/core/bytes.ts'
import { startChild } from '../node/child-node.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { smallServer } from '../support/small-server.ts'
import { until } from '../support/until.ts'

/** A dozen processes, one after the other, on a busy machine. */
const STARTS_MS_MAX = 240_000

let node: TestNode
let folder: string
beforeAll(async () => {
  node = await runningNode()
  folder = mkdtempSync(join(tmpdir(), 'assay-wallet-'))
})
afterAll(async () => {
  await node.end()
  rmSync(folder, { recursive: true })
})

async function run(...args: string[]) {
  const child = startChild(['wallet', ...args], {
    DATABASE_URL: node.databaseUrl,
    ASSAY_MASTER_KEY: '11'.repeat(32),
    FUEL_HORIZON_S: '0',
    LOCAL_BLOCK_MS: '50',
    MAX_SATS_PER_DAY: '5000000',
  })
  const { code } = await child.exited
  return { code, said: child.said() }
}

const purse = z.object({ coins: z.number(), satoshis: z.number() })
const purses = z.object({ fuel: purse, treasury: purse, change: purse })
const answer = z.object({
  did: z.string().nullable(),
  network: z.literal('local'),
  lockingScript: z.string(),
  level: z.object({ outputs: z.number(), budgetSatoshis: z.number() }),
  holdings: z.object({ free: purses, coming: purses }),
})
async function ask(...args: string[]) {
  const { code, said } = await run(...args, '--json')
  expect([code, said]).toEqual([0, expect.stringContaining('{')])
  return answer.parse(JSON.parse(said))
}

async function paid(lockingScript: string, satoshis: number): Promise<string> {
  const response = await fetch(`${node.url}/chain/faucet`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ lockingScript, satoshis, outputs: 1 }),
  })
  return z.object({ beef: z.string() }).parse(await response.json()).beef
}

describe('assay wallet, beside a running node', () => {
  test('takes in a BEEF, splits it, and shows what there is, to people and to programs', {
    timeout: STARTS_MS_MAX,
  }, async () => {
    const before = await ask('show')
    expect(before).toMatchObject({ did: null, level: { outputs: 0, budgetSatoshis: 5_000_000 } })
    const file = join(folder, 'money.beef')
    writeFileSync(file, `${await paid(before.lockingScript, 100_000)}\n`)
    expect((await ask('fund', '--beef', file)).did).toContain('100000 satoshis in 1 outputs of')
    expect((await ask('fund', '--beef', file)).did).toContain('counts once')
    await until(async () => (await ask('show')).holdings.free.treasury.coins === 1)
    const split = await ask('split', '--outputs', '24')
    expect(split.did).toContain('24 coins are made by 1 transaction(s)')
    // One pays for the adverts of the node, which has waited for it.
    const after = await until(async () => {
      const shown = await ask('show')
      return shown.level.outputs === 23 && shown
    })
    expect(after.holdings.free.fuel).toEqual({ coins: 23, satoshis: 23_000 })
    expect((await run('show')).said).toMatch(/^fuel {7}23000 satoshis in 23 coins, for 5 s/m)
  })

  test('asks a BRC-100 wallet for money', async () => {
    const asked: unknown[] = []
    const server = createServer(async (request, response) => {
      const action = z
        .object({ outputs: z.tuple([z.object({ lockingScript: z.string(), satoshis: z.number() })]) })
        .parse(await json(request))
      const [output] = action.outputs
      asked.push([request.url, output.satoshis])
      const beef = await paid(output.lockingScript, output.satoshis)
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ txid: '00'.repeat(32), tx: [...Buffer.from(beef, 'hex')] }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the wallet has no port')
    const { did } = await ask('fund', '--brc100', `http://127.0.0.1:${address.port}/`, '--satoshis', '70000')
    expect(did).toContain('70000 satoshis in 1 outputs')
    expect(asked).toEqual([['/createAction', 70_000]])
    server.close()
  })

  test('hands over what a BRC-100 wallet has paid where it cannot be taken in', {
    timeout: STARTS_MS_MAX,
  }, async () => {
    const beef = await paid(toHex(p2pkhLock(party('somebody').publicKey)), 1000)
    const server = await smallServer(() => ({
      status: 200,
      body: JSON.stringify({ tx: [...Buffer.from(beef, 'hex')] }),
    }))
    const { code, said } = await run('fund', '--brc100', server.url, '--satoshis', '1000')
    await server.stop()
    expect(code).toBe(1)
    expect(said).toContain('pays the fuel key')
    expect(said).toContain(beef)
  })

  test('refuses what pays somebody else, what is no BEEF, and what it does not understand', {
    timeout: STARTS_MS_MAX,
  }, async () => {
    const file = join(folder, 'odd.beef')
    writeFileSync(file, await paid(toHex(p2pkhLock(party('somebody').publicKey)), 1000))
    expect(await run('fund', '--beef', file)).toMatchObject({
      code: 1,
      said: expect.stringContaining('pays the fuel key'),
    })
    writeFileSync(file, 'not a BEEF')
    expect(await run('fund', '--beef', file)).toMatchObject({
      code: 1,
      said: expect.stringContaining('transaction-invalid'),
    })
    expect(await run('split', '--outputs', 'many')).toMatchObject({
      code: 2,
      said: expect.stringContaining('assay wallet show'),
    })
  })
})
