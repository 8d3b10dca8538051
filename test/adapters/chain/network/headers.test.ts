import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { headerHash, rootOf } from '../../../../src/adapters/chain/block.ts'
import type { Tip } from '../../../../src/adapters/chain/chain.ts'
import { openHeadersFile } from '../../../../src/adapters/chain/network/headers-file.ts'
import { openHeadersService } from '../../../../src/adapters/chain/network/headers-service.ts'
import { headerJson, tipJson } from '../../../support/headers-server.ts'
import { EASY, HARD, type MadeBlock, MadeNetwork, madeHeader } from '../../../support/made-network.ts'
import { until } from '../../../support/until.ts'
import { type NetworkBed, networkBed, type SharedDatabase, sharedDatabase } from './network-bed.ts'

let shared: SharedDatabase
beforeAll(async () => {
  shared = await sharedDatabase()
})
afterAll(() => shared.drop())

let bed: NetworkBed
beforeEach(async () => {
  bed = await networkBed(shared)
})
afterEach(() => bed.end())

const tipOf = ({ height, hash }: MadeBlock): Tip => ({ height, hash })

describe('headers of a service', () => {
  test('are followed to its tip, page after page, and known by their roots', async () => {
    const { network } = bed
    network.mineSeveral(2100)
    const chain = await bed.open()
    expect(await chain.tip()).toEqual(tipOf(network.tip))
    expect(await chain.rootAt(2100)).toBe(rootOf(network.tip.header))
    expect(await chain.rootAt(0)).toBe(rootOf(network.genesis.header))
    expect(await chain.rootAt(2101)).toBeUndefined()
    expect(await chain.rootAt(-1)).toBeUndefined()

    network.mine()
    await until(async () => (await chain.tip()).height === 2101)
    expect(chain.standing()).toMatchObject({ behind: 0, trouble: undefined })
  })

  test('are known by older roots too, which memory does not hold', async () => {
    const { network } = bed
    const early = network.mineSeveral(3)
    network.mineSeveral(30)
    const chain = await bed.open({ headersKept: 10 })
    expect(await chain.rootAt(3)).toBe(rootOf(early.header))
  })

  test('are not fetched again after a restart, nor by another node on the same database', async () => {
    bed.network.mineSeveral(20)
    await (await bed.open()).close()
    const pages = () => bed.headers.asked.filter(each => each.includes('byHeight')).length
    const before = pages()
    const [one, other] = await Promise.all([bed.open(), bed.open()])
    expect(await one.tip()).toEqual(tipOf(bed.network.tip))
    expect(await other.tip()).toEqual(tipOf(bed.network.tip))
    expect(pages()).toBe(before)
  })

  test('reach a node whose service is away through another one on its database', async () => {
    const away = await bed.open({ source: openHeadersService({ url: 'http://127.0.0.1:9', timeoutMs: 100 }) })
    expect(await away.tip()).toEqual(tipOf(bed.network.genesis))
    const heard: number[] = []
    const stop = away.follow(async ({ forkHeight }) => void heard.push(forkHeight))
    bed.network.mineSeveral(3)
    await bed.open()
    await until(async () => (await away.tip()).height === 3)
    await until(() => heard.length > 0)
    expect(heard[0]).toBe(0)
    await stop()
  })

  test('lead onto a branch with more work, though it has fewer blocks, and back from it', async () => {
    const { network } = bed
    const fork = network.mineSeveral(5)
    const long = network.mineSeveral(6)
    const chain = await bed.open()
    const heard: number[][] = []
    const stop = chain.follow(async ({ forkHeight, tip }) => void heard.push([forkHeight, tip.height]))
    const heavy = network.mine([], { on: fork, bits: HARD })
    await until(() => heard.length === 1)
    expect(heard).toEqual([[5, 6]])
    expect(await chain.tip()).toEqual(tipOf(heavy))
    expect(await chain.rootAt(7)).toBeUndefined()

    network.mine([], { on: long, bits: HARD })
    await until(() => heard.length === 2)
    expect(heard[1]).toEqual([5, 12])
    expect(await chain.rootAt(11)).toBe(rootOf(long.header))
    await stop()
  })

  test('stay on the branch that was there first where another has as much work', async () => {
    const { network } = bed
    const fork = network.mineSeveral(3)
    const first = network.mineSeveral(2)
    const chain = await bed.open()
    const second = network.mineSeveral(2, { on: fork, salt: 'second' })
    await until(async () => (await count()) === 8)
    expect(await chain.tip()).toEqual(tipOf(first))
    network.mine([], { on: second })
    await until(async () => (await chain.tip()).height === 6)
  })

  test.each([3, 15, 16, 17, 300])('are followed from %i blocks back', async depth => {
    const { network } = bed
    const fork = network.mineSeveral(3)
    network.mineSeveral(depth)
    const chain = await bed.open()
    const tip = network.mineSeveral(depth + 1, { on: fork, salt: 'other' })
    await until(async () => (await chain.tip()).hash === tip.hash)
    expect(bed.troubles).toEqual([])
  })

  test('are told from where a follower remembers, also from a branch that was left', async () => {
    const { network } = bed
    const fork = network.mineSeveral(4)
    const left = network.mineSeveral(2)
    const chain = await bed.open()
    network.mineSeveral(3, { on: fork, salt: 'other' })
    await until(async () => (await chain.tip()).height === 7)
    const told = async (since: Tip) => {
      const forks: number[] = []
      const stop = chain.follow(async ({ forkHeight }) => void forks.push(forkHeight), since)
      // The tip is here a moment before it is announced; a second word of the same news may follow the first.
      await until(() => forks.length > 0)
      await stop()
      return Math.min(...forks)
    }
    expect(await told(tipOf(left))).toBe(4)
    expect(await told(tipOf(fork))).toBe(4)
    expect(await told({ height: 3, hash: 'ab'.repeat(32) })).toBe(-1)
  })

  const count = async () =>
    (await bed.database.pool.query<{ n: number }>('select count(*)::int as n from headers')).rows[0]?.n
})

