import { describe, expect, test } from 'vitest'
import { readIdentity } from '../../../src/core/event/read-identity.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { compileIdentify } from '../../../src/core/policy/find-identity.ts'
import { readSourcePolicy } from '../../../src/core/policy/read-source-policy.ts'

const { identify } = orThrow(
  readSourcePolicy({ identify: { nativeId: 'reading.id', eventTime: '/at', sourceSeq: 'n[0]' } }),
)

describe('identify', () => {
  test('finds id, time and sequence where the policy says they stand', () => {
    const found = compileIdentify(identify)({ reading: { id: 7 }, at: '2025-11-20T00:00:00Z', n: ['18'] })
    expect(orThrow(readIdentity(found))).toEqual({
      nativeId: '7',
      eventTime: { ms: 1_763_596_800_000 },
      sourceSeq: '18',
    })
  })

  test('asks for nothing that the policy does not name', () => {
    expect(compileIdentify()({ id: 1 })).toEqual({})
  })

  test.each([{}, { reading: { id: null } }, [], 'text'])('%j lacks what the policy promised', submitted => {
    expect(readIdentity(compileIdentify(identify)(submitted))).toMatchObject({
      ok: false,
      fault: { code: 'event-identity-missing' },
    })
  })
})
