import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headerHash, mineHeader } from '../../../src/adapters/chain/block.ts'
import { claimLocalChain } from '../../../src/adapters/chain/claim-network.ts'
import { followLocalChain } from '../../../src/adapters/chain/follow-local-chain.ts'
import { openHeaderRun } from '../../../src/adapters/chain/header-run.ts'
import { syncHeaders, workOf } from '../../../src/adapters/chain/sync-headers.ts'
import { concat, concatAll } from '../../../src/core/bytes.ts'
import { sha256 } from '../../../src/core/sha256.node.ts'
import { until } from '../../support/until.ts'
import { type ChainDatabases, chainDatabases } from './chain-databases.ts'
import { serveChain } from './served-chain.ts'
import { coinsOf, fund, pay } from './wallet.ts'
import { withChain } from './with-chain.ts'

let databases: ChainDatabases
beforeAll(async () => {
  databases = chainDatabases()
})
afterAll(() => databases.stop())

describe('a follower of a local chain', () => {
  test('sees blocks, statuses and reorganisations over HTTP', () =>
    withChain(databases, async chain => {
      const served = await serveChain(chain)
      for (let i = 0; i < 3; i++) {
        await fund(chain)
        await chain.mine()
      }
      const followed = await followLocalChain({ url: served.url, pollMs: 10 })
      expect(followed.network).toBe('local')
      expect(await followed.tip()).toEqual(await chain.tip())
      for (const height of [0, 1, 2, 3, 4, -1])
        expect(await followed.rootAt(height)).toBe(await chain.rootAt(height))

      const heard: number[][] = []
      const stop = followed.follow(async ({ forkHeight, tip }) => void heard.push([forkHeight, tip.height]))
      const money = await fund(chain)
      const spend = pay(coinsOf(money))
      expect(await followed.broadcast([spend])).toEqual({ kind: 'accepted' })
      expect(await followed.broadcast([money, spend])).toEqual({ kind: 'accepted' })
      expect(await followed.statusOf([spend.txid, '07'.repeat(32)])).toEqual(
        new Map([[spend.txid, { kind: 'seen' }]]),
      )
      expect(await followed.broadcast([pay(coinsOf(money), { to: 'bob' })])).toEqual({
        kind: 'rejected',
        reason: 'double-spend',
        detail: expect.stringContaining(spend.txid),
        competing: [spend.txid],
      })
      expect(await followed.broadcast([pay(coinsOf(money), { from: 'mallory' })])).toMatchObject({
        reason: 'invalid',
        competing: [],
      })
      await chain.mine()
      // The answer names a block that the follower may not have polled for yet.
      const status = (await followed.statusOf([spend.txid])).get(spend.txid)
      expect(status).toEqual((await chain.statusOf([spend.txid])).get(spend.txid))
      await until(() => heard.length === 1)
      await chain.reorganise({ depth: 3 })
      await until(() => heard.length === 2)
      expect(heard).toEqual([
        [3, 4],
        [1, 5],
      ])
      expect(await followed.tip()).toEqual(await chain.tip())
      await stop()
      await followed.close()
      await served.stop()
    }))

  test('knows a block that the owner has mined since its last look', () =>
    withChain(databases, async chain => {
      const served = await serveChain(chain)
      const followed = await followLocalChain({ url: served.url, pollMs: 600_000 })
      await fund(chain)
      await chain.mine()
      const { height } = await chain.tip()
      expect(await followed.rootAt(height)).toBe(await chain.rootAt(height))
      expect(await followed.rootAt(height + 1)).toBeUndefined()
      await followed.close()
      await served.stop()
    }))

  test('has no other chain in its database, where proofs would be held against that', () =>
    withChain(databases, async (chain, pool) => {
      const served = await serveChain(chain)
      const followed = await followLocalChain({ url: served.url })
      await claimLocalChain(pool, followed, served.url)
      await withChain(databases, async (_, another) => {
        await expect(claimLocalChain(another, followed, served.url)).rejects.toThrow(
          `this database has a local chain of its own, and ${served.url} has another one`,
        )
      })
      await followed.close()
      await served.stop()
    }))

  test('keeps what it knows while the owner is away, and catches up when it is back', () =>
    withChain(databases, async chain => {
      const served = await serveChain(chain)
      await fund(chain)
      await chain.mine()
      const troubles: string[] = []
      const followed = await followLocalChain({
        url: served.url,
        pollMs: 10,
        onTrouble: trouble => troubles.push(String(trouble)),
      })
      const heard: number[][] = []
      const stop = followed.follow(async ({ forkHeight, tip }) => void heard.push([forkHeight, tip.height]))
      const before = await followed.tip()
      await served.stop()
      const late = pay(coinsOf(await fund(chain)))
      await expect(followed.broadcast([late])).rejects.toThrow(
        /Is the process that owns the local chain running/,
      )
      await until(() => troubles.length > 0)
      expect(await followed.tip()).toEqual(before)

      await chain.mine()
      await chain.reorganise({ depth: 2 })
      const again = await serveChain(chain, { port: served.port })
      await until(() => heard.length === 1)
      expect(heard).toEqual([[0, 3]])
      expect(await followed.broadcast([late])).toEqual({ kind: 'accepted' })
      await stop()
      await followed.close()
      await again.stop()
    }))

  test('is told at the start what happened since the tip it remembers', () =>
    withChain(databases, async chain => {
      const served = await serveChain(chain)
      await fund(chain)
      await chain.mine()
      const remembered = await chain.tip()
      await fund(chain)
      await chain.mine()
      const followed = await followLocalChain({ url: served.url, pollMs: 10 })
      const told = async (since: { height: number; hash: string }) => {
        const forks: number[] = []
        const stop = followed.follow(async ({ forkHeight }) => void forks.push(forkHeight), since)
        await until(() => forks.length === 1)
        await stop()
        return forks
      }
      expect(await told(remembered)).toEqual([1])
      expect(await told({ height: 1, hash: '07'.repeat(32) })).toEqual([-1])
      await followed.close()
      await served.stop()
    }))

  test('waits for an owner that starts later, up to a point', async () => {
    await expect(
      followLocalChain({ url: 'http://127.0.0.1:9/chain', pollMs: 5, patienceMs: 50 }),
    ).rejects.toThrow(/Is the process that owns the local chain running/)
  })

  const oddAnswers: [string, RequestListener, RegExp][] = [
    ['never answers', () => {}, /no answer within/],
    ['answers without end', (_, response) => endless(response), /longer than \d+ bytes/],
    ['redirects', (_, response) => void response.writeHead(302, { location: '/' }).end(), /redirect/],
    ['is another service', (_, response) => void response.end('{"hello":"world"}'), /does not answer as/],
    ['answers with a page', (_, response) => void response.end('<html>'), /not JSON/],
    ['is on another network', (_, response) => void response.end(tipOn('mainnet')), /does not answer as/],
    ['fails', (_, response) => void response.writeHead(500).end('oh'), /answers 500: oh/],
    [
      'has headers that are none',
      (request, response) => void response.end(request.url === '/tip' ? tipOn('local') : 'x'.repeat(160)),
      /headers-invalid/,
    ],
    [
      'has no headers',
      (request, response) => void response.end(request.url === '/tip' ? tipOn('local') : ''),
      /no first block/,
    ],
  ]
  test.each(oddAnswers)('refuses an owner that %s', async (_, listener, complaint) => {
    const odd = createServer(listener).listen(0, '127.0.0.1')
    await once(odd, 'listening')
    const address = odd.address()
    const port = typeof address === 'object' ? address?.port : undefined
    await expect(
      followLocalChain({ url: `http://127.0.0.1:${port}`, timeoutMs: 300, patienceMs: 1 }),
    ).rejects.toThrow(complaint)
    odd.closeAllConnections()
    odd.close()
  })
})

