import { appendFile, mkdir, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { StorageUtils } from '@bsv/sdk'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { openContentStore, type Wishes } from '../../../src/adapters/uhrp/content-store.ts'
import { identityHolder, nodeHolder, seatHolder } from '../../../src/adapters/uhrp/holder.ts'
import type { Reader } from '../../../src/adapters/uhrp/read-entry.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { party } from '../../support/pipeline.ts'
import { storeBounds, type UhrpBed, uhrpBed } from '../../support/uhrp-bed.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const bytes = utf8('what is worth keeping\n')
const sha256 = sha256Hex(bytes)
const reader = party('reader').identityKey

let bed: UhrpBed
beforeAll(async () => {
  bed = await uhrpBed()
})
afterEach(() => bed.clear())
afterAll(() => bed.close())

const wishes = (more: Partial<Wishes> = {}): Wishes => ({
  holder: nodeHolder('test'),
  audience: 'public',
  retainUntilMs: bed.now() + DAY_MS,
  ...more,
})
const read = async (as: Reader = 'anybody', name = sha256) => {
  const opened = await bed.store.open(name, as)
  if (opened.kind !== 'open') return opened.kind
  return (await buffer(opened.object.file.createReadStream())).toString()
}
async function* pieces(...texts: readonly string[]) {
  for (const text of texts) yield utf8(text)
}

describe('what is stored', () => {
  test('is one file under its hash, with the URL that the stock SDK computes', async () => {
    const stored = orThrow(await bed.store.put(pieces('what is ', 'worth ', 'keeping\n'), wishes()))
    expect(stored).toEqual({
      sha256,
      length: bytes.length,
      uhrpUrl: StorageUtils.getURLForFile(bytes),
    })
    expect(await read()).toBe('what is worth keeping\n')
    const files = await bed.files()
    expect(files.map(({ isWhole }) => isWhole)).toEqual([true])
    expect(files[0]?.path.split(path.sep).slice(1)).toEqual([sha256.slice(0, 2), sha256])
  })

  test('is one object, however many store it at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        bed.store.put(bytes, wishes({ holder: nodeHolder(String(n % 3)) })),
      ),
    )
    expect(answers.every(({ ok }) => ok)).toBe(true)
    expect(await bed.files()).toHaveLength(1)
    const { rows } = await bed.database.pool.query('select holder from uhrp_retentions')
    expect(rows).toHaveLength(3)
  })

  test('may be nothing at all', async () => {
    orThrow(await bed.store.put(new Uint8Array(), wishes({ expected: { length: 0 } })))
    expect(await read('anybody', sha256Hex(''))).toBe('')
  })

  test('is gone with the last who keeps it, and was here for a while after', async () => {
    await bed.store.put(bytes, wishes({ retainUntilMs: bed.now() + HOUR_MS }))
    await bed.store.put(
      bytes,
      wishes({ holder: nodeHolder('other'), retainUntilMs: bed.now() + 3 * HOUR_MS }),
    )
    bed.pass(2 * HOUR_MS)
    expect(await bed.sweep()).toEqual([])
    expect(await read()).toBe('what is worth keeping\n')
    bed.pass(2 * HOUR_MS)
    expect(await read()).toBe('expired')
    expect(await bed.sweep()).toEqual([['expired', sha256]])
    expect(await bed.files()).toEqual([])
    expect(await read()).toBe('expired')
    bed.pass(40 * DAY_MS)
    expect(await bed.sweep()).toEqual([['forgotten', sha256]])
    expect(await read()).toBe('none')
  })

  test('is kept longer by who asks for it, and never shorter', async () => {
    const until = bed.now() + HOUR_MS
    await bed.store.put(bytes, wishes({ retainUntilMs: until }))
    const holder = nodeHolder('test')
    expect(await bed.store.extend(sha256, holder, until + DAY_MS)).toEqual({
      previousMs: until,
      retainUntilMs: until + DAY_MS,
    })
    expect(await bed.store.extend(sha256, holder, until)).toMatchObject({ retainUntilMs: until + DAY_MS })
    expect(await bed.store.extend(sha256, nodeHolder('nobody'), until)).toBeUndefined()
    bed.pass(10 * DAY_MS)
    expect(await bed.store.extend(sha256, holder, bed.now() + DAY_MS)).toBeUndefined()
  })
})

