import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { orThrow } from '../../src/core/fault.ts'
import { sealPacket } from '../../src/core/log/packet.ts'
import { packetLag } from '../../src/packets/packet-lag.ts'
import { linesWith, sampleLines } from '../../src/packets/packet-lines.ts'
import { markAt, record, sampleEvent, segmentOf } from '../core/log/sample-log.ts'

const texts = fc.array(
  fc.string({ minLength: 1, maxLength: 30 }).map(text => text.replaceAll('\n', ' ')),
  {
    minLength: 1,
    maxLength: 50,
  },
)
const bytesOf = (lines: readonly string[]) =>
  new TextEncoder().encode(lines.map(line => `${line}\n`).join(''))

describe('how late events are', () => {
  test('is told by a sample of a packet, in which a clock that is ahead shows', () => {
    const events = Array.from({ length: 1_000 }, (_, n) =>
      sampleEvent(n, { eventTimeMs: 10_000, ingestTimeMs: n === 0 ? 9_000 : 12_000 }),
    )
    const { bytes } = orThrow(sealPacket(record, null, [segmentOf(0, events)], markAt(1_000)))
    const lags = packetLag(bytes)
    expect(lags).toHaveLength(64)
    expect(lags[0]).toBe(-1_000)
    expect(new Set(lags.slice(1))).toEqual(new Set([2_000]))
  })

  test('is sampled in whole lines, each at most once, all of them where they are few', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 80 }), (some, samples) => {
        const lines = some.map((text, i) => `${i} ${text}`)
        const sampled = [...sampleLines(bytesOf(lines), samples)]
        expect(sampled.length).toBeLessThanOrEqual(samples)
        expect(sampled[0]).toBe(lines[0])
        const places = sampled.map(line => lines.indexOf(line))
        expect(places.includes(-1)).toBe(false)
        expect(places).toEqual([...new Set(places)].sort((a, b) => a - b))
        expect([...sampleLines(bytesOf(lines), bytesOf(lines).length)]).toEqual(lines)
      }),
    )
  })
})

describe('lines that hold a text', () => {
  test('are found, each once and whole', () => {
    fc.assert(
      fc.property(texts, lines => {
        expect([...linesWith(bytesOf(lines), 'a')]).toEqual(lines.filter(line => line.includes('a')))
      }),
    )
  })
})