describe('headers of somebody else', () => {
  const genesis = headersOn('00'.repeat(32), 1, 'genesis')
  const trunk = concat(genesis, headersOn(tipOf(genesis), 30, 'trunk'))
  const serve = (chain: Uint8Array) => async (from: number, count: number) =>
    chain.slice(80 * from, 80 * (from + count))
  async function following(chain: Uint8Array) {
    const run = openHeaderRun()
    await syncHeaders(run, serve(chain))
    return run
  }

  test('are followed onto a branch with more work, at any depth', async () => {
    for (const depth of [1, 2, 15, 16, 17, 30]) {
      const run = await following(trunk)
      const fork = trunk.slice(0, trunk.length - 80 * depth)
      const branch = concat(fork, headersOn(tipOf(fork), depth + 1, `branch ${depth}`))
      expect(await syncHeaders(run, serve(branch))).toBe(30 - depth)
      expect(run.tip()).toEqual({ height: 31, hash: tipOf(branch) })
      expect(await syncHeaders(run, serve(branch))).toBeUndefined()
    }
  })

  const refusals: [string, Uint8Array, RegExp][] = [
    ['a branch with as much work', branchOf(5, 5), /no more work/],
    ['a branch with less work', branchOf(5, 3), /no more work/],
    ['the same chain, cut short', trunk.slice(0, 80 * 20), /no more work/],
    ['another chain', longer(headersOn('00'.repeat(32), 40, 'another')), /shares no block/],
    ['nothing', new Uint8Array(), /shares no block/],
    ['a chain with a header missing', concat(trunk, headersOn('07'.repeat(32), 1, 'x')), /does not follow/],
    ['a header without its work', concat(trunk, lazyHeader(tipOf(trunk))), /lacks the work/],
    ['half a header', concat(trunk, new Uint8Array(40)), /whole number/],
  ]
  test.each(refusals)('are refused, and change nothing, where they are %s', async (_, chain, complaint) => {
    const run = await following(trunk)
    await expect(syncHeaders(run, serve(chain))).rejects.toThrow(complaint)
    expect(run.tip()).toEqual({ height: 30, hash: tipOf(trunk) })
    expect(run.slice(0, 100)).toEqual(trunk)
  })

  test('weigh what their targets say', () => {
    expect(workOf(genesis)).toBe(2n)
    expect(workOf(trunk)).toBe(62n)
  })

  function branchOf(depth: number, length: number): Uint8Array {
    const fork = trunk.slice(0, trunk.length - 80 * depth)
    return concat(fork, headersOn(tipOf(fork), length, 'branch'))
  }
  function longer(chain: Uint8Array): Uint8Array {
    return concat(chain, headersOn(tipOf(chain), 1, 'longer'))
  }
})

function headersOn(previous: string, count: number, name: string): Uint8Array {
  const headers: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const header = mineHeader({ previous, root: sha256(`${name} ${i}`), timeSeconds: 1_780_000_000 })
    headers.push(header)
    previous = headerHash(header)
  }
  return concatAll(headers)
}

function tipOf(headers: Uint8Array): string {
  return headerHash(headers.subarray(-80))
}

function lazyHeader(previous: string): Uint8Array {
  for (let second = 0; ; second++) {
    const header = mineHeader({ previous, root: sha256('lazy'), timeSeconds: second })
    header[79] = 1
    if (headerHash(header) > '8') return header
  }
}

function tipOn(network: string): string {
  return JSON.stringify({ network, economicFinality: false, height: 1, hash: '07'.repeat(32) })
}

function endless(response: import('node:http').ServerResponse): void {
  const more = () => {
    if (!response.destroyed) response.write('x'.repeat(65_536), more)
  }
  more()
}