describe('bytes that are not those announced', () => {
  test.each([
    ['another hash', { sha256: sha256Hex('other') }, 'content-invalid'],
    ['fewer bytes', { length: bytes.length + 1 }, 'content-invalid'],
    ['more bytes', { length: bytes.length - 1 }, 'content-invalid'],
    ['more than any object has', { length: storeBounds.objectBytesMax + 1 }, 'content-too-large'],
  ])('leave nothing: %s', async (_, expected, code) => {
    const answer = await bed.store.put(pieces('what is worth ', 'keeping\n'), wishes({ expected }))
    expect(answer.ok ? 'stored' : answer.fault.code).toBe(code)
    expect(await bed.files()).toEqual([])
    expect(await read()).toBe('none')
  })

  test('leave nothing where they stop coming', async () => {
    async function* broken() {
      yield utf8('what is worth ')
      throw new Error('the sender has left')
    }
    await expect(bed.store.put(broken(), wishes())).rejects.toThrow('the sender has left')
    expect(await bed.files()).toEqual([])
  })
})

describe('a disk without room', () => {
  test('takes nothing, and says so', async () => {
    const store = await openContentStore({
      pool: bed.database.pool,
      directory: bed.directory,
      bounds: { ...storeBounds, freeBytesMin: Number.MAX_SAFE_INTEGER },
      now: bed.now,
      onTrouble: () => undefined,
    })
    const answer = await store.put(bytes, wishes())
    expect(answer.ok ? 'stored' : answer.fault.code).toBe('storage-full')
    expect(await bed.files()).toEqual([])
  })
})

describe('a database whose folder is not there', () => {
  test('is not opened, or every object would be taken for lost', async () => {
    await bed.store.put(bytes, wishes())
    const elsewhere = path.join(bed.directory, 'elsewhere')
    const open = () =>
      openContentStore({
        pool: bed.database.pool,
        directory: elsewhere,
        bounds: storeBounds,
        now: bed.now,
        onTrouble: () => undefined,
      })
    await expect(open()).rejects.toThrow('Mount the disk or correct UHRP_DIR')
    await mkdir(path.join(elsewhere, path.basename(bed.store.folder.root)), { recursive: true })
    await open()
  })
})

describe('what is made of the events of streams', () => {
  const ofTenant = party('one of the tenant').identityKey
  const stranger = party('stranger').identityKey
  const everybody: Reader[] = ['anybody', { identityKey: stranger }, { identityKey: ofTenant }]
  const seen = () => Promise.all(everybody.map(async as => (await read(as)) !== 'none'))
  const shownTo = async (as: Reader) => {
    const opened = await bed.store.open(sha256, as)
    if (opened.kind !== 'open') return undefined
    await opened.object.file.close()
    return opened.object.audience
  }
  const set = (streamId: string, values: string) =>
    bed.database.pool.query(`update streams set ${values} where stream_id = $1`, [streamId])

  beforeAll(async () => {
    const { pool } = bed.database
    await pool.query(
      `insert into overlay_event_sources (source_id, name, source_type, identity_key, tenant_id)
        values ('theirs', 'theirs', 'webhook', $1, 'acme')`,
      [ofTenant],
    )
    await pool.query(`insert into policy_sets (digest, policy, created_ms) values (sha256('{}'), '{}', 0)`)
    await pool.query(
      `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
          created_ms, updated_ms, blind_key)
        select id, audience, 'basic', 'key', 1, 'd', sha256('{}'), 0, 0, 0, key::bytea
          from (values ('one', 'public', null), ('other', 'public', null), ('secret', 'restricted', 'key'))
            as given (id, audience, key)`,
    )
  })
  afterEach(() => set('one', 'tenant_id = null, published = true'))

  test('is for whom the stream is for, as it is when somebody asks', async () => {
    await bed.store.put(bytes, wishes({ streams: ['one'] }))
    expect(await seen()).toEqual([true, true, true])
    expect(await shownTo('anybody')).toBe('public')

    await set('one', `tenant_id = 'acme'`)
    expect(await seen()).toEqual([false, false, true])
    // Nothing between here and its reader may keep it for others.
    expect(await shownTo({ identityKey: ofTenant })).toBe('restricted')

    await set('one', `tenant_id = null, published = false`)
    expect(await seen()).toEqual([false, false, false])
    expect(await read('node')).toBe('what is worth keeping\n')

    await set('one', 'published = true')
    expect(await seen()).toEqual([true, true, true])
  })

  test('is for whom any of them is for, where they have the same bytes', async () => {
    await set('one', `tenant_id = 'acme'`)
    await bed.store.put(bytes, wishes({ streams: ['one'] }))
    await bed.store.put(bytes, wishes({ streams: ['one'] }))
    expect(await seen()).toEqual([false, false, true])
    await bed.store.put(bytes, wishes({ streams: ['other'] }))
    expect(await seen()).toEqual([true, true, true])
  })

  test('is for those that a restricted stream names, also where they were named later', async () => {
    await bed.store.put(bytes, wishes({ audience: 'restricted', streams: ['secret'] }))
    expect(await seen()).toEqual([false, false, false])
    await bed.database.pool.query(`update streams set readers = array[$1] where stream_id = 'secret'`, [
      stranger,
    ])
    expect(await seen()).toEqual([false, true, false])
  })
})

