import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  baseLookupServices,
  baseTopics,
  dottedNameOf,
  lookupServiceOf,
  topicOf,
} from '../../src/contract/names.ts'

// The form that SHIP and SLAP managers check (BRC-87).
const brc87 = /^(?=.{1,50}$)(?:tm_|ls_)[a-z]+(?:_[a-z]+)*$/
const segment = fc.string({ unit: fc.constantFrom('a', 'b', 'z'), minLength: 1, maxLength: 9 })
const dotted = fc.array(segment, { minLength: 1, maxLength: 5 }).map(segments => segments.join('.'))

describe('a dotted name', () => {
  test('is one topic and one lookup service', () => {
    expect(topicOf('gitdata.events.normalize')).toEqual({ ok: true, value: 'tm_gitdata_events_normalize' })
    expect(lookupServiceOf('gitdata.events.normalize')).toEqual({
      ok: true,
      value: 'ls_gitdata_events_normalize',
    })
  })

  test('comes back from its topic, so that no two share one', () => {
    fc.assert(
      fc.property(dotted, name => {
        const topic = topicOf(name)
        if (!topic.ok) return expect(name.length).toBeGreaterThan(47)
        expect(topic.value).toMatch(brc87)
        expect(dottedNameOf(topic.value)).toEqual({ ok: true, value: name })
      }),
      { numRuns: 500 },
    )
  })

  test('has at most 47 letters and dots', () => {
    expect(topicOf('a'.repeat(47))).toMatchObject({ ok: true })
    expect(topicOf('a'.repeat(48))).toMatchObject({
      fault: { code: 'name-invalid', detail: expect.stringMatching(/50/) },
    })
  })

  test.each(['', '.', 'a.', '.a', 'a..b', 'iot2', 'Events', 'a_b', 'a-b', 'ünder', 'a b', 'a\n'])(
    '%j is none',
    name => {
      expect(topicOf(name)).toMatchObject({ fault: { code: 'name-invalid' } })
      expect(lookupServiceOf(name)).toMatchObject({ fault: { code: 'name-invalid' } })
    },
  )
})

describe('an overlay name', () => {
  test.each([
    '',
    'tm_',
    'tm',
    'xx_a',
    'tm_a.b',
    'tm_a__b',
    'tm__a',
    'tm_a_',
    'TM_a',
    'tm_a2',
    `tm_${'a'.repeat(48)}`,
  ])('%j is none', name => {
    expect(dottedNameOf(name)).toMatchObject({ fault: { code: 'name-invalid' } })
    expect(name).not.toMatch(brc87)
  })

  test('of ours is one', () => {
    for (const name of [...Object.values(baseTopics), ...Object.values(baseLookupServices)]) {
      expect(name).toMatch(brc87)
      expect(dottedNameOf(name)).toMatchObject({ ok: true })
    }
  })
})
