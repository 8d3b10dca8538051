import { describe, expect, test } from 'vitest'
import { readOnceByContent } from '../../src/contract/read-once.ts'
import { accepted, refused } from '../../src/core/fault.ts'

describe('what is remembered by content', () => {
  const counting = () => {
    let reads = 0
    const read = readOnceByContent((bytes: Uint8Array) => {
      reads += 1
      return bytes[0] === 0 ? refused('token-invalid', 'it begins with a zero') : accepted(bytes)
    })
    return { read, reads: () => reads }
  }

  test('is read once, whatever buffer it comes in', () => {
    const { read, reads } = counting()
    expect(read(Uint8Array.of(1, 2))).toBe(read(Uint8Array.of(9, 1, 2, 9).subarray(1, 3)))
    expect(reads()).toBe(1)
  })

  test('holds on to its own bytes alone', () => {
    const { read } = counting()
    const whole = new Uint8Array(1024).fill(7)
    const answer = read(whole.subarray(0, 4))
    expect(answer.ok && answer.value.buffer.byteLength).toBe(4)
  })

  test('is read anew where it was refused, so that nobody pushes others out with what costs nothing', () => {
    const { read, reads } = counting()
    read(Uint8Array.of(0, 1))
    read(Uint8Array.of(0, 1))
    expect(reads()).toBe(2)
  })

  test('is bounded: what was not asked for in a while is read again', () => {
    const { read, reads } = counting()
    const long = (n: number) => {
      const bytes = new Uint8Array(60 * 1024).fill(1)
      new DataView(bytes.buffer).setUint32(4, n)
      return bytes
    }
    for (let n = 0; n < 300; n++) read(long(n))
    read(long(0))
    expect(reads()).toBe(301)
    read(long(299))
    expect(reads()).toBe(301)
  })
})
