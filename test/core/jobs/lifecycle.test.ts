import { describe, expect, test } from 'vitest'
import {
  arrivals,
  type EventCause,
  type EventState,
  eventAfter,
  eventStates,
  type JobCause,
  type JobState,
  jobAfter,
  jobStates,
} from '../../../src/core/jobs/lifecycle.ts'

const events = Object.keys(eventStates) as EventState[]
const jobs = Object.keys(jobStates) as JobState[]

function causesIn(rows: Record<string, { on: object }>): string[] {
  return [...new Set(Object.values(rows).flatMap(({ on }) => Object.keys(on)))]
}

const eventCauses = causesIn(eventStates) as EventCause[]
const jobCauses = causesIn(jobStates) as JobCause[]

describe('event job coordination: the life of an event', () => {
  test('has these moves and no others', () => {
    const moves = events.flatMap(from =>
      eventCauses.flatMap(cause => {
        const to = eventAfter(from, cause)
        return to === undefined ? [] : [`${from} –${cause}→ ${to}`]
      }),
    )
    expect(moves).toEqual([
      'received –normalize→ normalized',
      'received –leave-round→ received',
      'received –split→ split',
      'normalized –leave-round→ received',
      'normalized –split→ split',
      'normalized –validate→ validated',
      'validated –leave-round→ received',
      'validated –split→ split',
      'validated –certify→ certified',
      'validated –quarantine→ quarantined',
      'validated –reject→ rejected',
      'certified –anchor→ anchored',
      'anchored –prove→ proven',
      'anchored –lose-anchor→ certified',
      'proven –lose-anchor→ certified',
      'proven –lose-proof→ anchored',
      'quarantined –release→ received',
      'quarantined –waive→ waived',
      'split –reopen→ received',
    ])
  })

  test('can reach every state from its arrival', () => {
    const reached = new Set<EventState>(arrivals)
    for (const state of reached)
      for (const cause of eventCauses) {
        const next = eventAfter(state, cause)
        if (next !== undefined) reached.add(next)
      }
    expect([...reached].sort()).toEqual(events.toSorted())
  })

  test('never leaves certification once it is reached', () => {
    for (const state of ['certified', 'anchored', 'proven'] as const)
      for (const cause of eventCauses) {
        const next = eventAfter(state, cause)
        if (next !== undefined) expect(eventStates[next].counted).toBe('certified')
      }
  })

  test('goes through every stage on its way to a certificate', () => {
    const path: EventCause[] = ['normalize', 'validate', 'certify', 'anchor', 'prove']
    let state: EventState | undefined = 'received'
    for (const cause of path) state = state && eventAfter(state, cause)
    expect(state).toBe('proven')
    for (const from of events) if (from !== 'validated') expect(eventAfter(from, 'certify')).toBeUndefined()
  })

  test('is counted in exactly one place of the conservation sum', () => {
    expect([...new Set(events.map(state => eventStates[state].counted))].sort()).toEqual([
      'certified',
      'duplicate',
      'inFlight',
      'quarantined',
      'rejected',
      'split',
      'waived',
    ])
  })
})

describe('event job coordination: the life of a job', () => {
  test('has these moves and no others', () => {
    const moves = jobs.flatMap(from =>
      jobCauses.flatMap(cause => {
        const to = jobAfter(from, cause)
        return to === undefined ? [] : [`${from} –${cause}→ ${to}`]
      }),
    )
    expect(moves).toEqual([
      'queued –offer→ running',
      'queued –agree→ completed',
      'queued –leave-round→ failed',
      'running –agree→ completed',
      'running –leave-round→ failed',
      'completed –lose-anchor→ running',
      'failed –retry→ queued',
      'failed –split→ dead',
      'dead –reopen→ queued',
    ])
  })
})
