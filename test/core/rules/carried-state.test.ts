import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import {
  type CarriedState,
  emptyState,
  PACKET_MEMORIES_MAX,
  readState,
  remember,
  writeState,
} from '../../../src/core/rules/carried-state.ts'

type StoredMemory = [ruleId: string, sourceId: string, key: string, touchedMs: number, value: number]

const rule = (n: number) => String(n).padStart(16, '0')
const stateOf = (memories: readonly StoredMemory[], evicted = 0): CarriedState => {
  const state = { ...emptyState(), evicted }
  for (const [ruleId, sourceId, key, touchedMs, ...values] of memories)
    remember(state, ruleId, sourceId, key, { touchedMs, values })
  return state
}
const sizeOf = (json: Json) => utf8(canonicalJson(json)).length

describe('memories beyond the bound of the state', () => {
  const memory: fc.Arbitrary<StoredMemory> = fc.tuple(
    fc.integer({ min: 1, max: 3 }).map(rule),
    fc.constantFrom('s', 'ü', 'a longer name'),
    fc.string({ maxLength: 12, unit: 'grapheme' }),
    fc.integer({ min: 0, max: 5 }),
    fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
  )
  const memories = fc.uniqueArray(memory, {
    maxLength: 40,
    selector: ([ruleId, sourceId, key]) => `${ruleId} ${sourceId} ${key}`,
  })

  test('leave one by one, touched longest ago first, until those over the bound and 16 bytes more are freed', () => {
    fc.assert(
      fc.property(memories, fc.integer({ min: 100, max: 2_500 }), fc.nat(1), (list, bytesMax, evicted) => {
        const state = stateOf(list, evicted)
        const text = fromUtf8(writeState(state, bytesMax)) ?? ''
        const expected = letLeave(list, evicted, bytesMax)
        expect(text).toBe(list.length + evicted === 0 ? '' : canonicalJson(expected))
      }),
      { numRuns: 500 },
    )
  })

  test('leave too where together they are longer than anything that can be written in one piece', () => {
    const values = Array.from({ length: 256 }, (_, i) => Math.PI * 1e9 + i / 7)
    const state = emptyState()
    for (let i = 0; i < 20_000; i++) remember(state, rule(1), 's', `key-${i}`, { touchedMs: i, values })
    expect(sizeOf(values) * 20_000).toBeGreaterThan(64 * 1024 * 1024)
    const bytes = writeState(state, 16 * 1024)
    expect(bytes.length).toBeLessThanOrEqual(16 * 1024)
    const kept = orThrow(readState(bytes))
    expect([...(kept.memories.get(rule(1))?.keys() ?? [])]).toEqual(['key-19997', 'key-19998', 'key-19999'])
    expect(kept.evicted).toBe(19_997)
  })
})

describe('one packet', () => {
  test('begins a bounded number of memories, and counts what it has no room for as evicted', () => {
    const state = { ...emptyState(), begun: PACKET_MEMORIES_MAX - 1 }
    for (const key of ['a', 'b', 'a', 'c']) remember(state, rule(1), 's', key, { touchedMs: 1, values: [1] })
    expect([...(state.memories.get(rule(1))?.keys() ?? [])]).toEqual(['a'])
    expect(state.evicted).toBe(2)
  })

  test('begins to count anew', () => {
    const state = stateOf([[rule(1), 's', 'k', 1, 1]])
    expect(orThrow(readState(writeState(state, 1_024)))).toEqual({ ...state, begun: 0 })
  })
})

describe('a counter', () => {
  const windows = (dropped: number): Json => [[10, 'k', dropped, [['e', 's', 1, 0, 1]]]]
  const read = (evicted: number, dropped: number) =>
    readState(
      utf8(
        canonicalJson({
          evicted,
          fusion: { closedTo: [], policyId: 'p', windows: windows(dropped) },
          memories: [],
          v: 1,
        }),
      ),
    )

  test('that could lose ones by counting on is refused', () => {
    expect(read(2 ** 48, 2 ** 48).ok).toBe(true)
    for (const counters of [read(2 ** 48 + 1, 0), read(0, 2 ** 48 + 1), read(Number.MAX_SAFE_INTEGER, 0)])
      expect(counters).toMatchObject({ ok: false, fault: { code: 'state-invalid' } })
  })
})

/** By measuring the whole, again for each that leaves. */
function letLeave(list: readonly StoredMemory[], evicted: number, bytesMax: number): JsonObject {
  const fusion = { closedTo: [], policyId: '', windows: [] }
  const inOrder = list.toSorted((a, b) => before(a[0], b[0]) || before(a[1], b[1]) || before(a[2], b[2]))
  const stateOfAll = { evicted, fusion, memories: inOrder, v: 1 }
  const over = sizeOf(stateOfAll) - bytesMax
  if (over <= 0) return stateOfAll
  const oldest = list.toSorted(
    (a, b) => a[3] - b[3] || before(a[2], b[2]) || before(a[1], b[1]) || before(a[0], b[0]),
  )
  let freed = 0
  let leaving = 0
  for (const memory of oldest) {
    if (freed >= over + 16) break
    freed += sizeOf(memory) + 1
    leaving++
  }
  const gone = new Set(oldest.slice(0, leaving))
  return {
    ...stateOfAll,
    evicted: evicted + leaving,
    memories: inOrder.filter(memory => !gone.has(memory)),
  }
}

function before(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
