import { describe, expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readPolicySet } from '../../../src/core/policy/read-policy-set.ts'
import { storedBounds } from '../../../src/core/policy/stored-bounds.ts'
import { STATE_BYTES_DEFAULT } from '../../../src/core/rules/carried-state.ts'

const stored = (members: { readonly [member: string]: Json }) =>
  canonicalJson(orThrow(readPolicySet({ v: 1, ...members })))

const nothing = { stateBytesMax: STATE_BYTES_DEFAULT, windows: undefined }

describe('what sealing and planning need of a stored policy set', () => {
  test('is what the set says, with what it leaves out as it is by default', () => {
    expect(storedBounds(stored({}))).toEqual(nothing)
    const fusion = { strategy: 'quorum', windowMs: 4_000, latenessMs: 500 }
    expect(storedBounds(stored({ stateBytesMax: 4_194_304, fusion }))).toEqual({
      stateBytesMax: 4_194_304,
      windows: { windowMs: 4_000, latenessMs: 500 },
    })
  })

  test('is also said by a set that the database cannot look into', () => {
    expect(
      storedBounds(stored({ license: 'a\0b', fusion: { strategy: 'quorum', windowMs: 4_000 } })),
    ).toMatchObject({
      windows: { windowMs: 4_000, latenessMs: 0 },
    })
  })

  test.each([
    '',
    'null',
    '7',
    '[]',
    '{"fusion":7}',
    '{"fusion":{"windowMs":"4","latenessMs":0},"stateBytesMax":-1}',
  ])('is nothing where the text is no set: %s', text => {
    expect(storedBounds(text)).toEqual(nothing)
  })
})
