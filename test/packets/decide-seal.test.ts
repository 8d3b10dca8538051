import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideSeal, type UnsealedHead } from '../../src/packets/decide-seal.ts'
import { decideWindow, type IdleHead } from '../../src/packets/decide-window.ts'
import { type Pace, paceBounds, paceOf } from '../../src/packets/pace.ts'

const idle = paceOf({ events: 0, partitions: 1 }, 'live', paceBounds)
const busy = paceOf(paceBounds.busy, 'live', paceBounds)
const batch = paceOf({ events: paceBounds.batchFromEvents, partitions: 1 }, 'live', paceBounds)
const plain = { latenessMs: 2_000, window: undefined, isBehind: false }

const head = (change: Partial<UnsealedHead> = {}): UnsealedHead => ({
  ...{ partitionId: 1, streamId: 'readings', policyDigest: null },
  ...{ nextSeq: 1, sealedSeq: 0, nextPacket: 0, unsealedBytes: 100 },
  ...{ unsealedSinceMs: 10_000, lastAppendedMs: 10_000, eventMsMax: 9_000, watermarkMs: 0 },
  ...change,
})

describe('where a packet ends', () => {
  test('is nowhere while there is no event', () => {
    const sealed = head({ nextSeq: 5, sealedSeq: 5, unsealedSinceMs: null })
    expect(decideSeal(sealed, plain, idle, 1e12)).toEqual({ kind: 'nothing' })
  })

  test('is soon after an event that comes alone', () => {
    expect(decideSeal(head(), plain, idle, 10_149)).toEqual({ kind: 'wait', untilMs: 10_150 })
    expect(decideSeal(head(), plain, idle, 10_150)).toEqual({
      kind: 'seal',
      because: 'time',
      watermarkMs: 7_000,
    })
  })

  test('is after the buffer’s time where events keep coming', () => {
    const kept = head({ lastAppendedMs: 10_700 })
    expect(decideSeal(kept, plain, idle, 10_749)).toEqual({ kind: 'wait', untilMs: 10_750 })
    expect(decideSeal(kept, plain, idle, 10_750)).toMatchObject({ kind: 'seal' })
  })

  test('does not wait for a clock that was set back', () => {
    expect(decideSeal(head(), plain, idle, 9_000)).toMatchObject({ kind: 'seal', because: 'time' })
    expect(decideSeal(head(), plain, idle, 9_900)).toMatchObject({ kind: 'wait' })
  })

  test('is later under load, and then no event is sealed alone', () => {
    expect(decideSeal(head(), plain, busy, 12_999)).toEqual({ kind: 'wait', untilMs: 13_000 })
  })

  test('is later behind a packet that agents work on, and soon after that, but not beyond its size or its time', () => {
    const behind = { ...plain, isBehind: true }
    const longAlone = head({ lastAppendedMs: 10_100 })
    expect(decideSeal(longAlone, behind, idle, 12_999)).toEqual({ kind: 'wait', untilMs: 13_000 })
    expect(decideSeal(longAlone, plain, idle, 12_999)).toMatchObject({ kind: 'seal', because: 'time' })
    expect(decideSeal(longAlone, behind, idle, 13_000)).toMatchObject({ kind: 'seal', because: 'time' })
    expect(decideSeal(head({ nextSeq: 8_000 }), behind, idle, 10_000)).toMatchObject({ because: 'size' })
    const window = { windowMs: 1_000, latenessMs: 0 }
    const across = head({ watermarkMs: 8_000, eventMsMax: 9_000 })
    expect(decideSeal(across, { ...behind, latenessMs: 0, window }, idle, 10_700)).toMatchObject({
      kind: 'wait',
    })
    expect(decideSeal(head(), behind, batch, 19_999)).toEqual({ kind: 'wait', untilMs: 20_000 })
    expect(decideSeal(head(), behind, idle, 9_000)).toMatchObject({ kind: 'seal' })
  })

  test('is at its size, however young it is', () => {
    const seal = { kind: 'seal', because: 'size' }
    expect(decideSeal(head({ nextSeq: 8_000 }), plain, idle, 10_000)).toMatchObject(seal)
    expect(decideSeal(head({ unsealedBytes: 4 * 1024 * 1024 }), plain, busy, 10_000)).toMatchObject(seal)
    expect(decideSeal(head({ nextSeq: 8_000 }), plain, batch, 10_000)).toMatchObject({ kind: 'wait' })
    expect(decideSeal(head({ nextSeq: 20_000 }), plain, batch, 10_000)).toMatchObject(seal)
  })

  test('is where the watermark closes a window, once the packet is worth it', () => {
    const fused = { ...plain, latenessMs: 0, window: { windowMs: 1_000, latenessMs: 0 } }
    const inside = head({ lastAppendedMs: 10_300, watermarkMs: 8_000, eventMsMax: 8_999 })
    expect(decideSeal(inside, fused, idle, 10_400)).toEqual({ kind: 'wait', untilMs: 10_450 })
    const across = { ...inside, eventMsMax: 9_000 }
    expect(decideSeal(across, fused, idle, 10_374)).toEqual({ kind: 'wait', untilMs: 10_375 })
    expect(decideSeal(across, fused, idle, 10_375)).toMatchObject({ because: 'watermark' })
    expect(decideSeal(across, fused, batch, 10_375)).toEqual({ kind: 'wait', untilMs: 20_000 })
  })

  const anyPace: fc.Arbitrary<Pace> = fc.constantFrom(idle, busy, batch)
  const anyHead = fc
    .record({
      seqs: fc.integer({ min: 1, max: 30_000 }),
      bytes: fc.integer({ min: 1, max: 30_000_000 }),
      kept: fc.integer({ min: 0, max: 20_000 }),
      event: fc.option(fc.integer({ min: 0, max: 2 ** 50 })),
      watermarkMs: fc.integer({ min: 0, max: 2 ** 50 }),
    })
    .map(({ seqs, bytes, kept, event, watermarkMs }) =>
      head({
        ...{ nextSeq: seqs, unsealedBytes: bytes, lastAppendedMs: 10_000 + kept },
        ...{ eventMsMax: event, watermarkMs },
      }),
    )

  test('never takes a watermark back, and is decided by the time it was said it would be', () => {
    fc.assert(
      fc.property(anyHead, anyPace, fc.integer({ min: 10_000, max: 40_000 }), (any, pace, nowMs) => {
        const decision = decideSeal(any, plain, pace, nowMs)
        if (decision.kind === 'seal') expect(decision.watermarkMs).toBeGreaterThanOrEqual(any.watermarkMs)
        if (decision.kind !== 'wait') return
        expect(decision.untilMs).toBeGreaterThan(nowMs)
        expect(decision.untilMs).toBeLessThanOrEqual(10_000 + pace.lingerMs)
        expect(decideSeal(any, plain, pace, decision.untilMs).kind).toBe('seal')
      }),
    )
  })
})

