import { describe, expect, test } from 'vitest'
import { leadsTo, readSuccession, signSuccession } from '../../src/contract/key-succession.ts'
import { party } from '../support/pipeline.ts'

const [first, second, third] = [party('first'), party('second'), party('third')]
const step = signSuccession('operator', first, second, 1_700_000_000_000)

describe('a key succession', () => {
  test('is read back as it was signed', () => {
    expect(readSuccession(JSON.parse(JSON.stringify(step)))).toEqual({ ok: true, value: step })
  })

  test.each([
    ['of another kind', { ...step, kind: 'node' }],
    ['at another time', { ...step, atMs: step.atMs + 1 }],
    ['from another key', { ...step, from: third.identityKey }],
    ['to another key', { ...step, to: third.identityKey }],
    ['signed by the old key alone', { ...step, signatureOfNew: step.signatureOfOld }],
    ['signed by the new key alone', { ...step, signatureOfOld: step.signatureOfNew }],
  ])('%s is refused', (_, forged) => {
    expect(readSuccession(forged)).toMatchObject({ ok: false, fault: { code: 'signature-invalid' } })
  })

  test.each([
    ['a log, which has no heir', { ...step, kind: 'log' }],
    ['a member too many', { ...step, note: 'x' }],
    ['a key that is none', { ...step, to: '05'.repeat(33) }],
    ['no object', null],
  ])('with %s is unreadable', (_, odd) => {
    expect(readSuccession(odd)).toMatchObject({ ok: false, fault: { code: 'message-invalid' } })
  })

  test('leads from the first key to the last, and nowhere else', () => {
    const next = signSuccession('operator', second, third, 1_700_000_000_001)
    expect(leadsTo([step, next], first.identityKey, third.identityKey)).toBe(true)
    expect(leadsTo([], first.identityKey, first.identityKey)).toBe(true)
    expect(leadsTo([next, step], first.identityKey, third.identityKey)).toBe(false)
    expect(leadsTo([step], first.identityKey, third.identityKey)).toBe(false)
    expect(leadsTo([{ ...step, atMs: 1 }, next], first.identityKey, third.identityKey)).toBe(false)
  })
})