describe('a header service that', () => {
  test('is away is asked again, and what is known stays known', async () => {
    const { network, headers } = bed
    network.mineSeveral(3)
    const chain = await bed.open()
    await headers.stop()
    await until(() => chain.standing().trouble?.includes('ECONNREFUSED'))
    expect(await chain.tip()).toEqual(tipOf(network.tip))
    expect(chain.standing().heardMs).toBeGreaterThan(0)
    network.mine()
    await headers.startAgain()
    await until(async () => (await chain.tip()).height === 4)
    await until(() => chain.standing().trouble === undefined)
  })

  test('is away at the start does not keep a node from what it knows', async () => {
    const { network, headers } = bed
    network.mineSeveral(3)
    await (await bed.open()).close()
    await headers.stop()
    const chain = await bed.open()
    expect(await chain.tip()).toEqual(tipOf(network.tip))
    expect(chain.standing()).toMatchObject({ heardMs: undefined, behind: undefined })
  })

  test('hangs does not keep it from starting, nor from stopping', async () => {
    const chain = await bed.open({
      patienceMs: 20,
      source: {
        name: 'one that hangs',
        tip: signal => new Promise((_, reject) => signal.addEventListener('abort', reject)),
        headers: async () => [],
      },
    })
    expect(await chain.tip()).toEqual(tipOf(bed.network.genesis))
    await chain.close()
  })

  test('is behind takes nothing away', async () => {
    const { network } = bed
    const old = network.mineSeveral(3)
    network.mineSeveral(3)
    const chain = await bed.open()
    network.tip = old
    await chain.sync()
    expect((await chain.tip()).height).toBe(6)
    expect(chain.standing()).toMatchObject({ behind: 0 })
  })

  const pageOf = (headers: readonly Uint8Array[]) => (path: string) =>
    path.endsWith('byHeight')
      ? { status: 200, body: `[${headers.map(header => headerJson({ header })).join()}]` }
      : { status: 200, body: tipJson({ header: headers.at(-1) ?? new Uint8Array(80), height: 4 }) }
  const root = new Uint8Array(32)
  const hashOf = () => bed.network.tip.hash

  test.each<[string, () => readonly Uint8Array[], string]>([
    [
      'has a header without its work',
      () => [madeHeader(hashOf(), root, EASY, false)],
      'the header at height 4 lacks the work that it claims',
    ],
    [
      'has headers with one missing between',
      () => [madeHeader('ab'.repeat(32), root, EASY)],
      'has no header near height 4 that follows one of ours',
    ],
    ['has no headers', () => [], 'has no header near height 4 that follows one of ours'],
  ])('%s is refused, and changes nothing', async (_, headers, complaint) => {
    const { network } = bed
    network.mineSeveral(3)
    const chain = await bed.open()
    bed.headers.instead = pageOf(headers())
    await until(() => bed.troubles.some(trouble => trouble.includes(complaint)))
    expect(await chain.tip()).toEqual(tipOf(network.tip))
    bed.headers.instead = () => undefined
    network.mine()
    await until(async () => (await chain.tip()).height === 4)
  })

  test('leads to good headers before a bad one is believed that far', async () => {
    const { network } = bed
    network.mineSeveral(3)
    const chain = await bed.open()
    const good = madeHeader(hashOf(), root, EASY)
    const bad = madeHeader(headerHash(good), root, EASY, false)
    bed.headers.instead = pageOf([good, bad])
    await until(() => bed.troubles.some(trouble => trouble.includes('height 5 lacks the work')))
    expect(await chain.tip()).toEqual({ height: 4, hash: headerHash(good) })
  })

  test('has a bad header beside a good one is followed along the good one', async () => {
    const { network } = bed
    network.mineSeveral(3)
    const chain = await bed.open()
    const good = madeHeader(hashOf(), root, EASY)
    const next = madeHeader(headerHash(good), root, EASY)
    bed.headers.instead = pageOf([madeHeader(hashOf(), root, EASY, false), good, next])
    await until(async () => (await chain.tip()).hash === headerHash(next))
    await until(() => bed.troubles.some(trouble => trouble.includes('height 4 lacks the work')))
  })

  test.each<[string, string, RegExp]>([
    ['calls a header by another hash', '[{"hash"', /whose hash is/],
    ['answers with a page', '<html>', /not JSON/],
    ['answers as another service', '{"hello":1}', /does not answer as published/],
  ])('%s is refused', async (_, body, complaint) => {
    const { network, headers } = bed
    const chain = await bed.open()
    network.mine()
    const renamed = `[${headerJson(network.tip).replace(/"hash":"[0-9a-f]{8}/, '"hash":"00000000')}]`
    headers.instead = path =>
      path.endsWith('byHeight') ? { status: 200, body: body.startsWith('[') ? renamed : body } : undefined
    await expect(chain.sync()).rejects.toThrow(complaint)
  })

  test('wants another token says so, without the token', async () => {
    const chain = await bed.open({
      source: openHeadersService({ url: bed.headers.url, token: 'not-the-right-one' }),
    })
    expect(chain.standing().trouble).toContain('answers 401; HEADERS_TOKEN is not one that it takes')
    expect(chain.standing().trouble).not.toContain('not-the-right-one')
  })

  test('is of another network, whose genesis it shares, is found out at a checkpoint', async () => {
    const { network } = bed
    network.mineSeveral(5)
    const chain = await bed.open({
      anchor: { ...network.anchor, checkpoints: new Map([[4, 'ab'.repeat(32)]]) },
    })
    expect((await chain.tip()).height).toBe(3)
    expect(chain.standing().trouble).toContain('these headers are of another network')
  })

  test('is of a network that begins differently never gets in', async () => {
    const other = new MadeNetwork()
    other.mineSeveral(3)
    const first = other.mine([], { on: other.genesis, salt: 'x' })
    await bed.open()
    await expect(bed.open({ anchor: { ...other.anchor, genesis: first.header } })).rejects.toThrow(
      /Use a database of its own for each network/,
    )
  })
})

