import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { decideWindow, withoutRoom } from '../../../src/core/fusion/decide.ts'
import type { Observation } from '../../../src/core/fusion/open-windows.ts'
import { readFusion } from '../../../src/core/fusion/read-fusion.ts'

const seen = (sourceId: string, value: Json, members: Partial<Observation> = {}): Observation => ({
  eventId: `id-${sourceId}`,
  sourceId,
  eventTimeMs: 500,
  qualityFlags: 0,
  value,
  bytes: 0,
  ...members,
})
const decide = (policy: Json, observations: readonly Observation[], early = false) =>
  decideWindow(
    { endMs: 1_000, key: 'k', observations: [...observations], dropped: 0, early },
    orThrow(readFusion(policy)),
  )
const quorum = { strategy: 'quorum', field: 'v', absolute: 1 }

describe('two sources that disagree', () => {
  test('give one record that names the winner, the loser and the reason', () => {
    const record = decide({ ...quorum, min: 1, trust: { a: 2 } }, [seen('b', 9), seen('a', 1)])
    expect(record).toMatchObject({
      decision: 'agreed',
      value: 1,
      chosen: 'id-a',
      from: [{ eventId: 'id-a', sourceId: 'a', eventTimeMs: 500, value: 1 }],
      overruled: [{ eventId: 'id-b', sourceId: 'b', eventTimeMs: 500, value: 9, reason: 'disagrees' }],
      qualityFlags: qualityFlags.SOURCE_DIVERGENCE,
    })
  })

  test('give no value where two must agree', () => {
    const record = decide({ ...quorum, min: 2 }, [seen('b', 9), seen('a', 1)])
    expect(record).toMatchObject({ decision: 'undecided', value: null, chosen: null, from: [] })
    expect(record.overruled.map(({ sourceId, reason }) => [sourceId, reason])).toEqual([
      ['a', 'no-quorum'],
      ['b', 'no-quorum'],
    ])
  })
})

describe('a quorum', () => {
  test('counts a source once, however often it speaks', () => {
    const often = [1, 2, 3].map(i => seen('a', 1, { eventId: `id-${i}`, eventTimeMs: i }))
    const record = decide({ ...quorum, min: 2 }, often)
    expect(record.decision).toBe('undecided')
    expect(record.overruled.map(({ reason }) => reason)).toEqual(['superseded', 'superseded', 'no-quorum'])
  })

  test('takes the observation that most sources agree with', () => {
    const record = decide({ ...quorum, min: 2, trust: { x: 9, y: 9 } }, [
      seen('x', 50),
      seen('y', 50),
      seen('a', 1),
      seen('b', 2),
      seen('c', 2),
    ])
    expect(record.from.map(({ sourceId }) => sourceId)).toEqual(['a', 'b', 'c'])
  })

  test('compares whole payloads where no field is named, whatever the order of their keys', () => {
    const record = decide({ strategy: 'quorum', min: 2 }, [
      seen('a', { x: 1, y: 2 }),
      seen('b', { y: 2, x: 1 }),
    ])
    expect(record).toMatchObject({ decision: 'agreed', value: { x: 1, y: 2 } })
    expect(record.from[0]).not.toHaveProperty('value')
  })

  test('takes a tolerance relative to the value at the centre', () => {
    const votes = [seen('a', 100), seen('b', 109)]
    expect(decide({ strategy: 'quorum', field: 'v', relative: 0.1 }, votes).decision).toBe('agreed')
    expect(decide({ strategy: 'quorum', field: 'v', relative: 0.05 }, votes).decision).toBe('undecided')
  })
})

describe('what a source said last', () => {
  const policy = { strategy: 'priority', field: 'v' }

  test('is what has the latest event time, and of equal times what arrived last', () => {
    const first = seen('a', 1, { eventId: 'ff', eventTimeMs: 5 })
    const second = seen('a', 2, { eventId: '00', eventTimeMs: 5 })
    expect(decide(policy, [first, second]).value).toBe(2)
    expect(decide(policy, [second, first]).value).toBe(1)
    expect(decide(policy, [seen('a', 3, { eventTimeMs: 6 }), first, second]).value).toBe(3)
  })
})

describe('the flags of a record', () => {
  test('are never negative, whichever bits its votes and its packet have', () => {
    const record = decide({ strategy: 'priority' }, [seen('a', 1, { qualityFlags: 0x8000_0000 })], true)
    expect(record.qualityFlags).toBe(0x8000_0040)
    expect(withoutRoom(record).qualityFlags).toBe(0x8000_0040)
  })
})

describe('between equals', () => {
  const four = { ...quorum, min: 1, trust: { a: 1, b: 1 }, priority: [] as string[] }
  const a = (members: Partial<Observation>) => seen('a', 1, members)
  const b = (members: Partial<Observation>) => seen('b', 9, members)

  test.each<[string, Json, Observation, Observation]>([
    ['more trust', { ...four, trust: { b: 2 }, priority: ['a'] }, a({ eventTimeMs: 1 }), b({})],
    ['then the earlier place in priority', { ...four, priority: ['b', 'a'] }, a({ eventTimeMs: 1 }), b({})],
    ['a place in priority before none', { ...four, priority: ['b'] }, a({ eventTimeMs: 1 }), b({})],
    ['then the earlier event time', four, a({ eventTimeMs: 9 }), b({ eventTimeMs: 8 })],
    ['then the lower eventId', four, a({ eventId: 'ff' }), b({ eventId: '00' })],
  ])('%s wins', (_rule, policy, left, right) => {
    expect(decide(policy, [left, right]).value).toBe(9)
    expect(decide(policy, [right, left]).value).toBe(9)
  })
})

