import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { readBeef } from '../../src/contract/beef.ts'
import { readBump, writeBump } from '../../src/contract/bump.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { faucetMoney, stockBatch } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'

const token = 'a-callback-token-for-tests'
const publisher = party('publisher')

describe('a block proof posted to /arc-ingest', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode({ ARC_CALLBACK_TOKEN: token })
  })
  afterAll(() => node.end())

  test('is taken in with the right token, and found known the next time', async () => {
    const { txid, merklePath, blockHeight } = await minedBatch()
    expect(await post({ txid, merklePath, blockHeight })).toMatchObject({
      status: 200,
      body: { status: 'success' },
    })
    expect(await post({ txid, merklePath })).toMatchObject({
      status: 200,
      body: { message: 'proof known already' },
    })
  })

  test('changes nothing without the token, or with another one', async () => {
    const callback = await minedBatch()
    expect((await post(callback, {})).status).toBe(401)
    expect((await post(callback, { Authorization: 'Bearer another token' })).status).toBe(401)
    expect((await post(callback, { Authorization: 'Bearer another-token-of-some-length' })).status).toBe(403)
  })

  test('is refused where it leads to no root of the headers', async () => {
    const { txid, merklePath } = await minedBatch()
    const bump = orThrow(readBump(knownHex(merklePath)))
    const elsewhere = toHex(writeBump({ height: bump.height - 1, levels: bump.levels }))
    expect(await post({ txid, merklePath: elsewhere })).toMatchObject({
      status: 400,
      body: { code: 'ERR_PROOF_INVALID' },
    })
    const later = toHex(writeBump({ height: bump.height + 1000, levels: bump.levels }))
    expect(await post({ txid, merklePath: later })).toMatchObject({
      status: 400,
      body: { code: 'ERR_PROOF_INVALID' },
    })
    expect(await post({ txid, merklePath, blockHeight: bump.height + 1 })).toMatchObject({ status: 400 })
    expect(await post({ txid: 'ab'.repeat(32), merklePath })).toMatchObject({ status: 400 })
    expect(await post({ txid, merklePath: 'zz' })).toMatchObject({ status: 400 })
  })

  test('of a transaction that is not stored is told so', async () => {
    const money = await faucetMoney(node.url, publisher)
    const { proof, blockHeight } = await mined(money.id('hex'))
    expect(await post({ txid: money.id('hex'), merklePath: proof, blockHeight })).toMatchObject({
      status: 404,
    })
  })

  async function minedBatch() {
    const batch = await stockBatch(publisher, await faucetMoney(node.url, publisher), '{"celsius":21}\n')
    const txid = batch.id('hex')
    orThrow(
      await node.overlay.submit({
        beef: orThrow(readBeef(Uint8Array.from(batch.toBEEF()))),
        topics: [baseTopics.ingest],
      }),
    )
    const { proof, blockHeight } = await mined(txid)
    return { txid, merklePath: proof, blockHeight }
  }

  async function mined(txid: string) {
    const answer = z.object({ proof: z.string(), blockHeight: z.number() })
    let found: z.infer<typeof answer> | undefined
    await until(async () => {
      const read = answer.safeParse(await (await fetch(`${node.url}/chain/transactions/${txid}`)).json())
      found = read.data
      return read.success
    })
    if (found === undefined) throw new Error('never mined')
    return found
  }

  async function post(body: object, headers: Record<string, string> = { Authorization: `Bearer ${token}` }) {
    const response = await fetch(`${node.url}/arc-ingest`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: await response.json() }
  }
})
