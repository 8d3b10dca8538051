import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { aggregateId } from '../../../src/core/certificate/aggregate.ts'

describe('the id of an aggregate', () => {
  test('is what the formats say', async () => {
    const id = aggregateId({
      log: `02${'11'.repeat(32)}`,
      streamId: 's',
      partition: 1,
      firstPacketNo: 2,
      lastPacketNo: 5,
    })
    expect(await readFile('docs/formats.md', 'utf8')).toContain(id)
  })
})
