import { describe, expect, test } from 'vitest'
import { type EventState, eventStates, type JobState, jobStates } from '../../../src/core/jobs/lifecycle.ts'
import {
  eventStatesSaid,
  eventWord,
  jobStateSaid,
  jobTypes,
  jobWord,
  stageSaid,
} from '../../../src/core/jobs/vocabulary.ts'

const vocabularies = {
  ingest: {
    event: ['received', 'normalized', 'certified', 'failed'],
    job: ['queued', 'running', 'done', 'failed', 'dead'],
  },
  overlay: {
    event: ['pending', 'valid', 'invalid', 'certified'],
    job: ['queued', 'running', 'completed', 'failed', 'dead'],
  },
} as const

const events = Object.keys(eventStates) as EventState[]
const jobs = Object.keys(jobStates) as JobState[]

describe.each(['ingest', 'overlay'] as const)('the words of the %s routes', family => {
  const words = vocabularies[family]

  test('say every state, and each of them says one', () => {
    expect(new Set(events.map(state => eventWord(family, state)))).toEqual(new Set(words.event))
    expect(words.event.flatMap(word => eventStatesSaid(family, word)).sort()).toEqual(events.toSorted())
    for (const word of words.event)
      for (const state of eventStatesSaid(family, word)) expect(eventWord(family, state)).toBe(word)
  })

  test('say job states one to one', () => {
    expect(jobs.map(state => jobWord(family, state))).toEqual(words.job)
    for (const state of jobs) expect(jobStateSaid(family, jobWord(family, state))).toBe(state)
  })

  test('never say certified of what has no quorum', () => {
    for (const state of events)
      expect(eventWord(family, state) === 'certified').toBe(eventStates[state].counted === 'certified')
  })

  test('are the only ones that are understood', () => {
    expect(eventStatesSaid(family, 'shiny')).toEqual([])
    expect(jobStateSaid(family, 'shiny')).toBeUndefined()
  })
})

describe('the words for kinds of work', () => {
  test('name a stage each, except distribute, which no job ever is', () => {
    expect(jobTypes.map(stageSaid)).toEqual(['normalize', 'validate', 'certify', undefined])
    expect(stageSaid('shiny')).toBeUndefined()
  })
})

describe('the one difference between the two families of job words', () => {
  test('is done and completed', () => {
    const differing = jobs.filter(state => jobWord('ingest', state) !== jobWord('overlay', state))
    expect(differing).toEqual(['completed'])
  })
})
