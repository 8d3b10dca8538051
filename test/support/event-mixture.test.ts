import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { eventMixture, type Mixture } from './event-mixture.ts'
import { bodyFormats, codings } from './mixture/bodies.ts'

const events = 5_000

describe('the mixture of events', () => {
  const mixture = eventMixture({ events, seed: 7 })
  const items = mixture.requests.flatMap(request => request.items)
  const share = (...statuses: string[]) =>
    items.filter(({ expected }) => statuses.includes(expected.status)).length / items.length

  test('is the same for the same seed, and another for another', () => {
    expect(hashOf(eventMixture({ events, seed: 7 }))).toBe(hashOf(mixture))
    expect(hashOf(eventMixture({ events, seed: 8 }))).not.toBe(hashOf(mixture))
  })

  test('has as many of everything as it says', () => {
    expect(Math.abs(items.length - events)).toBeLessThan(events / 50)
    // Repetitions of what has no identity are events of their own.
    expect(share('duplicate')).toBeGreaterThan(0.15)
    expect(share('revision')).toBeGreaterThan(0.05)
    expect(share('rejected')).toBeCloseTo(0.01, 2)
    expect(share('quarantined')).toBeGreaterThan(0.005)
  })

  test('comes in every format and coding', () => {
    expect(new Set(mixture.requests.map(({ format }) => format))).toEqual(new Set(bodyFormats))
    const used = mixture.requests.map(({ headers }) => headers['content-encoding'] ?? 'identity')
    expect(new Set(used)).toEqual(new Set(codings))
  })
})

function hashOf({ requests }: Mixture): string {
  const hash = createHash('sha256')
  for (const { path, body, items } of requests) hash.update(path).update(body).update(JSON.stringify(items))
  return hash.digest('hex')
}