describe('what is restricted', () => {
  const holder = seatHolder({ txid: 'ab'.repeat(32), vout: 1 })
  const restricted = () => wishes({ holder, audience: 'restricted', readers: [reader] })

  test('is there for those it was shared with, and for nobody else', async () => {
    await bed.store.put(bytes, restricted())
    expect(await read({ identityKey: reader })).toBe('what is worth keeping\n')
    expect(await read('node')).toBe('what is worth keeping\n')
    expect(await read({ identityKey: party('stranger').identityKey })).toBe('none')
    expect(await read()).toBe('none')
    const { rows } = await bed.database.pool.query('select from uhrp_own_adverts')
    expect(rows).toEqual([])
  })

  test('opens to more, and to everybody, when it is released', async () => {
    await bed.store.put(bytes, restricted())
    const other = party('other reader').identityKey
    expect(await bed.store.release(sha256, holder, { audience: 'restricted', readers: [other] })).toBe(true)
    expect(await read({ identityKey: other })).toBe('what is worth keeping\n')
    expect(await read()).toBe('none')
    expect(await bed.store.release(sha256, holder, { audience: 'public', readers: [] })).toBe(true)
    expect(await read()).toBe('what is worth keeping\n')
    // Its agent, who sends it again because the answer was lost, takes nothing back.
    await bed.store.put(bytes, restricted())
    expect(await read()).toBe('what is worth keeping\n')
    expect(await bed.store.release(sha256, nodeHolder('x'), { audience: 'public', readers: [] })).toBe(false)
  })

  test('is public as soon as somebody stores the same bytes publicly, and not through the other one', async () => {
    await bed.store.put(bytes, restricted())
    await bed.store.put(bytes, wishes({ holder: identityHolder(reader), retainUntilMs: bed.now() + HOUR_MS }))
    expect(await read()).toBe('what is worth keeping\n')
    bed.pass(2 * HOUR_MS)
    expect(await read()).toBe('expired')
    expect(await read({ identityKey: reader })).toBe('what is worth keeping\n')
  })

  test('has room for one object under a seat, also where two come at once', async () => {
    const answers = await Promise.all(
      ['one', 'two', 'three', 'four'].map(text => bed.store.put(utf8(text), restricted())),
    )
    expect(answers.map(each => (each.ok ? 'stored' : each.fault.code)).sort()).toEqual([
      'stored',
      'upload-taken',
      'upload-taken',
      'upload-taken',
    ])
    const { rows } = await bed.database.pool.query('select from uhrp_objects')
    expect(rows).toHaveLength(1)
  })
})

