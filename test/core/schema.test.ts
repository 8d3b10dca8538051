import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { Json } from '../../src/core/canonical-json.ts'
import { bySchema, closed, readAs } from '../../src/core/schema.ts'

const shape = closed({
  name: z.string().min(1).max(10).exactOptional(),
  list: z.array(z.int()).max(3).exactOptional(),
})

describe('reading by a schema', () => {
  test('gives the value as the schema types it', () => {
    expect(bySchema(shape, { name: 'a' }, 'message-invalid')).toEqual({ ok: true, value: { name: 'a' } })
  })

  test.each<[string, Json, string, string]>([
    ['a member of the wrong type', { name: 1 }, '/name', 'expected string'],
    ['an item of the wrong type', { list: [1, 'x'] }, '/list/1', 'expected'],
    ['an unknown key, which the pointer names', { nam: 'a' }, '/nam', 'did you mean "name"'],
    ['an unknown key like no other', { zzzzzz: 1 }, '/zzzzzz', 'known are name, list'],
  ])('points at %s', (_, value, pointer, said) => {
    expect(bySchema(shape, value, 'message-invalid', 'the message')).toMatchObject({
      fault: { code: 'message-invalid', pointer, detail: expect.stringContaining(said) },
    })
  })

  test.each([closed({}), z.strictObject({})])('never repeats a key of any length', schema => {
    const read = bySchema(schema, { ['k'.repeat(1_000_000)]: 1 }, 'message-invalid')
    expect(read).toMatchObject({ ok: false, fault: { pointer: '' } })
    expect(JSON.stringify(read).length).toBeLessThan(200)
  })

  // zod measures whatever has a length, and comparing this one throws.
  const unmeasurable: Json = { length: { toString: 'x', valueOf: 'y' } }

  test.each<Json>([
    { name: unmeasurable },
    { list: unmeasurable },
    { name: { length: {} } },
    { length: unmeasurable },
  ])('refuses an object that cannot be measured: %j', value => {
    expect(bySchema(shape, value, 'message-invalid')).toMatchObject({
      ok: false,
      fault: { code: 'message-invalid' },
    })
    expect(readAs(shape, value)).toMatchObject({ ok: false, fault: { code: 'policy-invalid' } })
  })
})