describe('priority', () => {
  const policy = { strategy: 'priority', field: 'v', priority: ['b', 'a'], trust: { c: 9 } }

  test('takes the source listed first that spoke', () => {
    expect(decide(policy, [seen('c', 3), seen('a', 1), seen('b', 2)])).toMatchObject({
      value: 2,
      chosen: 'id-b',
    })
    const record = decide(policy, [seen('c', 3), seen('a', 1)])
    expect(record.value).toBe(1)
    expect(record.overruled).toMatchObject([{ sourceId: 'c', reason: 'outranked' }])
  })

  test('takes the most trusted where none is listed', () => {
    expect(decide(policy, [seen('d', 4), seen('c', 3)]).value).toBe(3)
  })
})

describe('a trust-weighted median', () => {
  const policy = { strategy: 'trust-median', field: 'v' }

  test('is the middle value where all are trusted alike', () => {
    expect(decide(policy, [seen('a', 1), seen('b', 1_000), seen('c', 3)])).toMatchObject({
      value: 3,
      chosen: 'id-c',
    })
  })

  test('goes where most of the trust is', () => {
    const record = decide({ ...policy, trust: { b: 5 } }, [seen('a', 1), seen('b', 1_000), seen('c', 3)])
    expect(record.value).toBe(1_000)
    expect(record.overruled.map(({ reason }) => reason)).toEqual(['off-median', 'off-median'])
  })

  test('settles between two middle values as between equals', () => {
    expect(decide(policy, [seen('a', 1, { eventTimeMs: 9 }), seen('b', 2, { eventTimeMs: 8 })]).value).toBe(2)
    expect(
      decide({ ...policy, priority: ['a'] }, [seen('a', 1, { eventTimeMs: 9 }), seen('b', 2)]).value,
    ).toBe(1)
  })

  test('takes the best ranked of the sources that said the middle value', () => {
    const votes = [seen('a', 5, { eventTimeMs: 2 }), seen('b', 5, { eventTimeMs: 1 }), seen('c', 5)]
    expect(decide(policy, votes).chosen).toBe('id-b')
    expect(decide({ ...policy, priority: ['c'] }, votes)).toMatchObject({
      chosen: 'id-c',
      from: [{ sourceId: 'b' }, { sourceId: 'a' }, { sourceId: 'c' }],
    })
    const two = [seen('a', 1), seen('b', 2), seen('c', 1), seen('d', 2)]
    expect(decide({ ...policy, priority: ['d'] }, two)).toMatchObject({ value: 2, chosen: 'id-d' })
  })

  test('is never taken from a source without trust, though one may agree', () => {
    const votes = [seen('a', 5, { eventTimeMs: 1 }), seen('b', 5)]
    expect(decide({ ...policy, trust: { a: 0 } }, votes)).toMatchObject({
      chosen: 'id-b',
      from: [{ sourceId: 'a' }, { sourceId: 'b' }],
    })
  })

  test('decides nothing where nobody is trusted, or too few spoke', () => {
    expect(decide({ ...policy, trust: { a: 0 } }, [seen('a', 1)]).decision).toBe('undecided')
    expect(decide({ ...policy, min: 2 }, [seen('a', 1)]).decision).toBe('undecided')
  })
})

describe('every decision', () => {
  const observation = fc.record({
    eventId: fc.integer({ min: 0, max: 1e9 }).map(n => n.toString(16).padStart(64, '0')),
    sourceId: fc.constantFrom('a', 'b', 'c', 'd'),
    eventTimeMs: fc.integer({ min: 0, max: 3 }),
    qualityFlags: fc.constant(0),
    value: fc.integer({ min: 0, max: 6 }),
    bytes: fc.constant(0),
  })
  const observations = fc.uniqueArray(observation, {
    minLength: 1,
    maxLength: 12,
    selector: seen => seen.eventId,
  })
  const onePerTime = (list: readonly Observation[]) => [
    ...new Map(list.map(seen => [`${seen.sourceId} ${seen.eventTimeMs}`, seen])).values(),
  ]
  const policy = fc.record({
    strategy: fc.constantFrom('quorum', 'priority', 'trust-median'),
    field: fc.constant('v'),
    min: fc.integer({ min: 1, max: 3 }),
    priority: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
    trust: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 2 })),
  })

  test('is the same in whatever order the observations came, if no source speaks twice of one time', () => {
    fc.assert(
      fc.property(policy, observations, fc.infiniteStream(fc.nat()), (rules, all, chance) => {
        const list = onePerTime(all)
        const shuffled = list
          .map(item => ({ item, place: chance.next().value ?? 0 }))
          .sort((x, y) => x.place - y.place)
          .map(({ item }) => item)
        expect(decide(rules, shuffled)).toEqual(decide(rules, list))
      }),
      { numRuns: 300 },
    )
  })

  test('accounts for every observation once, and takes its value from one of them', () => {
    fc.assert(
      fc.property(policy, observations, (rules, list) => {
        const record = decide(rules, list)
        const named = [...record.from, ...record.overruled].map(({ eventId }) => eventId)
        expect(named.sort()).toEqual(list.map(({ eventId }) => eventId).sort())
        const chosen = list.find(({ eventId }) => eventId === record.chosen)
        expect(record.value).toBe(record.decision === 'agreed' ? chosen?.value : null)
        expect(record.chosen !== null).toBe(record.decision === 'agreed')
      }),
      { numRuns: 300 },
    )
  })
})
