import { randomBytes } from 'node:crypto'
import http from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { sha256Hex } from '#sha256'
import { party } from '../support/pipeline.ts'
import { testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { type UhrpBed, uhrpBed } from '../support/uhrp-bed.ts'
import { until } from '../support/until.ts'
import { type StorageChild, storageChild } from './storage-child.ts'

// By hand, more of them: ASSAY_KILLS=50 npx vitest run test/http/uhrp-process.test.ts
const kills = Number(process.env['ASSAY_KILLS'] ?? 3)
const MEGABYTE = 1024 * 1024

let bed: UhrpBed
beforeAll(async () => {
  bed = await uhrpBed()
})
afterAll(() => bed.close())

const uploadUrl = async ({ url }: StorageChild, fileSize: number): Promise<string> => {
  const response = await fetch(`${url}/upload`, {
    method: 'POST',
    headers: { [testOnlyIdentityHeader]: party('uploader').identityKey },
    body: JSON.stringify({ fileSize, retentionPeriod: 1000 }),
  })
  return z.object({ uploadURL: z.string() }).parse(await response.json()).uploadURL
}

describe('kill -9 during uploads', () => {
  test(`leaves no part of an object, no row without its file, and loses nothing acknowledged, over ${kills} kills`, {
    timeout: 60_000 + kills * 10_000,
  }, async () => {
    const acknowledged = new Set<string>()
    for (let n = 0; n < kills; n++) {
      const child = await storageChild(bed)
      const before = acknowledged.size
      const uploaders = Array.from({ length: 6 }, () => uploadUntilKilled(child, acknowledged))
      await until(() => acknowledged.size > before + 3 + 5 * n)
      await child.kill()
      await Promise.all(uploaders)
      expect(await wrongWith(acknowledged)).toEqual([])
    }
    // What the kills left behind goes in time, and nothing else.
    bed.pass(2 * 3_600_000)
    await bed.sweep()
    expect(await wrongWith(acknowledged)).toEqual([])
    const { rows } = await bed.database.pool.query(`select from uhrp_objects where state = 'held'`)
    expect(await bed.files()).toHaveLength(rows.length)
  })

  async function uploadUntilKilled(child: StorageChild, acknowledged: Set<string>): Promise<void> {
    try {
      for (let n = 0; ; n++) {
        const bytes = randomBytes(1 + ((n * 700_001) % MEGABYTE))
        const response = await fetch(await uploadUrl(child, bytes.length), { method: 'PUT', body: bytes })
        if (response.ok) acknowledged.add(sha256Hex(bytes))
        await response.arrayBuffer()
      }
    } catch {
      // Killed: that is how it ends.
    }
  }

  async function wrongWith(acknowledged: ReadonlySet<string>): Promise<string[]> {
    const { rows } = await bed.database.pool.query<{ sha256: string }>(
      `select encode(sha256, 'hex') as sha256 from uhrp_objects join uhrp_retentions using (sha256) where state = 'held'`,
    )
    const held = new Set(rows.map(({ sha256 }) => sha256))
    const files = (await bed.files()).filter(({ path }) => !path.includes('incoming'))
    const whole = new Set(files.filter(({ isWhole }) => isWhole).map(({ path }) => path.slice(-64)))
    return [
      ...files.filter(({ isWhole }) => !isWhole).map(({ path }) => `${path} is a part`),
      ...[...held].filter(name => !whole.has(name)).map(name => `${name} has no file`),
      ...[...acknowledged].filter(name => !held.has(name)).map(name => `${name} is lost`),
    ]
  }
})

describe('memory', () => {
  test('stays as it is while 200 MB come in and 200 MB go out, four times at once', async () => {
    const child = await storageChild(bed)
    const length = 200 * MEGABYTE
    const piece = randomBytes(MEGABYTE)
    const uploaded = async (tail: number) => {
      const target = await uploadUrl(child, length)
      function* pieces() {
        for (let n = 1; n < 200; n++) yield piece
        yield Buffer.concat([piece.subarray(1), Buffer.of(tail)])
      }
      const request = http.request(target, { method: 'PUT', headers: { 'content-length': length } })
      const answer = new Promise<http.IncomingMessage>(resolve => request.once('response', resolve))
      await pipeline(Readable.from(pieces()), request)
      const chunks: Buffer[] = []
      for await (const chunk of await answer) chunks.push(chunk)
      return z.object({ sha256: z.string() }).parse(JSON.parse(Buffer.concat(chunks).toString())).sha256
    }
    const downloaded = async (sha256: string) => {
      const response = await fetch(`${child.url}/uhrp/${sha256}`)
      let bytes = 0
      for await (const chunk of response.body ?? []) bytes += chunk.length
      expect(bytes).toBe(length)
    }
    const sha256 = await uploaded(0)
    await downloaded(sha256)
    const calm = await child.rssBytes()
    let peak = calm
    let isBusy = true
    const watching = (async () => {
      while (isBusy) {
        peak = Math.max(peak, await child.rssBytes())
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    })()
    await Promise.all([uploaded(1), uploaded(2), downloaded(sha256), downloaded(sha256)])
    isBusy = false
    await watching
    expect((peak - calm) / MEGABYTE).toBeLessThan(100)
    process.env['ASSAY_FIGURES'] &&
      process.stderr.write(`${(calm / MEGABYTE).toFixed(0)} MB, at most ${(peak / MEGABYTE).toFixed(0)} MB\n`)
    await child.kill()
  })
})
