import { describe, expect, test } from 'vitest'
import { audienceMismatch, dataClassOf } from '../../../src/core/event/classification.ts'
import { classifications } from '../../../src/core/event/envelope.ts'

describe('an event in a public stream', () => {
  test('passes without tags and classification, and when it is unclassified', () => {
    expect(audienceMismatch({}, 'public')).toBeUndefined()
    expect(audienceMismatch({ classification: 'UNCLASSIFIED', policyTags: [] }, 'public')).toBeUndefined()
  })

  test('asks for more than its audience with any higher classification', () => {
    for (const classification of classifications.slice(1))
      expect(audienceMismatch({ classification }, 'public')).toEqual({
        reason: 'audience-mismatch',
        because: { classification },
      })
  })

  test('asks for more with any tag that the owner has not called open', () => {
    expect(audienceMismatch({ policyTags: ['weather', 'PII'] }, 'public', ['weather'])).toEqual({
      reason: 'audience-mismatch',
      because: { tag: 'PII' },
    })
    expect(audienceMismatch({ policyTags: ['weather'] }, 'public', ['weather'])).toBeUndefined()
  })
})

test('a restricted stream takes events of every classification and tag', () => {
  expect(
    audienceMismatch({ classification: 'TOP_SECRET', policyTags: ['PII'] }, 'restricted'),
  ).toBeUndefined()
})

test('classifications become the classes of a manifest', () => {
  expect(classifications.map(classification => dataClassOf[classification])).toEqual([
    'public',
    'internal',
    'restricted',
    'restricted',
  ])
})
