import { randomBytes } from 'node:crypto'
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, concatAll, fromUtf8, utf8 } from '../../src/core/bytes.ts'
import {
  type Encoding,
  encodingOf,
  type InflateLimits,
  inflate,
  inflateLimits,
  inflateStream,
  RATIO_FREE_BYTES,
} from '../../src/http/ingest/inflate.ts'

const MIB = 1024 * 1024
const wide: InflateLimits = { bytesMax: 256 * MIB, ratioMax: 2_000 }

const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }

const packers: [string, Encoding, (bytes: Uint8Array) => Uint8Array][] = [
  ['gzip', 'gzip', gzipSync],
  ['deflate', 'deflate', deflateSync],
  ['deflate without a header', 'deflate', deflateRawSync],
  ['br', 'br', bytes => brotliCompressSync(bytes, quick)],
]

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function unpacked(
  bytes: Uint8Array,
  encoding: Encoding,
  { size = 1000, limits = wide }: { size?: number; limits?: InflateLimits } = {},
) {
  const parts: Uint8Array[] = []
  for await (const part of inflateStream(pieces(bytes, size), encoding, limits)) parts.push(part)
  return concatAll(parts)
}

const code = async (body: Promise<{ ok: boolean; fault?: { code: string } }>) => (await body).fault?.code
const thrown = (reading: Promise<unknown>) =>
  expect(reading).rejects.toMatchObject({ fault: { code: 'body-unreadable' } })

describe('the encoding of a body', () => {
  test.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    [' deflate ', 'deflate'],
    ['br', 'br'],
  ])('%s is undone', (header, encoding) => {
    expect(encodingOf(header)).toEqual({ ok: true, value: encoding })
  })

  test.each(['gzip, gzip', 'gzip,br', 'zstd', 'compress', 'gzip;q=1', '__proto__'])(
    '%s is refused',
    header => {
      expect(encodingOf(header)).toMatchObject({ ok: false, fault: { code: 'body-type-unknown' } })
    },
  )
})