describe('an empty packet', () => {
  const fused = { latenessMs: 2_000, window: { windowMs: 1_000, latenessMs: 500 } }
  const silent = (change: Partial<IdleHead> = {}): IdleHead => ({
    ...{ eventMsMax: 100_000, watermarkMs: 98_000, sealedMs: 10_000, lastWasEmpty: false },
    ...change,
  })

  test('closes the last window once the clock has gone on for as long as it can be open', () => {
    expect(decideWindow(silent(), fused, 13_499)).toEqual({ kind: 'wait', untilMs: 13_500 })
    expect(decideWindow(silent(), fused, 13_500)).toEqual({
      ...{ kind: 'seal', because: 'window', watermarkMs: 101_500 },
    })
  })

  test('is not made where nothing has windows, or all are closed, or it would follow another', () => {
    const nothing = { kind: 'nothing' }
    expect(decideWindow(silent(), plain, 1e12)).toEqual(nothing)
    expect(decideWindow(silent({ eventMsMax: null }), fused, 1e12)).toEqual(nothing)
    expect(decideWindow(silent({ watermarkMs: 101_500 }), fused, 1e12)).toEqual(nothing)
    expect(decideWindow(silent({ lastWasEmpty: true }), fused, 1e12)).toEqual(nothing)
  })
})

describe('the pace of a node', () => {
  test('follows the load between idle and busy, and no further', () => {
    const lingers = [0, 5_000, 52_500, 100_000, 199_999].map(
      events => paceOf({ events, partitions: 0 }, 'live', paceBounds).lingerMs,
    )
    expect(lingers).toEqual([750, 750, 1_875, 3_000, 3_000])
    expect(paceOf({ events: 0, partitions: 128 }, 'live', paceBounds).lingerMs).toBe(3_000)
  })

  test('drops to batches under backlog, and stays there until it has caught up', () => {
    const modes = [199_999, 200_000, 60_000, 50_001, 50_000, 60_000, 199_999]
    let mode = paceBounds.mode
    const seen = modes.map(events => {
      mode = paceOf({ events, partitions: 1 }, mode, paceBounds).mode
      return mode
    })
    expect(seen).toEqual(['live', 'batch', 'batch', 'batch', 'live', 'live', 'live'])
  })

  test('is that of batches from the beginning where this was chosen', () => {
    const chosen = { ...paceBounds, mode: 'batch' } as const
    expect(paceOf({ events: 0, partitions: 0 }, 'batch', chosen)).toMatchObject({
      ...{ mode: 'batch', lingerMs: 10_000 },
    })
  })
})
