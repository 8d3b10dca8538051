import { request as httpRequest } from 'node:http'
import { P2PKH, PrivateKey, Transaction as SdkTransaction } from '@bsv/sdk'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publicKeyOf } from '#curve'
import { type LocalChain, openLocalChain } from '../../src/adapters/chain/local-chain.ts'
import { readBeef } from '../../src/contract/beef.ts'
import { computeRoot, readBump } from '../../src/contract/bump.ts'
import { readHeadersFile } from '../../src/contract/headers.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { concatAll, knownHex, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { chainErrors } from '../../src/http/chain-errors.ts'
import { type ChainDatabases, chainDatabases } from '../adapters/chain/chain-databases.ts'
import { serveChain } from '../adapters/chain/served-chain.ts'
import { coinsOf, fund, keyOf, lockOf, pay } from '../adapters/chain/wallet.ts'
import { exchange } from './raw-http.ts'

let databases: ChainDatabases
let chain: LocalChain
let served: Awaited<ReturnType<typeof serveChain>>
beforeAll(async () => {
  databases = chainDatabases()
  const { pool } = await databases.database()
  chain = await openLocalChain({ pool, pollMs: 10 })
  served = await serveChain(chain)
})
afterAll(async () => {
  await served.stop()
  await chain.close()
  await databases.stop()
})

type Answer = { status: number; body: Record<string, unknown>; bytes: Uint8Array; headers: Headers }

async function ask(path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(served.url + path, init)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const isJson =
    bytes.length > 0 && response.headers.get('content-type')?.startsWith('application/json') === true
  const body = isJson ? JSON.parse(new TextDecoder().decode(bytes)) : {}
  return { status: response.status, body, bytes, headers: response.headers }
}
const postJson = (path: string, value: unknown) =>
  ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof value === 'string' ? value : JSON.stringify(value),
  })
const postBytes = (path: string, bytes: Uint8Array) =>
  ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Uint8Array.from(bytes),
  })
const rawRun = (...transactions: Transaction[]) => concatAll(transactions.map(({ raw }) => raw))
const privately = { network: 'local', economicFinality: false }
const text = (value: unknown) => (typeof value === 'string' ? value : '')

/** The one shape of every refusal. */
function expectError(answer: Answer, code: keyof typeof chainErrors): void {
  expect(answer.body).toMatchObject({
    status: 'error',
    isError: true,
    code,
    message: expect.any(String),
    description: answer.body['message'],
    ...privately,
  })
  expect(answer.status).toBe(chainErrors[code])
}