describe.each(packers)('a body packed with %s', (_, encoding, pack) => {
  const text = utf8('{"a":"Zürich"}\n'.repeat(500))

  test('comes out as it was, whole and in pieces', async () => {
    const packed = pack(text)
    expect(await inflate(packed, encoding)).toEqual({ ok: true, value: text })
    for (const size of [1, 7, packed.length]) expect(await unpacked(packed, encoding, { size })).toEqual(text)
  })

  test('comes out as it was where it is too long to be unpacked in one go', async () => {
    const long = randomBytes(MIB + 100_000)
    const inflated = await inflate(pack(long), encoding)
    expect(inflated.ok && Buffer.compare(inflated.value, long)).toBe(0)
  })

  test('comes out as bytes, and not as a Buffer', async () => {
    const inflated = await inflate(pack(text), encoding)
    expect(inflated.ok && Object.getPrototypeOf(inflated.value)).toBe(Uint8Array.prototype)
    for await (const piece of inflateStream(pieces(pack(text), 99), encoding, wide))
      expect(Object.getPrototypeOf(piece)).toBe(Uint8Array.prototype)
  })

  test('is refused where its end is missing', async () => {
    const packed = pack(text)
    for (const cut of [packed.subarray(0, -1), packed.subarray(0, 5), new Uint8Array(0)]) {
      expect(await code(inflate(cut, encoding))).toBe('body-unreadable')
      await thrown(unpacked(cut, encoding))
    }
  })

  test('is refused where more follows it', async () => {
    for (const more of [utf8('junk'), new Uint8Array(200_000)]) {
      const packed = concat(pack(text), more)
      expect(await code(inflate(packed, encoding))).toBe('body-unreadable')
      for (const size of [1000, packed.length, packed.length - more.length])
        await thrown(unpacked(packed, encoding, { size }))
    }
  })

  test('is refused where it is longer than allowed, and not kept until then', async () => {
    const zeros = pack(new Uint8Array(16 * MIB))
    expect(await code(inflate(zeros, encoding, { bytesMax: 4 * MIB, ratioMax: 1e6 }))).toBe('body-too-large')
    let taken = 0
    const reading = async () => {
      for await (const part of inflateStream(pieces(zeros, 1000), encoding, {
        bytesMax: 4 * MIB,
        ratioMax: 1e6,
      }))
        taken += part.length
    }
    await expect(reading()).rejects.toMatchObject({ fault: { code: 'body-too-large' } })
    expect(taken).toBeLessThanOrEqual(4 * MIB)
  })

  test('is refused where it grows beyond all that events do', async () => {
    const bomb = pack(new Uint8Array(16 * MIB))
    const limits = { bytesMax: 256 * MIB, ratioMax: 200 }
    const refusal = await inflate(bomb, encoding, limits)
    expect(refusal).toMatchObject({ ok: false, fault: { code: 'body-too-large' } })
    expect(!refusal.ok && refusal.fault.detail).toContain('200 times')
    await expect(unpacked(bomb, encoding, { limits })).rejects.toMatchObject({
      fault: { code: 'body-too-large' },
    })
  })

  test('may grow as it likes where it stays small', async () => {
    const equal = new Uint8Array(RATIO_FREE_BYTES)
    expect(await inflate(pack(equal), encoding, inflateLimits)).toMatchObject({ ok: true })
    expect(await unpacked(pack(equal), encoding, { limits: inflateLimits })).toHaveLength(RATIO_FREE_BYTES)
  })

  test('does no harm, whatever it is', async () => {
    const packed = pack(text)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(), async (bytes, place) => {
        const damaged = Uint8Array.from(packed)
        damaged.set(bytes.subarray(0, 4), place % (damaged.length - 4))
        for (const body of [bytes, damaged]) {
          const inflated = await inflate(body, encoding)
          expect(inflated.ok || inflated.fault.code).toBe(inflated.ok || 'body-unreadable')
          const inPieces = await unpacked(body, encoding).catch(error => error.fault.code)
          expect(inPieces).toEqual(inflated.ok ? inflated.value : 'body-unreadable')
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('a body that is not packed', () => {
  test('passes as it is', async () => {
    const body = utf8('hello')
    expect(await inflate(body, 'identity')).toEqual({ ok: true, value: body })
    expect(fromUtf8(await unpacked(body, 'identity'))).toBe('hello')
  })
})

describe('a body that is unpacked as it comes', () => {
  test('takes no more memory for a gigabyte than for a little', async () => {
    // A long body of small packed members, so that nobody has to pack a gigabyte first.
    const member = gzipSync(new Uint8Array(16 * MIB))
    async function* chunks() {
      for (let i = 0; i < 64; i++) yield member
    }
    const used = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const before = used()
    let [length, most] = [0, 0]
    for await (const part of inflateStream(chunks(), 'gzip', { bytesMax: 2 ** 31, ratioMax: 2_000 })) {
      length += part.length
      most = Math.max(most, used() - before)
    }
    expect(length).toBe(1024 * MIB)
    expect(most).toBeLessThan(100 * MIB)
  })

  test('hands on what its source throws', async () => {
    async function* chunks() {
      yield gzipSync(randomBytes(1000)).subarray(0, 500)
      throw new Error('the client has left')
    }
    const reading = async () => {
      for await (const part of inflateStream(chunks(), 'gzip', wide)) expect(part).toBeDefined()
    }
    await expect(reading()).rejects.toThrow('the client has left')
  })

  test.each(['gzip', 'identity'] as const)(
    'lets go of its source when nobody wants more of it (%s)',
    async encoding => {
      let letGo = () => {}
      const isOver = new Promise<void>(resolve => {
        letGo = resolve
      })
      async function* chunks() {
        try {
          yield* pieces(gzipSync(randomBytes(4 * MIB)), 10_000)
        } finally {
          letGo()
        }
      }
      for await (const part of inflateStream(chunks(), encoding, wide)) if (part.length > 0) break
      await isOver
    },
  )
})
