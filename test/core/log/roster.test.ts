import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { orThrow } from '../../../src/core/fault.ts'
import { rosterDigest } from '../../../src/core/log/roster.ts'

const [a, b] = [`02${'00'.repeat(32)}`, `03${'ff'.repeat(32)}`] as const

describe('the digest of a roster', () => {
  test('names a set: neither order nor repetition matters', () => {
    expect(rosterDigest([b, a, b])).toEqual(rosterDigest([a, b]))
    expect(rosterDigest([a])).not.toEqual(rosterDigest([a, b]))
  })

  test('hashes each key as a field of 33 bytes', () => {
    const field = (key: string) => Buffer.from(`00000021${key}`, 'hex')
    const preimage = Buffer.concat([Uint8Array.of(14), Buffer.from('assay:roster:1'), field(a), field(b)])
    expect(orThrow(rosterDigest([b, a]))).toBe(createHash('sha256').update(preimage).digest('hex'))
  })

  test('is refused for what is no compressed key, and beyond a thousand operators', () => {
    for (const key of ['', '02', b.toUpperCase(), `04${'00'.repeat(32)}`, `${a}00`])
      expect(rosterDigest([key]).ok).toBe(false)
    expect(rosterDigest(Array.from({ length: 1025 }, () => a)).ok).toBe(false)
  })
})