describe('the routes of a local chain', () => {
  test('show the tip', async () => {
    expect((await ask('/tip')).body).toEqual({ ...(await chain.tip()), ...privately })
  })

  test('give headers as bytes, and as the file that the verifier reads', async () => {
    await fund(chain)
    await chain.mine()
    const { bytes, headers } = await ask('/headers?from=0&count=20000')
    expect(headers.get('content-type')).toBe('application/octet-stream')
    expect(bytes).toEqual(await chain.headers(0, 20_000))
    expect((await ask('/headers?from=1&count=1')).bytes).toEqual(bytes.slice(80, 160))
    expect((await ask('/headers?from=4000000000')).bytes).toHaveLength(0)

    for (const file of [
      await ask('/headers?from=1&format=json'),
      await ask('/headers?from=1', { headers: { accept: 'application/json' } }),
    ]) {
      const read = orThrow(readHeadersFile(new TextDecoder().decode(file.bytes)))
      expect([read.network, read.firstHeight, read.tipHeight]).toEqual([
        'local',
        1,
        (await chain.tip()).height,
      ])
    }
    expectError(await ask('/headers?from=4000000000&format=json'), 'ERR_CHAIN_NO_SUCH_HEIGHT')
  })

  test.each(['raw transactions', 'a BEEF'])('take %s, and show what became of the last', async form => {
    const money = await fund(chain)
    const spend = pay(coinsOf(money))
    const beef = (await chain.beefOf(money.txid)) ?? new Uint8Array()
    const body = form === 'a BEEF' ? sdkBeef(beef, spend) : rawRun(money, spend)
    expect(await postBytes('/transactions', body)).toMatchObject({
      status: 200,
      body: { status: 'success', txid: spend.txid, ...privately },
    })
    expect((await ask(`/transactions/${spend.txid}`)).body).toEqual({
      txid: spend.txid,
      status: 'seen',
      ...privately,
    })
    const { height } = await chain.mine()
    const { body: mined } = await ask(`/transactions/${spend.txid}?raw=true`)
    expect(mined).toMatchObject({ status: 'mined', blockHeight: height, raw: toHex(spend.raw), ...privately })
    const root = orThrow(computeRoot(orThrow(readBump(knownHex(text(mined['proof'])))), spend.txid))
    expect(root).toBe(await chain.rootAt(height))
    expect((await postBytes('/transactions', body)).status).toBe(200)
  })

  test('answer for many txids at once, and leave out what is unknown', async () => {
    const spends = coinsOf(await fund(chain, { outputs: 3 }), 3).map(coin => pay([coin]))
    for (const spend of spends) await chain.broadcast([spend])
    const txids = spends.map(({ txid }) => txid)
    const unknown = '07'.repeat(32)
    const { body } = await postJson('/status', { txids: [...txids, unknown] })
    expect(body).toEqual({
      transactions: Object.fromEntries(txids.map(txid => [txid, { status: 'seen' }])),
      ...privately,
    })
    expect((await postJson('/status', { txids: [] })).body).toEqual({ transactions: {}, ...privately })
  })

  test('refuse a double spend and name the winner; refuse what is invalid', async () => {
    const money = await fund(chain)
    const winner = pay(coinsOf(money))
    const loser = pay(coinsOf(money), { to: 'bob' })
    await chain.broadcast([winner])
    const answer = await postBytes('/transactions', rawRun(loser))
    expectError(answer, 'ERR_CHAIN_DOUBLE_SPEND')
    expect(answer.body).toMatchObject({ txid: loser.txid, competing: [winner.txid] })
    const forged = await postBytes('/transactions', rawRun(pay(coinsOf(money), { from: 'mallory' })))
    expectError(forged, 'ERR_CHAIN_INVALID_TRANSACTION')
    expectError(await ask(`/transactions/${loser.txid}`), 'ERR_CHAIN_UNKNOWN_TRANSACTION')
  })

  test('pay money that the stock SDK spends at once', async () => {
    const key = PrivateKey.fromHex(toHex(keyOf('carol')))
    const { body, status } = await postJson('/faucet', {
      address: key.toAddress(),
      satoshis: 500,
      outputs: 2,
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      outputs: [
        { vout: 0, satoshis: 500 },
        { vout: 1, satoshis: 500 },
      ],
      ...privately,
    })
    const source = SdkTransaction.fromHexBEEF(text(body['beef']))
    expect(source.id('hex')).toBe(body['txid'])
    const spend = new SdkTransaction()
    spend.addInput({
      sourceTransaction: source,
      sourceOutputIndex: 1,
      unlockingScriptTemplate: new P2PKH().unlock(key),
    })
    spend.addOutput({ satoshis: 499, lockingScript: new P2PKH().lock(key.toAddress()) })
    await spend.sign()
    const tracker = {
      isValidRootForHeight: async (root: string, height: number) => (await chain.rootAt(height)) === root,
      currentHeight: async () => (await chain.tip()).height,
    }
    expect(await spend.verify(tracker)).toBe(true)
    expect((await postBytes('/transactions', Uint8Array.from(spend.toBEEF()))).status).toBe(200)
  })

  test('pay by script, public key and address of either kind, to the same lock', async () => {
    const key = PrivateKey.fromHex(toHex(keyOf('carol')))
    for (const whom of [
      { lockingScript: toHex(lockOf('carol')) },
      { publicKey: toHex(publicKeyOf(keyOf('carol'))) },
      { address: key.toAddress() },
      { address: key.toAddress('testnet') },
    ]) {
      const { body } = await postJson('/faucet', { ...whom, satoshis: 7 })
      const { subject } = orThrow(readBeef(knownHex(text(body['beef']))))
      expect(subject.outputs[0]).toEqual({ satoshis: 7, script: lockOf('carol') })
    }
  })

  test('say when the faucet must wait for a block, and for how long', async () => {
    const { pool } = await databases.database()
    const poor = await openLocalChain({ pool, pollMs: 10 })
    const its = await serveChain(poor)
    // One coin is left to it, whose change goes round until it is too far from any block.
    await pool.query(
      `UPDATE chain_faucet_coins SET spender = txid
       WHERE (txid, vout) <> (SELECT txid, vout FROM chain_faucet_coins LIMIT 1)`,
    )
    const body = JSON.stringify({ lockingScript: toHex(lockOf('alice')), satoshis: 1 })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
    for (let i = 0; i < 10; i++) expect((await fetch(`${its.url}/faucet`, init)).status).toBe(200)
    const refusal = await fetch(`${its.url}/faucet`, init)
    expect([refusal.status, refusal.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refusal.json()).toMatchObject({ code: 'ERR_CHAIN_FAUCET_EXHAUSTED', ...privately })
    await poor.mine()
    expect((await fetch(`${its.url}/faucet`, init)).status).toBe(200)
    await its.stop()
    await poor.close()
  })

  test('pay many at once, each from a coin of its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => postJson('/faucet', { lockingScript: '51', satoshis: 1 })),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const spent = answers.flatMap(({ body }) =>
      orThrow(readBeef(knownHex(text(body['beef'])))).subject.inputs.map(
        ({ txid, vout }) => `${txid}.${vout}`,
      ),
    )
    expect(new Set(spent).size).toBe(40)
  })

  test('reorganise only where they are told to', async () => {
    const closed = await serveChain(chain, { control: false })
    const response = await fetch(`${closed.url}/reorganise`, { method: 'POST', body: '{"depth":1}' })
    expect(response.status).toBe(404)
    await closed.stop()

    await fund(chain)
    const { height } = await chain.mine()
    const { body } = await postJson('/reorganise', { depth: 1 })
    expect(body).toEqual({ forkHeight: height - 1, tip: await chain.tip(), thrownOut: [], ...privately })
    expectError(await postJson('/reorganise', { depth: 10_000 }), 'ERR_CHAIN_REORGANISATION_REFUSED')
  })

  test('reorganise with a rival in hex', async () => {
    const coins = coinsOf(await fund(chain))
    const loser = pay(coins)
    await chain.broadcast([loser])
    await chain.mine()
    const rival = pay(coins, { to: 'bob' })
    const { body } = await postJson('/reorganise', { depth: 1, replaceWith: [toHex(rival.raw)] })
    expect(body['thrownOut']).toEqual([loser.txid])
  })

  test('know their methods and themselves', async () => {
    const answer = await ask('/tip', { method: 'DELETE' })
    expectError(answer, 'ERR_CHAIN_METHOD_NOT_ALLOWED')
    expect(answer.headers.get('allow')).toBe('GET, HEAD')
    expectError(await ask('/faucet'), 'ERR_CHAIN_METHOD_NOT_ALLOWED')
    expectError(await ask('/nothing'), 'ERR_CHAIN_NO_SUCH_ROUTE')
    expect((await ask('/tip', { method: 'HEAD' })).status).toBe(200)
  })
})

