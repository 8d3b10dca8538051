import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/canonical-json.ts'
import { readPartitionRecord, readSealMark } from '../../../src/core/log/entries.ts'
import { anyMess, faultOf } from '../event/arbitraries.ts'
import { markAt, record, totalsOf } from './sample-log.ts'

describe('the record of a partition', () => {
  test('is read back as it was written', () => {
    expect(readPartitionRecord(record)).toEqual({ ok: true, value: record })
  })

  test.each<[string, Json]>([
    ['/shards/index', { by: 'key', index: 2, count: 2 }],
    ['/shards/count', { by: 'key', index: 0, count: 0 }],
    ['/shards/by', { by: 'chance', index: 0, count: 1 }],
    ['/shards', null],
  ])('is refused with a pointer to %s', (pointer, shards) => {
    expect(faultOf(readPartitionRecord({ ...record, shards }))).toMatchObject({
      code: 'log-invalid',
      pointer,
    })
  })
})

describe('a seal mark', () => {
  test('is read back as it was written', () => {
    expect(readSealMark(markAt(7))).toEqual({ ok: true, value: markAt(7) })
  })

  test('counts every event of the partition as accepted, and every received one somewhere', () => {
    expect(faultOf(readSealMark({ ...markAt(7), upToSeq: 8 })).pointer).toBe('/upToSeq')
    expect(faultOf(readSealMark({ ...markAt(7), totals: { ...totalsOf(7), waived: 1 } })).pointer).toBe(
      '/totals/received',
    )
  })
})

test('no entry throws over a malformed member', () => {
  const members = [...Object.keys(record), ...Object.keys(markAt(1))]
  fc.assert(
    fc.property(fc.constantFrom(...members), anyMess, (member, value) => {
      for (const read of [
        readPartitionRecord({ ...record, [member]: value }),
        readSealMark({ ...markAt(1), [member]: value }),
      ])
        expect(read.ok || read.fault.code === 'log-invalid').toBe(true)
    }),
    { numRuns: 1000 },
  )
})
