import { describe, expect, test } from 'vitest'
import type { Seat } from '../../web/event/trace-shape.ts'
import { voteOf } from '../../web/event/vote.ts'

const leaf = (digit: string) => digit.repeat(64)
const agreed = { leaf: leaf('a'), status: 'agreed' }
const result = (said: string | null, more: object = {}) => ({
  ...{ txid: leaf('1'), status: 'completed', leaf: said, agrees: false, isLate: false },
  ...{ outputHash: null, arrivedMs: 2, processingMs: 300, signature: null },
  ...more,
})
const seat = (results: Seat['results'], more: Partial<Seat> = {}): Seat => ({
  ...{ jobId: 'j.0', agentId: leaf('2'), operator: leaf('3'), state: 'completed' },
  ...{ conduct: 'agreed', offeredMs: 1, results },
  ...more,
})
const said = (results: Seat['results'], stage = agreed, more: Partial<Seat> = {}) =>
  voteOf(seat(results, more), stage).said

describe('what an agent has said', () => {
  test('is that it agreed, only where its answer was counted', () => {
    expect(said([result(leaf('a'), { agrees: true })])).toBe('agreed')
    expect(said([result(leaf('a'))])).toBe('said the same, after the others had agreed')
  })

  test('is something else where its leaf is, and never that where nothing is agreed', () => {
    expect(said([result(leaf('b'))])).toBe('said something else')
    expect(said([result(leaf('b'))], { leaf: '', status: 'asked' } as never)).toBe('said something else')
    const open = { leaf: null, status: 'asked' } as unknown as typeof agreed
    expect(said([result(leaf('b'))], open)).toBe('answered, nothing is agreed yet')
  })

  test('is that it gave two answers, whichever was counted', () => {
    expect(said([result(leaf('a'), { agrees: true }), result(leaf('b'))])).toBe('gave two different answers')
  })

  test('is nothing held against it, where the others were quicker', () => {
    expect(said([], agreed, { conduct: 'unheard' })).toBe('the others had agreed before it answered')
    expect(said([], agreed, { conduct: 'silent' })).toBe('did not answer in time')
    expect(said([], agreed, { offeredMs: null })).toBe('was not asked yet')
  })

  test('is that it failed, where it says so', () => {
    expect(said([result(null, { status: 'failed' })])).toBe('answered: failed')
    expect(said([result(null)])).toBe('said nothing about this packet')
  })
})
