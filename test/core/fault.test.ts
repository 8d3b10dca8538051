import { describe, expect, test } from 'vitest'
import { accepted, FaultError, faultCodes, orThrow, refused } from '../../src/core/fault.ts'

describe('an outcome', () => {
  test('that was accepted gives its value', () => {
    expect(orThrow(accepted(7))).toBe(7)
    expect(accepted(undefined)).toEqual({ ok: true, value: undefined })
  })

  test('that was refused names a code, a sentence and, where there is one, the place', () => {
    expect(refused('name-invalid', 'why')).toEqual({
      ok: false,
      fault: { code: 'name-invalid', detail: 'why' },
    })
    expect(refused('name-invalid', 'why', '')).toMatchObject({ fault: { pointer: '' } })
  })

  test('that was refused throws its fault for a caller who had no reason to expect it', () => {
    const outcome = refused('json-too-deep', 'the value nests too deep', '/a/0')
    expect(() => orThrow(outcome)).toThrow(FaultError)
    expect(new FaultError(outcome.fault)).toMatchObject({
      fault: outcome.fault,
      message: 'json-too-deep: the value nests too deep (at /a/0)',
    })
    expect(new FaultError({ code: 'json-too-deep', detail: 'why', pointer: '' }).message).toContain('(at /)')
    expect(new FaultError({ code: 'json-too-deep', detail: 'why' }).message).toBe('json-too-deep: why')
  })
})

describe('fault codes', () => {
  test('are distinct words joined by hyphens', () => {
    expect(new Set(faultCodes).size).toBe(faultCodes.length)
    for (const code of faultCodes) expect(code).toMatch(/^[a-z]+(-[a-z]+)+$/)
  })
})
