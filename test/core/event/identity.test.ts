import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import {
  type Arrival,
  EARLIER_PAYLOADS_MAX,
  type IdentifiedEvent,
  type Identity,
  identify,
  idFollows,
  type KnownPayloads,
  type ObservedEvent,
} from '../../../src/core/event/identity.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { anyJson, anyName, anyTimeMs, reordered, reparsed } from './arbitraries.ts'

const arrival: Arrival = { ingestTimeMs: 1_000_000, key: 'request-1', index: 0 }
const base = { sourceId: 'farm', streamId: 'temperature', payloadJcs: '{"value":1}' }
const { REVISION, LATE, ARRIVAL_TIME } = qualityFlags

describe('the id of an event', () => {
  test('with a native id commits to source, id and payload', () => {
    const preimage = tagged('assay:event-native:1', 'farm', 'reading-7', '{"value":1}')
    expect(eventOf(identify({ ...base, nativeId: 'reading-7' }, arrival)).eventId).toBe(preimage)
  })

  test('with a sequence commits to source, stream, sequence and payload', () => {
    const seq = Buffer.from('ffffffffffffffff', 'hex')
    const preimage = tagged('assay:event-seq:1', 'farm', 'temperature', seq, '{"value":1}')
    expect(eventOf(identify({ ...base, sourceSeq: '18446744073709551615' }, arrival)).eventId).toBe(preimage)
  })

  test('with an event time commits to source, stream, time and payload', () => {
    const time = Buffer.from('000000000001e240', 'hex')
    const preimage = tagged('assay:event:1', 'farm', 'temperature', time, '{"value":1}')
    expect(eventOf(identify({ ...base, eventTimeMs: 123_456 }, arrival)).eventId).toBe(preimage)
  })

  test('with none of these commits to the request and the place in it, and promises no deduplication', () => {
    const index = Buffer.from('00000003', 'hex')
    const preimage = tagged('assay:event-arrival:1', 'farm', 'temperature', 'request-1', index, '{"value":1}')
    expect(identify(base, { ...arrival, index: 3 })).toEqual({
      kind: 'event',
      eventId: preimage,
      eventTimeMs: 1_000_000,
      flags: ARRIVAL_TIME,
      dedup: 'none',
    })
  })

  test('prefers the native id to the sequence, and the sequence to the time', () => {
    const everything = { ...base, nativeId: 'n', sourceSeq: '1', eventTimeMs: 5 }
    const { nativeId: _id, ...withoutId } = everything
    expect(eventOf(identify(everything, arrival)).dedup).toBe('native-id')
    expect(eventOf(identify(withoutId, arrival)).eventId).toBe(
      eventOf(identify({ ...base, sourceSeq: '1' }, arrival)).eventId,
    )
  })

  test('does not depend on when or in which request the event arrived, wherever deduplication is promised', () => {
    fc.assert(
      fc.property(anyObservation, anyArrival, anyArrival, (observation, one, other) => {
        const [first, second] = [eventOf(identify(observation, one)), eventOf(identify(observation, other))]
        if (first.dedup !== 'none') expect(second.eventId).toBe(first.eventId)
      }),
    )
  })

  test('does not depend on the order of keys, nor on another parse', () => {
    fc.assert(
      fc.property(
        anyJson,
        fc.constantFrom({ nativeId: 'n' }, { sourceSeq: '4' }, { eventTimeMs: 9 }, {}),
        (payload, by) => {
          const spelt = (json: typeof payload) => ({ ...base, ...by, payloadJcs: canonicalJson(json) })
          const id = eventOf(identify(spelt(payload), arrival)).eventId
          expect(eventOf(identify(spelt(reordered(payload)), arrival)).eventId).toBe(id)
          expect(eventOf(identify(spelt(reparsed(payload)), arrival)).eventId).toBe(id)
        },
      ),
    )
  })

  test('is equal for two observations only if what it commits to is equal', () => {
    fc.assert(
      fc.property(anyObservation, anyObservation, (a, b) => {
        const [idA, idB] = [a, b].map(o => eventOf(identify(o, arrival)).eventId)
        expect(idA === idB).toBe(committed(a) === committed(b))
      }),
      { numRuns: 3000 },
    )
  })

  test('changes with every field that it commits to', () => {
    const variants: ObservedEvent[] = [{ nativeId: 'n' }, { sourceSeq: '4' }, { eventTimeMs: 9 }, {}].flatMap(
      by => [
        { ...base, ...by },
        { ...base, ...by, sourceId: 'farm2' },
        { ...base, ...by, payloadJcs: '{"value":2}' },
        ...('nativeId' in by ? [] : [{ ...base, ...by, streamId: 'temperature2' }]),
      ],
    )
    variants.push({ ...base, nativeId: 'm' }, { ...base, sourceSeq: '5' }, { ...base, eventTimeMs: 10 })
    const ids = variants.map(observation => eventOf(identify(observation, arrival)).eventId)
    ids.push(eventOf(identify(base, { ...arrival, key: 'request-2' })).eventId)
    ids.push(eventOf(identify(base, { ...arrival, index: 1 })).eventId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('is the same kind of id for every hour from 1970 to the last that eight bytes hold', () => {
    const times = [1, 999, 1000, ...everyDecade(), 253_402_300_799_999, Number.MAX_SAFE_INTEGER]
    const events = times.map(eventTimeMs => eventOf(identify({ ...base, eventTimeMs }, arrival)))
    expect(events.map(event => event.eventTimeMs)).toEqual(times)
    expect(new Set(events.map(event => event.eventId)).size).toBe(times.length)
  })
})

describe('an event that comes again under its native id', () => {
  const first = observed('open', 10)

  test('is a duplicate with the same time, an older time or none', () => {
    const known = knownAfter(first)
    for (const retry of [observed('open', 10), observed('open', 3), observed('open')])
      expect(identify(retry, arrival, known)).toEqual({ kind: 'duplicate', of: idOf(first) })
  })

  test('is a duplicate although neither it nor the first had a time', () => {
    const timeless = observed('open')
    expect(identify(timeless, { ...arrival, ingestTimeMs: 2_000_000 }, knownAfter(timeless))).toEqual({
      kind: 'duplicate',
      of: idOf(timeless),
    })
  })

  test('is a revision with another payload, and names the one it revises', () => {
    const revision = eventOf(identify(observed('closed', 20), arrival, knownAfter(first)))
    expect(revision).toMatchObject({
      revises: idOf(first),
      flags: REVISION,
      eventId: idOf(observed('closed')),
    })
    expect(revision.known?.latest.eventId).toBe(revision.eventId)
  })

  test('is a revision when it has no time of its own, and then never late', () => {
    const fromTheFuture = knownAfter(observed('open', 5_000_000))
    const revision = eventOf(identify(observed('closed'), arrival, fromTheFuture))
    expect(revision).toMatchObject({ flags: REVISION | ARRIVAL_TIME, eventTimeMs: 1_000_000 })
    expect(revision.known?.latest.eventId).toBe(revision.eventId)
  })

  test('is a late revision when older than the latest, which it does not replace', () => {
    const late = eventOf(identify(observed('closed', 5), arrival, knownAfter(first)))
    expect(late.flags).toBe(REVISION | LATE)
    expect(late.known?.latest.eventId).toBe(idOf(first))
    expect(identify(observed('closed', 5), arrival, late.known)).toEqual({
      kind: 'duplicate',
      of: late.eventId,
    })
  })

  test('replaces the latest at an equal time: of equals the last to arrive counts', () => {
    const tie = eventOf(identify(observed('closed', 10), arrival, knownAfter(first)))
    expect(tie.flags).toBe(REVISION)
    expect(tie.known?.latest.eventId).toBe(tie.eventId)
  })

  test('is a new event when it returns to an earlier payload later: open, closed, open loses nothing', () => {
    const closed = eventOf(identify(observed('closed', 20), arrival, knownAfter(first)))
    const again = eventOf(identify(observed('open', 30), arrival, closed.known))
    expect(again.eventId).toBe(
      tagged('assay:event-reversion:1', Buffer.from(closed.eventId, 'hex'), '{"state":"open"}'),
    )
    expect(again.revises).toBe(closed.eventId)
    expect(identify(observed('open', 30), arrival, again.known)).toEqual({
      kind: 'duplicate',
      of: again.eventId,
    })
    expect(identify(observed('closed', 20), arrival, again.known)).toEqual({
      kind: 'duplicate',
      of: closed.eventId,
    })
  })

  test('is a new event when the same payload is observed again later', () => {
    const again = eventOf(identify(observed('open', 11), arrival, knownAfter(first)))
    expect(again.revises).toBe(idOf(first))
    expect(again.known?.earlier).toEqual([])
  })

  test('agrees with a record that never forgets, as long as nothing was forgotten', () => {
    fc.assert(
      fc.property(anyHistory(EARLIER_PAYLOADS_MAX), history => {
        expect(play(history)).toEqual(playUnbounded(history))
      }),
    )
  })

  test('never gets an id that another event has, not even when payloads were forgotten', () => {
    let forgetful = 0
    fc.assert(
      fc.property(anyHistory(3 * EARLIER_PAYLOADS_MAX), history => {
        const { identities, known } = replay(history)
        const ids = identities.filter(isEvent).map(event => event.eventId)
        expect(new Set(ids).size).toBe(ids.length)
        expect(known?.earlier.length ?? 0).toBeLessThanOrEqual(EARLIER_PAYLOADS_MAX)
        if (known?.forgotten) forgetful++
      }),
    )
    expect(forgetful).toBeGreaterThan(10)
  })

  test('is left to the owner when it is late and could be one of those forgotten', () => {
    const flood = Array.from({ length: EARLIER_PAYLOADS_MAX + 2 }, (_, i) => observed(`state-${i}`, 100 + i))
    const { known } = replay(flood)
    expect(known?.forgotten).toBe(true)
    expect(identify(observed('state-0', 100), arrival, known)).toEqual({ kind: 'undecided' })
    expect(identify(observed('state-0', 999), arrival, known)).toMatchObject({
      kind: 'event',
      flags: REVISION,
    })
  })
})

describe('the id of an event that somebody shows', () => {
  test('follows from its members, whatever it was made of and whatever came before it', () => {
    fc.assert(
      fc.property(anyObservation, anyArrival, (observation, at) => {
        const event = shown(observation, eventOf(identify(observation, at)), at.ingestTimeMs)
        const isOfArrival = eventOf(identify(observation, at)).dedup === 'none'
        expect(idFollows(event)).toBe(isOfArrival ? 'unknown' : 'follows')
      }),
    )
    fc.assert(
      fc.property(anyHistory(EARLIER_PAYLOADS_MAX + 3), history => {
        for (const [i, identity] of replay(history).identities.entries())
          if (isEvent(identity))
            expect(idFollows(shown(history[i] ?? base, identity, 1000 + i))).toBe('follows')
      }),
    )
  })

  test('contradicts any other content', () => {
    const by = [{ nativeId: 'n' }, { sourceSeq: '4' }, { eventTimeMs: 9 }]
    for (const observation of by.map(each => ({ ...base, ...each }))) {
      const event = shown(observation, eventOf(identify(observation, arrival)), 1_000_000)
      expect(idFollows(event)).toBe('follows')
      expect(idFollows({ ...event, payload: { value: 2 } })).toBe('contradicted')
      expect(idFollows({ ...event, sourceId: 'farm2' })).toBe('contradicted')
      expect(idFollows({ ...event, eventId: 'ff'.repeat(32) })).toBe('contradicted')
    }
    const [first, second, third] = replay([observed('a', 1), observed('b', 2), observed('a', 3)]).identities
    if (!first || !second || !third) throw new Error('three were played')
    const returned = shown(observed('a', 3), eventOf(third), 1002)
    expect(idFollows(returned)).toBe('follows')
    expect(idFollows({ ...returned, revises: eventOf(first).eventId })).toBe('contradicted')
    expect(idFollows({ ...returned, payload: { state: 'b' } })).toBe('contradicted')
  })

  test('cannot be followed where it is of its arrival alone, and only there', () => {
    const event = shown(base, eventOf(identify(base, arrival)), 1_000_000)
    expect(idFollows(event)).toBe('unknown')
    // It says that it has no time of its own, and has one.
    expect(idFollows({ ...event, eventTimeMs: 999_999 })).toBe('contradicted')
    expect(idFollows({ ...event, nativeId: 'n' })).toBe('contradicted')
    expect(idFollows({ ...event, qualityFlags: 0 })).toBe('contradicted')
  })
})

/** As its line has it. */
function shown(
  { sourceId, streamId, nativeId, sourceSeq, payloadJcs }: ObservedEvent,
  { eventId, eventTimeMs, flags, revises }: IdentifiedEvent,
  ingestTimeMs: number,
): Parameters<typeof idFollows>[0] {
  return {
    ...{ eventId, sourceId, streamId, eventTimeMs, ingestTimeMs, qualityFlags: flags },
    payload: JSON.parse(payloadJcs),
    ...(nativeId !== undefined && { nativeId }),
    ...(sourceSeq !== undefined && { sourceSeq }),
    ...(revises !== undefined && { revises }),
  }
}

function observed(state: string, eventTimeMs?: number): ObservedEvent {
  const payloadJcs = canonicalJson({ state })
  return { ...base, payloadJcs, nativeId: 'door-1', ...(eventTimeMs === undefined ? {} : { eventTimeMs }) }
}

function idOf(observation: ObservedEvent): string {
  return eventOf(identify(observation, arrival)).eventId
}

function knownAfter(observation: ObservedEvent): KnownPayloads | undefined {
  return eventOf(identify(observation, arrival)).known
}

function eventOf(identity: Identity): IdentifiedEvent {
  if (identity.kind !== 'event') throw new Error(`an event was wanted, not ${identity.kind}`)
  return identity
}

function isEvent(identity: Identity): identity is IdentifiedEvent {
  return identity.kind === 'event'
}

function replay(history: readonly ObservedEvent[]) {
  let known: KnownPayloads | undefined
  const identities = history.map((observation, i) => {
    const identity = identify(observation, { ...arrival, ingestTimeMs: 1000 + i }, known)
    if (identity.kind === 'event') known = identity.known
    return identity
  })
  return { identities, known }
}

function play(history: readonly ObservedEvent[]) {
  return replay(history).identities.map(identity =>
    identity.kind === 'event'
      ? { kind: 'event', eventId: identity.eventId, flags: identity.flags }
      : identity,
  )
}

/** The rule as it is written down, on a list of everything that ever came. */
function playUnbounded(history: readonly ObservedEvent[]) {
  const events: { eventId: string; payload: string; timeMs: number }[] = []
  return history.map((observation, i) => {
    const { payloadJcs: payload, eventTimeMs: own } = observation
    const latest = events.reduce(
      (best, event) => (event.timeMs >= best.timeMs ? event : best),
      events[0] ?? never,
    )
    const same = events.filter(event => event.payload === payload).at(-1)
    if (same && !(own !== undefined && own > latest.timeMs)) return { kind: 'duplicate', of: same.eventId }
    const late = events.length > 0 && own !== undefined && own < latest.timeMs
    const eventId = same
      ? tagged('assay:event-reversion:1', Buffer.from(latest.eventId, 'hex'), payload)
      : tagged('assay:event-native:1', 'farm', 'door-1', payload)
    const flags =
      (own === undefined ? ARRIVAL_TIME : 0) | (events.length > 0 ? REVISION : 0) | (late ? LATE : 0)
    const timeMs = own ?? Math.max(1000 + i, events.length > 0 ? latest.timeMs : 0)
    events.push({ eventId, payload, timeMs })
    return { kind: 'event', eventId, flags }
  })
}
const never = { eventId: '', payload: '', timeMs: -1 }

function anyHistory(payloads: number): fc.Arbitrary<ObservedEvent[]> {
  return fc.array(
    fc
      .tuple(
        fc.integer({ min: 1, max: payloads }),
        fc.option(fc.integer({ min: 0, max: 2000 }), { nil: undefined }),
      )
      .map(([state, time]) => observed(`state-${state}`, time)),
    { minLength: 1, maxLength: 120, size: 'max' },
  )
}

const anyObservation: fc.Arbitrary<ObservedEvent> = fc.record(
  {
    sourceId: fc.constantFrom('a', 'ab', 'b', 'é'),
    streamId: fc.constantFrom('a', 'ab', 'b', 'ba'),
    payloadJcs: fc.constantFrom('1', '11', '"a"', '{}'),
    nativeId: fc.constantFrom('1', '11', 'a', 'b'),
    sourceSeq: fc.constantFrom('0', '1', '49', '12345678901234567890'),
    eventTimeMs: fc.oneof(fc.constantFrom(0, 1, 49), anyTimeMs),
  },
  { requiredKeys: ['sourceId', 'streamId', 'payloadJcs'] },
)

const anyArrival: fc.Arbitrary<Arrival> = fc.record({
  ingestTimeMs: anyTimeMs,
  key: fc.oneof(anyName, fc.uint8Array({ minLength: 16, maxLength: 16 })),
  index: fc.nat(),
})

function committed({
  sourceId,
  streamId,
  payloadJcs,
  nativeId,
  sourceSeq,
  eventTimeMs,
}: ObservedEvent): string {
  if (nativeId !== undefined) return JSON.stringify(['native', sourceId, nativeId, payloadJcs])
  if (sourceSeq !== undefined) return JSON.stringify(['seq', sourceId, streamId, sourceSeq, payloadJcs])
  return JSON.stringify(['time', sourceId, streamId, eventTimeMs ?? null, payloadJcs])
}

function everyDecade(): number[] {
  return Array.from({ length: 803 }, (_, i) => Date.UTC(1970 + 10 * i, i % 12, 1 + (i % 28), i % 24))
}

/** The tagged digest, written out once more. */
function tagged(tag: string, ...fields: (string | Uint8Array)[]): string {
  const hash = createHash('sha256').update(Uint8Array.of(tag.length)).update(tag)
  for (const field of fields.map(field => Buffer.from(field))) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(field.length)
    hash.update(length).update(field)
  }
  return hash.digest('hex')
}
