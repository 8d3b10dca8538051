import { writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { openEndedObjects } from '../../../src/adapters/uhrp/ended-objects.ts'
import { nodeHolder } from '../../../src/adapters/uhrp/holder.ts'
import { startSweep, sweepBounds } from '../../../src/adapters/uhrp/sweep.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { type UhrpBed, uhrpBed } from '../../support/uhrp-bed.ts'
import { until } from '../../support/until.ts'

let bed: UhrpBed
beforeAll(async () => {
  bed = await uhrpBed()
})
afterAll(() => bed.close())
afterEach(() => bed.clear())

const HOUR_MS = 3_600_000
const { signal } = new AbortController()

async function keep(text: string, endMs: number, by = 'packets') {
  const wishes = { holder: nodeHolder(by), audience: 'public', contentType: 'text/plain' } as const
  await bed.store.put(utf8(text), { ...wishes, streams: [], advertise: false, retainUntilMs: endMs })
  return sha256Hex(text)
}

describe('objects that nobody keeps any more', () => {
  const textsOf = (count: number) => Array.from({ length: count }, (_, n) => `text ${n}`)

  test('are gone through page by page, in the order of their ends, whoever else is kept among them', async () => {
    const now = bed.now()
    const wanted: string[] = []
    for (const [n, text] of textsOf(12).entries()) {
      // Several end at the same time.
      const name = await keep(text, now + HOUR_MS + Math.floor(n / 5))
      if (n % 3 === 0) await keep(text, now + 9 * HOUR_MS, 'other')
      else wanted.push(name)
    }
    const ended = openEndedObjects(bed.database.pool, 'unexpired', 4)
    const found: string[] = []
    await ended(now + 2 * HOUR_MS, async name => void found.push(name), signal)
    expect(found.toSorted()).toEqual(wanted.toSorted())
    expect(new Set(found.slice(0, 3))).toEqual(new Set(wanted.slice(0, 3)))
  })

  test('are looked at once, and again from where the work on one has failed, for which no other waits', async () => {
    const now = bed.now()
    const first = await keep('first', now + 1)
    const ended = openEndedObjects(bed.database.pool, 'unexpired', 1)
    const second = await keep('second', now + 2)
    const found: string[] = []
    const work = async (name: string) => void found.push(name)
    const failing = ended(
      now + HOUR_MS,
      async name => {
        if (name === first) throw new Error('no disk')
        found.push(name)
      },
      signal,
    )
    await expect(failing).rejects.toThrow('no disk')
    expect(found).toEqual([second])
    await ended(now + HOUR_MS, work, signal)
    const third = await keep('third', now + HOUR_MS)
    await ended(now + 2 * HOUR_MS, work, signal)
    expect(found).toEqual([second, first, second, third])
  })

  test('all go in one sweep, however many there are', async () => {
    const now = bed.now()
    const names: string[] = []
    for (const text of textsOf(30)) names.push(await keep(text, now + HOUR_MS))
    await bed.database.pool.query(
      `with more as (
          insert into uhrp_objects (sha256, length, state, checked_ms)
            select sha256(('more ' || n)::bytea), 1, 'expired', 0 from generate_series(1, 1200) as n returning sha256)
        insert into uhrp_retentions (sha256, holder, audience, readers, content_type, stored_ms, retain_until_ms)
          select sha256, 'node packets', 'public', '{}', '', 0, $1 from more`,
      [now - sweepBounds.rememberMs - HOUR_MS],
    )
    bed.pass(2 * HOUR_MS)
    const swept = await bed.sweep()
    const done = (what: string) => swept.filter(([each]) => each === what).map(([, name]) => name)
    expect(done('expired').toSorted()).toEqual(names.toSorted())
    expect(done('forgotten')).toHaveLength(1200)
  })
})

test('what fails of a sweep keeps nothing else from being done', async () => {
  const name = await keep('damaged', bed.now() + HOUR_MS)
  await writeFile(bed.store.folder.pathOf(name), 'DAMAGED')
  await bed.database.pool.query('alter table uhrp_upload_urls rename to mislaid')
  const swept: string[] = []
  const failures: string[] = []
  const { pool } = bed.database
  const { folder } = bed.store
  const bounds = { ...sweepBounds, intervalMs: 1 }
  const onSwept = (what: string, sha256: string) => void swept.push(`${what} ${sha256}`)
  const stop = startSweep({ pool, folder, bounds, now: bed.now, onSwept }, error =>
    failures.push(String(error)),
  )
  try {
    await until(async () => swept.length > 0)
  } finally {
    await stop()
    await pool.query('alter table mislaid rename to uhrp_upload_urls')
  }
  expect(swept).toEqual([`corrupt ${name}`])
  expect(failures[0]).toContain('uhrp_upload_urls')
})
