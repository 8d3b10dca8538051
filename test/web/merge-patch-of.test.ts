import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/canonical-json.ts'
import { mergePatch } from '../../src/ingest/merge-patch.ts'
import { mergePatchOf } from '../../web/conflicts/merge-patch-of.ts'

const held = { carried: { policyTags: ['private'], kept: true }, data: { celsius: 20 } }

describe('an edit of what is held', () => {
  test('is sent as the patch that makes it', () => {
    const wanted = { carried: { kept: true }, data: { celsius: 21, site: 'north' } }
    expect(mergePatchOf(held, JSON.stringify(wanted))).toEqual({
      edit: { carried: { policyTags: null }, data: { celsius: 21, site: 'north' } },
    })
  })

  test('is none where nothing was changed', () => {
    expect(mergePatchOf(held, JSON.stringify(held, undefined, 4))).toEqual({ edit: undefined })
  })

  test.each(['{"data":', '[]', '7', '{"data":{"celsius":null}}'])('cannot be %s, and says why', typed => {
    expect(mergePatchOf(held, typed)).toHaveProperty('wrong')
  })

  test('makes on the node what was typed here', () => {
    const value = fc.object({ maxDepth: 3, values: [fc.string(), fc.integer(), fc.boolean()] })
    fc.assert(
      fc.property(value, value, (before, after) => {
        const [was, wanted] = [before, after].map(each => JSON.parse(JSON.stringify(each)) as JsonObject)
        if (was === undefined || wanted === undefined) throw new Error('both were made')
        const made = mergePatchOf(was, JSON.stringify(wanted))
        if ('wrong' in made) throw new Error(made.wrong)
        expect(mergePatch(was, (made.edit ?? {}) as JsonObject)).toEqual(wanted)
      }),
    )
  })
})