describe('a bad request', () => {
  const good = { lockingScript: '51', satoshis: 1 }
  const requests: [string, () => Promise<Answer>, keyof typeof chainErrors][] = [
    ['headers from nowhere', () => ask('/headers?from=-1'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['no headers', () => ask('/headers?count=0'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['too many headers', () => ask('/headers?count=20001'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['two counts', () => ask('/headers?count=1&count=2'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['an unknown parameter', () => ask('/headers?form=1'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['a txid in upper case', () => ask(`/transactions/${'AB'.repeat(32)}`), 'ERR_CHAIN_INVALID_REQUEST'],
    ['half a txid', () => ask('/transactions/abcd'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['a path that is none', () => ask('/transactions/%ff'), 'ERR_CHAIN_INVALID_REQUEST'],
    ['an unknown txid', () => ask(`/transactions/${'07'.repeat(32)}`), 'ERR_CHAIN_UNKNOWN_TRANSACTION'],
    ['no transaction', () => postBytes('/transactions', new Uint8Array()), 'ERR_CHAIN_INVALID_REQUEST'],
    ['nothing at all', () => ask('/transactions', { method: 'POST' }), 'ERR_CHAIN_CONTENT_TYPE'],
    [
      'transactions as text',
      () => ask('/transactions', { method: 'POST', body: 'aa' }),
      'ERR_CHAIN_CONTENT_TYPE',
    ],
    ['transactions as JSON', () => postJson('/transactions', {}), 'ERR_CHAIN_CONTENT_TYPE'],
    [
      'too large a body',
      () => postBytes('/transactions', new Uint8Array(4 * 1024 * 1024 + 1)),
      'ERR_CHAIN_BODY_TOO_LARGE',
    ],
    ['a compressed body', () => compressed('/transactions'), 'ERR_CHAIN_CONTENT_TYPE'],
    [
      'BEEF of another version',
      () => postBytes('/transactions', knownHex('0200beef0000')),
      'ERR_CHAIN_UNREADABLE_TRANSACTION',
    ],
    [
      'a BEEF without a transaction',
      () => postBytes('/transactions', knownHex('0100beef0000')),
      'ERR_CHAIN_UNREADABLE_TRANSACTION',
    ],
    ['too many transactions', () => postBytes('/transactions', crowd(1_001)), 'ERR_CHAIN_BODY_TOO_LARGE'],
    ['txids that are none', () => postJson('/status', { txids: ['x'] }), 'ERR_CHAIN_INVALID_REQUEST'],
    [
      'too many txids',
      () => postJson('/status', { txids: Array(1_001).fill('07'.repeat(32)) }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    [
      'too long a list',
      () => postJson('/status', { txids: ['0'.repeat(200_000)] }),
      'ERR_CHAIN_BODY_TOO_LARGE',
    ],
    ['half a JSON text', () => postJson('/status', '{"txids":['), 'ERR_CHAIN_INVALID_REQUEST'],
    ['nobody to pay', () => postJson('/faucet', { satoshis: 1 }), 'ERR_CHAIN_INVALID_REQUEST'],
    [
      'two to pay',
      () => postJson('/faucet', { ...good, address: '1BitcoinEaterAddressDontSendf59kuE' }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    [
      'a misspelt address',
      () => postJson('/faucet', { address: '1BitcoinEaterAddressDontSendf59kuF', satoshis: 1 }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    [
      'a key off the curve',
      () => postJson('/faucet', { publicKey: `02${'ff'.repeat(32)}`, satoshis: 1 }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    [
      'an empty script',
      () => postJson('/faucet', { lockingScript: '', satoshis: 1 }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    ['bad hex', () => postJson('/faucet', { ...good, lockingScript: '5' }), 'ERR_CHAIN_INVALID_REQUEST'],
    [
      'too long a script',
      () => postJson('/faucet', { ...good, lockingScript: '51'.repeat(10_001) }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    [
      'too much script in all',
      () => postJson('/faucet', { lockingScript: '51'.repeat(10_000), satoshis: 1, outputs: 30 }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    ['no money', () => postJson('/faucet', { ...good, satoshis: 0 }), 'ERR_CHAIN_INVALID_REQUEST'],
    ['half a satoshi', () => postJson('/faucet', { ...good, satoshis: 0.5 }), 'ERR_CHAIN_INVALID_REQUEST'],
    [
      'too much money',
      () => postJson('/faucet', { ...good, satoshis: 10_000_000_001 }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    [
      'too much money in all',
      () => postJson('/faucet', { ...good, satoshis: 10_000_000_000, outputs: 2 }),
      'ERR_CHAIN_INVALID_REQUEST',
    ],
    ['too many outputs', () => postJson('/faucet', { ...good, outputs: 1_001 }), 'ERR_CHAIN_INVALID_REQUEST'],
    ['an unknown wish', () => postJson('/faucet', { ...good, fee: 1 }), 'ERR_CHAIN_INVALID_REQUEST'],
    ['no depth', () => postJson('/reorganise', {}), 'ERR_CHAIN_INVALID_REQUEST'],
    [
      'a rival that is none',
      () => postJson('/reorganise', { depth: 1, replaceWith: ['00'] }),
      'ERR_CHAIN_UNREADABLE_TRANSACTION',
    ],
  ]
  test.each(requests)('with %s is answered in the documented words', async (_, make, code) => {
    expectError(await make(), code)
    expect(served.faults).toEqual([])
  })

  test('of any bytes to any route is refused, never a fault of ours', async () => {
    const money = await fund(chain)
    const beef = (await chain.beefOf(money.txid)) ?? new Uint8Array()
    const noisy = fc
      .tuple(fc.nat(beef.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([at, noise]) => {
        const copy = Uint8Array.from(beef)
        copy.set(noise.subarray(0, copy.length - at), at)
        return copy
      })
    const cut = fc.nat(beef.length - 1).map(end => beef.slice(0, end))
    await fc.assert(
      fc.asyncProperty(fc.oneof(noisy, cut, fc.uint8Array({ maxLength: 300 })), async bytes => {
        const { status } = await postBytes('/transactions', bytes)
        expect([200, 400, 409, 422]).toContain(status)
      }),
      { numRuns: 250 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/status', '/faucet', '/reorganise'),
        fc.oneof(
          fc.json(),
          fc.record({ satoshis: fc.anything(), lockingScript: fc.string(), outputs: fc.anything() }),
          fc.record({ txids: fc.array(fc.oneof(fc.string(), fc.integer())) }),
          fc.record({ depth: fc.oneof(fc.double(), fc.integer({ min: 100_000 })) }),
        ),
        async (path, value) => {
          const body = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
          const { status } = await postJson(path, body)
          expect([200, 400, 415, 422]).toContain(status)
        },
      ),
      { numRuns: 250 },
    )
    expect(served.faults).toEqual([])
  })

  test.each([
    ['stops coming', { silenceMsMax: 50 }],
    ['is not whole in time', { bodyMsMax: 50 }],
  ])('that %s is given up', async (_, limits) => {
    const slow = await serveChain(chain, { limits })
    const [answer] = await exchange(slow.port, socket => {
      socket.write(
        'POST /chain/transactions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
          'Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nhalf',
      )
    })
    expect(answer?.status).toBe(408)
    expect(JSON.parse(String(answer?.body))).toMatchObject({
      code: 'ERR_CHAIN_REQUEST_TIMEOUT',
      ...privately,
    })
    await slow.stop()
  })

  test('that ends half-way hurts nobody else', async () => {
    await new Promise<void>(resolve => {
      const half = httpRequest(`${served.url}/transactions`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream', 'content-length': '1000' },
      })
      half.on('error', () => resolve())
      half.write('half', () => half.destroy(new Error('enough')))
    })
    expect((await ask('/tip')).status).toBe(200)
  })
})

/** As a wallet with the stock SDK would send it. */
function sdkBeef(parent: Uint8Array, { raw }: Transaction): Uint8Array {
  const spend = SdkTransaction.fromBinary([...raw])
  const [input] = spend.inputs
  if (input === undefined) throw new Error('the transaction spends nothing')
  input.sourceTransaction = SdkTransaction.fromBEEF([...parent])
  return Uint8Array.from(spend.toBEEF())
}

function crowd(count: number): Uint8Array {
  const one = knownHex(`01000000${'01'}${'11'.repeat(32)}0000000000ffffffff01000000000000000000${'00000000'}`)
  return concatAll(Array.from({ length: count }, () => one))
}

function compressed(path: string): Promise<Answer> {
  return ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' },
    body: new Uint8Array(8),
  })
}
