import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OverlayBed, overlayBed } from '../support/overlay-bed.ts'
import { openQueryBed, type QueryBed } from '../support/query-bed.ts'
import { until } from '../support/until.ts'
import { lineageDoor } from './lineage-bed.ts'

const unknown = 'ab'.repeat(32)

/** What the first is answered that finds no room, among more and more that wait for these tables. */
async function whileTheyWait<T>(pool: Pool, tables: string, ask: () => Promise<T>): Promise<T> {
  const holder = await pool.connect()
  const asked: Promise<void>[] = []
  let first: T | undefined
  try {
    await holder.query(`begin; lock table ${tables} in access exclusive mode`)
    return await until(() => {
      if (first === undefined)
        asked.push(
          ask().then(answer => {
            first ??= answer
          }),
        )
      return first
    })
  } finally {
    await holder.query('rollback')
    holder.release()
    await Promise.all(asked)
  }
}

describe('where too much is asked at once', () => {
  let bed: QueryBed
  beforeAll(async () => {
    bed = await openQueryBed()
  })
  afterAll(() => bed.end())

  test.each([
    ['/feed', 'streams, partitions'],
    ['/search?type=reading', 'streams, partitions'],
    [`/resolve?versionId=${unknown}`, 'dlm_versions'],
  ])('%s says so in the shape of its other problems', async (path, tables) => {
    const answer = await whileTheyWait(bed.database.pool, tables, () => bed.get(path))
    expect(answer.status).toBe(503)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.headers['retry-after']).toBe('1')
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      ...{ type: 'urn:assay:problem:busy', code: 'busy', error: 'busy', retryable: true },
      detail: expect.stringContaining('128 such requests are under way'),
    })
  })
})

describe('where more lineage is asked for at once than one network may', () => {
  let bed: OverlayBed
  beforeAll(async () => {
    bed = await overlayBed()
  })
  afterAll(() => bed.close())

  test.each(['bundle', 'ready'] as const)('/%s says so in the words of DLM1', async route => {
    const door = await lineageDoor(bed)
    const answer = await whileTheyWait(bed.database.pool, 'dlm_versions', () =>
      door[route](`?versionId=${unknown}`),
    )
    expect(answer.status).toBe(503)
    expect(answer.told).toEqual({
      error: 'busy',
      hint: expect.stringContaining('4 such requests from your network are under way'),
    })
    await door.close()
    expect(door.failures).toEqual([])
  })
})