describe('headers of a file', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'assay-headers-'))
    file = path.join(folder, 'headers.json')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('are read again when it changes, forks included', async () => {
    const { network } = bed
    const fork = network.mineSeveral(3)
    network.mineSeveral(2)
    writeFileSync(file, network.headersFile())
    const chain = await bed.open({ source: openHeadersFile(file, 'testnet') })
    expect(await chain.tip()).toEqual(tipOf(network.tip))
    network.mineSeveral(4, { on: fork, salt: 'other' })
    writeFileSync(file, network.headersFile())
    await until(async () => (await chain.tip()).hash === network.tip.hash)
  })

  test.each<[string, (network: MadeNetwork) => string, RegExp]>([
    ['another network', network => network.headersFile('mainnet'), /is of network mainnet/],
    ['half a header', network => network.headersFile().replace('"}', '00"}'), /whole number of 80-byte/],
    ['something else', () => '{"hello":1}', /not a headers file/],
  ])('of %s are refused', async (_, write, complaint) => {
    bed.network.mine()
    writeFileSync(file, write(bed.network))
    const chain = await bed.open({ source: openHeadersFile(file, 'testnet') })
    expect(chain.standing().trouble).toMatch(complaint)
  })

  test('that is not there yet are waited for', async () => {
    bed.network.mine()
    const chain = await bed.open({ source: openHeadersFile(file, 'testnet') })
    expect(chain.standing().trouble).toContain('ENOENT')
    writeFileSync(file, bed.network.headersFile())
    await until(async () => (await chain.tip()).height === 1)
  })
})
