import { describe, expect, test } from 'vitest'
import { referenceEvent } from '../../../bench/reference-event.ts'
import { concatAll, utf8 } from '../../../src/core/bytes.ts'
import { readReceived } from '../../../src/ingest/arrived.ts'
import { readStreamed } from '../../../src/ingest/formats/read-streamed.ts'
import { csv, ndjson, oneByOne, streamed } from './reading.ts'

const MIB = 1024 * 1024

/** As much as is asked for, without ever being there as a whole. */
async function* repeated(piece: Uint8Array, bytes: number) {
  for (let sent = 0; sent < bytes; sent += piece.length) yield piece
}

/** The greatest memory seen while a body is read, above what was there before, and what came of it. */
async function readingOf(chunks: AsyncIterable<Uint8Array>, format: typeof ndjson | typeof csv) {
  const used = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
  const before = used()
  const seen = { items: 0, accepted: 0, most: 0 }
  for await (const batch of readStreamed(chunks, format)) {
    seen.items += batch.length
    for (const item of batch) if (readReceived(item).submission.ok) seen.accepted++
    seen.most = Math.max(seen.most, used() - before)
  }
  return seen
}

describe('a body that is read as it comes', () => {
  test('takes no more memory for 100 MB than for a little', async () => {
    const lines = Array.from({ length: 1_000 }, (_, i) => utf8(`${JSON.stringify(referenceEvent(i))}\n`))
    // Cut where no line ends.
    const piece = concatAll(lines)
    const rounds = Math.ceil((100 * MIB) / piece.length)
    async function* chunks() {
      for (let i = 0; i < rounds; i++) {
        yield piece.subarray(0, 150_001)
        yield piece.subarray(150_001)
      }
    }
    const { items, accepted, most } = await readingOf(chunks(), ndjson)
    expect([items, accepted]).toEqual([1_000 * rounds, 1_000 * rounds])
    // Whatever the collector has not got round to is in it, too.
    expect(most).toBeLessThan(150 * MIB)
  })

  test('takes no more memory for one line of 200 MB, and reads what follows', async () => {
    async function* chunks() {
      yield* repeated(utf8('x'.repeat(MIB)), 200 * MIB)
      yield utf8('\n{"a":1}')
    }
    const { items, accepted, most } = await readingOf(chunks(), ndjson)
    expect([items, accepted]).toEqual([2, 1])
    expect(most).toBeLessThan(50 * MIB)
  })

  test('takes no more memory for 200 MB without an end to a row of CSV', async () => {
    async function* chunks() {
      yield utf8('a\n"')
      yield* repeated(utf8('x'.repeat(MIB)), 200 * MIB)
      yield utf8('\n1')
    }
    const { items, accepted, most } = await readingOf(chunks(), csv)
    expect([items, accepted]).toEqual([2, 1])
    expect(most).toBeLessThan(100 * MIB)
  })

  test('is read also where it comes byte by byte', async () => {
    const line = Array.from(utf8(`{"a":"${'x'.repeat(200_000)}"}`), byte => Uint8Array.of(byte))
    const items = await streamed(line, ndjson)
    expect(items.map(item => item.submission.ok)).toEqual([true])
  })

  test('comes in batches of so many items', async () => {
    const body = utf8('{"a":1}\n'.repeat(25))
    const sizes: number[] = []
    for await (const batch of readStreamed(oneByOne([body]), ndjson, { itemsMax: 10 }))
      sizes.push(batch.length)
    expect(sizes).toEqual([10, 10, 5])
  })

  test('comes in batches of so many bytes', async () => {
    const line = utf8(`{"a":"${'x'.repeat(60_000)}"}\n`)
    const sizes: number[] = []
    const chunks = oneByOne(Array.from({ length: 20 }, () => line))
    for await (const batch of readStreamed(chunks, ndjson, { bytesMax: 300_000 })) sizes.push(batch.length)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(6)
  })

  test('has given what was whole when it breaks off', async () => {
    const got: number[] = []
    async function* chunks() {
      yield utf8('{"a":1}\n'.repeat(10_000))
      throw new Error('the client has left')
    }
    const reading = async () => {
      for await (const batch of readStreamed(chunks(), ndjson)) got.push(batch.length)
    }
    await expect(reading()).rejects.toThrow('the client has left')
    expect(got.length).toBeGreaterThan(5)
  })

  test('lets go of its chunks when nobody wants more', async () => {
    let isOpen = true
    async function* chunks() {
      try {
        yield* repeated(utf8('{"a":1}\n'.repeat(1_000)), MIB)
      } finally {
        isOpen = false
      }
    }
    for await (const batch of readStreamed(chunks(), ndjson)) if (batch.length > 0) break
    expect(isOpen).toBe(false)
  })
})