describe('the sweep', () => {
  const fileOf = (name = sha256) => bed.store.folder.pathOf(name)

  test('finds a file that hashes to something else, which is never served again until it is stored anew', async () => {
    await bed.store.put(bytes, wishes())
    await writeFile(fileOf(), 'what is worth lying!!\n')
    bed.pass(1)
    expect(await bed.sweep()).toEqual([['corrupt', sha256]])
    expect(await read()).toBe('none')
    expect((await bed.files()).map(each => each.path.split(path.sep)[1])).toEqual(['quarantine'])
    await bed.store.put(bytes, wishes({ retainUntilMs: bed.now() + 30 * DAY_MS }))
    expect(await read()).toBe('what is worth keeping\n')
    bed.pass(8 * DAY_MS)
    expect((await bed.sweep()).map(([what]) => what)).toEqual(['abandoned'])
    expect((await bed.files()).map(({ isWhole }) => isWhole)).toEqual([true])
  })

  test('need not have come: a file of another length is refused when it is opened', async () => {
    await bed.store.put(bytes, wishes())
    await truncate(fileOf(), 5)
    expect(await read()).toBe('none')
    expect(bed.troubles).toEqual([`corrupt ${sha256}`])
    await bed.store.put(bytes, wishes())
    await appendFile(fileOf(), 'more')
    expect(await read()).toBe('none')
    await bed.store.put(bytes, wishes())
    await rm(fileOf())
    expect(await read()).toBe('none')
    expect(bed.troubles.at(-1)).toBe(`lost ${sha256}`)
    await bed.store.put(bytes, wishes())
    expect(await read()).toBe('what is worth keeping\n')
  })

  test('heals also what nobody has found out yet', async () => {
    await bed.store.put(bytes, wishes())
    await writeFile(fileOf(), 'what is worth lying!!\n')
    await bed.store.put(bytes, wishes())
    expect(await read()).toBe('what is worth keeping\n')
  })

  test('finds rows whose file is gone', async () => {
    await bed.store.put(bytes, wishes())
    await rm(fileOf())
    expect(await bed.sweep()).toEqual([['lost', sha256]])
  })

  test('removes what no row names, once it is too old to be under way', async () => {
    await bed.store.put(bytes, wishes())
    const orphan = sha256Hex('orphan')
    await mkdir(path.dirname(fileOf(orphan)), { recursive: true })
    await writeFile(fileOf(orphan), 'orphan')
    const incoming = path.join(bed.store.folder.root, 'incoming', 'f'.repeat(32))
    await writeFile(incoming, 'half of')
    expect(await bed.sweep()).toEqual([])
    // Files go by the real clock.
    bed.pass(2 * HOUR_MS)
    const swept = await bed.sweep()
    expect(swept.map(([what]) => what)).toEqual(['abandoned', 'unnamed'])
    expect((await bed.files()).map(each => path.basename(each.path))).toEqual([sha256])
    await utimes(fileOf(), 0, 0)
    expect(await bed.sweep()).toEqual([])
  })

  test('hashes so many objects at a time, however short they are, and goes on with the others', async () => {
    const texts = ['first', 'second', 'third']
    for (const text of texts) {
      await bed.store.put(utf8(text), wishes())
      await writeFile(fileOf(sha256Hex(text)), text.toUpperCase())
      bed.pass(1)
    }
    const swept = await bed.sweep({ rehashObjects: 2 })
    expect(swept).toEqual(texts.slice(0, 2).map(text => ['corrupt', sha256Hex(text)]))
    bed.pass(1)
    expect(await bed.sweep({ rehashObjects: 2 })).toEqual([['corrupt', sha256Hex('third')]])
  })

  test('hashes so many bytes at a time, those first that it has not seen for longest', async () => {
    const texts = ['first', 'second', 'third']
    for (const text of texts) {
      await bed.store.put(utf8(text), wishes())
      await writeFile(fileOf(sha256Hex(text)), text.toUpperCase())
      bed.pass(1)
    }
    for (const text of texts) {
      expect(await bed.sweep({ rehashBytes: 1 })).toEqual([['corrupt', sha256Hex(text)]])
      bed.pass(1)
    }
  })
})
