import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Queryable } from '../../../src/adapters/postgres/sql.ts'
import { type LiveBed, openLiveBed, type ServedLive } from '../../support/live-bed.ts'
import { begun, eventIdsOf, followSse, followWebSocket, type LiveClient } from '../../support/live-clients.ts'
import { readings } from '../../support/readings.ts'
import { until } from '../../support/until.ts'

let bed: LiveBed
let served: ServedLive
beforeAll(async () => {
  bed = await openLiveBed()
  served = await bed.serve()
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

const typesOf = ({ messages }: LiveClient) =>
  messages.flatMap(({ type, packetNo }) =>
    packetNo === undefined || packetNo === null ? [] : [`${type} ${packetNo}`],
  )

/** Numbers of three packets of two events, and the ids of those. */
let packets: { readonly no: number; readonly ids: readonly string[] }[]
beforeEach(async () => {
  packets = []
  for (let i = 0; i < 3; i++) {
    const ids = await bed.append(readings(2))
    packets.push({ no: (await bed.seal()).length - 1, ids })
  }
})
const no = (i: number) => packets[i]?.no ?? -1

describe('a packet that is passed by', () => {
  test('is a gap to those who follow, and told of again once it is certified after all', async () => {
    const events = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    await bed.reach(no(0), 'anchored')
    await bed.reach(no(1), 'split')
    await bed.reach(no(2), 'anchored')
    await until(() => eventIdsOf(events, 'event').length >= 4)
    expect(typesOf(events)).toEqual([
      ...[`event ${no(0)}`, `event ${no(0)}`, `gap ${no(1)}`, `event ${no(2)}`, `event ${no(2)}`],
    ])
    expect(events.messages.find(({ type }) => type === 'gap')).toMatchObject({
      reason: 'split',
      stage: 'certified',
      from: { at: no(1), line: 0 },
      to: { at: no(2), line: 0 },
    })
    await bed.reach(no(1), 'anchored')
    await until(() => events.messages.some(({ type }) => type === 'filled'))
    expect(typesOf(events).slice(-1)).toEqual([`filled ${no(1)}`])
    events.close()
  })

  test('is in its place for those who read later', async () => {
    const before = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    const from = before.cursor() ?? ''
    before.close()
    await bed.reach(no(0), 'anchored')
    await bed.reach(no(1), 'split')
    await bed.reach(no(2), 'anchored')
    await bed.reach(no(1), 'anchored')
    const later = await begun(
      followWebSocket(served.port, { path: `/overlay/events/stream?last_event_id=${from}` }),
    )
    await until(() => eventIdsOf(later, 'event').length >= 6)
    expect(eventIdsOf(later, 'event')).toEqual(packets.flatMap(({ ids }) => ids))
    later.close()
  })

  test('is in its place for those who read later, also while others are there who were told of a gap', async () => {
    const before = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    const from = before.cursor() ?? ''
    await bed.reach(no(0), 'anchored')
    await bed.reach(no(1), 'split')
    await bed.reach(no(2), 'anchored')
    await until(() => eventIdsOf(before, 'event').length >= 4)
    await bed.reach(no(1), 'anchored')
    await until(() => typesOf(before).includes(`filled ${no(1)}`))
    const later = await begun(
      followWebSocket(served.port, { path: `/overlay/events/stream?last_event_id=${from}` }),
    )
    await until(() => eventIdsOf(later, 'event').length >= 6)
    expect(eventIdsOf(later, 'event')).toEqual(packets.flatMap(({ ids }) => ids))
    for (const client of [before, later]) client.close()
  })

  test('that was filled while its reader was away is told of when it comes back', async () => {
    const away = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    await bed.reach(no(0), 'anchored')
    await bed.reach(no(1), 'split')
    await bed.reach(no(2), 'anchored')
    await until(() => eventIdsOf(away, 'event').length >= 4)
    away.close()
    await bed.reach(no(1), 'anchored')
    const back = await begun(
      followSse(served.port, {
        path: '/overlay/events/stream',
        headers: { 'Last-Event-ID': away.cursor() ?? '' },
      }),
    )
    await until(() => back.messages.some(({ type }) => type === 'filled'))
    expect(typesOf(back)).toEqual([`filled ${no(1)}`])
    back.close()
  })
})

describe('news of packets', () => {
  test('are forgotten after a while, and whoever was away for longer is told so once', async () => {
    const away = await begun(followSse(served.port, { path: '/watch?status=normalized' }))
    away.close()
    const headers = { 'Last-Event-ID': away.cursor() ?? '' }
    const { pool } = bed.database
    await normalize(pool, [no(1)])
    await normalize(pool, [no(0)])
    await pool.query(`update packet_news set told_at = told_at - interval '31 days'`)
    const sweeper = await bed.serve()
    await until(async () => (await pool.query('select from packet_news')).rowCount === 0)
    await until(async () =>
      /_total [1-9]/.test(await sweeper.registry.getSingleMetricAsString('assay_live_news_swept_total')),
    )
    await sweeper.stop()

    await normalize(pool, [no(2)])
    await bed.reach(no(1), 'received')
    await normalize(pool, [no(1)])
    const back = await begun(followSse(served.port, { path: '/watch?status=normalized', headers }))
    await until(() => typesOf(back).includes(`filled ${no(1)}`))
    const gaps = back.messages.filter(({ type, stage }) => type === 'gap' && stage === 'news')
    expect(gaps).toHaveLength(1)
    expect(gaps[0]).toMatchObject({ reason: 'expired', packetNo: null, oldest: gaps[0]?.['to'] })
    back.close()

    const since = await begun(
      followSse(served.port, {
        path: '/watch?status=normalized',
        headers: { 'Last-Event-ID': back.cursor() ?? '' },
      }),
    )
    await normalize(pool, [no(0)])
    await bed.reach(no(0), 'received')
    await normalize(pool, [no(0)])
    await until(() => typesOf(since).includes(`filled ${no(0)}`))
    expect(since.messages.filter(({ type }) => type === 'gap')).toEqual([])
    since.close()
  })
})

describe('a packet that moves while one behind it does', () => {
  test('is told of, though neither of them was there for the other', async () => {
    const watching = await begun(followSse(served.port, { path: '/watch?status=normalized' }))
    const [first, second] = [await bed.database.pool.connect(), await bed.database.pool.connect()]
    const pid = (await second.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
    await first.query('begin')
    await normalize(first, [no(0)])
    let isSecondThere = false
    const moved = normalize(second, [no(1)]).then(() => {
      isSecondThere = true
    })
    await until(async () => isSecondThere || (await isWaiting(pid)))
    if (isSecondThere) await until(() => typesOf(watching).includes(`normalized ${no(1)}`))
    await first.query('commit')
    await moved
    first.release()
    second.release()
    await until(() => typesOf(watching).includes(`normalized ${no(1)}`))
    await until(() =>
      typesOf(watching).some(said => /^(?:normalized|filled) /.test(said) && said.endsWith(` ${no(0)}`)),
    )
    watching.close()
  })

  test('in one statement with others is told of only where one had passed it by', async () => {
    const watching = await begun(followSse(served.port, { path: '/watch?status=normalized' }))
    await normalize(bed.database.pool, [no(0)])
    await until(() => typesOf(watching).includes(`normalized ${no(0)}`))
    await normalize(bed.database.pool, [no(1), no(2)])
    await until(() => typesOf(watching).includes(`normalized ${no(2)}`))
    for (const i of [0, 1, 2]) await bed.reach(no(i), 'received')
    await normalize(bed.database.pool, [no(1)])
    await normalize(bed.database.pool, [no(0), no(2)])
    await until(() => typesOf(watching).includes(`filled ${no(0)}`))
    expect(typesOf(watching).filter(said => said.startsWith('filled'))).toEqual([`filled ${no(0)}`])
    watching.close()
  })

  test('into a split that others had passed by is told of once it is certified', async () => {
    const events = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    await bed.reach(no(0), 'anchored')
    await bed.reach(no(2), 'split')
    await until(() => typesOf(events).includes(`gap ${no(1)}`))
    await bed.reach(no(1), 'anchored')
    await until(() => typesOf(events).includes(`filled ${no(1)}`))
    events.close()
  })
})

describe('what was told of and is taken back', () => {
  test('is nothing that was ever there, where a database was restored: packets that no round has had', async () => {
    const { pool } = bed.database
    const away = await begun(followSse(served.port, { path: '/watch?status=normalized' }))
    await normalize(pool, [no(0), no(1), no(2)])
    await until(() => typesOf(away).includes(`normalized ${no(2)}`))
    away.close()
    await pool.query('delete from packet_states where packet_no > $1', [no(0)])
    const other = await bed.serve()
    const headers = { 'Last-Event-ID': away.cursor() ?? '' }
    const back = await begun(followSse(other.port, { path: '/watch?status=normalized', headers }))
    await until(() => back.messages.some(({ type }) => type === 'gap'))
    expect(back.messages.find(({ type }) => type === 'gap')).toMatchObject({ reason: 'ahead' })
    back.close()
    await other.stop()
  })

  test('is told of once, also to whoever comes back before it is there again', async () => {
    const { pool } = bed.database
    const away = await begun(followSse(served.port, { path: '/watch?status=normalized' }))
    await normalize(pool, [no(0), no(1)])
    await until(() => typesOf(away).includes(`normalized ${no(1)}`))
    away.close()
    for (const i of [0, 1]) await bed.reach(no(i), 'received')
    // Another node has no end in mind yet.
    const other = await bed.serve()
    const headers = { 'Last-Event-ID': away.cursor() ?? '' }
    const back = await begun(followSse(other.port, { path: '/watch?status=normalized', headers }))
    await normalize(pool, [no(0), no(1)])
    await normalize(pool, [no(2)])
    await until(() => typesOf(back).includes(`normalized ${no(2)}`))
    expect(typesOf(back)).toEqual([`normalized ${no(2)}`])
    back.close()
    await other.stop()
  })
})

describe('a proof', () => {
  test('of a packet that was not anchored yet when a later one was proven is told of', async () => {
    const watching = await begun(followSse(served.port, { path: '/watch?status=proven' }))
    await bed.reach(no(0), 'proven')
    await bed.reach(no(1), 'validated')
    await bed.reach(no(2), 'proven')
    await until(() => typesOf(watching).includes(`gap ${no(1)}`))
    await bed.reach(no(1), 'anchored')
    await bed.reach(no(1), 'proven')
    await until(() => typesOf(watching).includes(`filled ${no(1)}`))
    watching.close()
  })
})

/** All in one statement, as a round writes it. */
async function normalize(db: Queryable, packetNos: readonly number[]): Promise<void> {
  await db.query(
    `insert into packet_states (partition_id, packet_no, state, ingested_at, changed_at)
      select 1, packet_no, 'normalized', now(), now() from unnest($1::integer[]) as given (packet_no)
      on conflict (partition_id, packet_no) do update set state = excluded.state, changed_at = excluded.changed_at`,
    [packetNos],
  )
}

async function isWaiting(pid: number | undefined): Promise<boolean> {
  const { rowCount } = await bed.database.pool.query(
    `select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`,
    [pid],
  )
  return (rowCount ?? 0) > 0
}

describe('the last packet of a stream', () => {
  test('that was passed by is told of once it is certified, with none behind it', async () => {
    const events = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    await bed.reach(no(0), 'anchored')
    await bed.reach(no(1), 'anchored')
    await bed.reach(no(2), 'split')
    await until(() => typesOf(events).includes(`gap ${no(2)}`))
    await bed.reach(no(2), 'received')
    await bed.reach(no(2), 'anchored')
    await until(() => typesOf(events).includes(`filled ${no(2)}`))
    events.close()
  })

  test('whose anchor was lost is told of once it is anchored again', async () => {
    const watching = await begun(followSse(served.port, { path: '/watch?status=anchored' }))
    for (const i of [0, 1, 2]) await bed.reach(no(i), 'anchored')
    await until(() => typesOf(watching).includes(`anchored ${no(2)}`))
    await bed.reach(no(2), 'certified')
    await until(() => typesOf(watching).includes(`unanchored ${no(2)}`))
    await bed.reach(no(2), 'anchored')
    await until(() => typesOf(watching).includes(`filled ${no(2)}`))
    watching.close()
  })
})

describe('an anchor that is lost', () => {
  test('is told of to those who were told of the certificate', async () => {
    for (const i of [0, 1, 2]) await bed.reach(no(i), 'anchored')
    const watching = await begun(followSse(served.port, { path: '/watch' }))
    const receivedOnly = await begun(followSse(served.port, { path: '/watch?status=received' }))
    await bed.reach(no(2), 'certified')
    await until(() => watching.messages.some(({ type }) => type === 'unanchored'))
    expect(watching.messages.find(({ type }) => type === 'unanchored')).toMatchObject({ packetNo: no(2) })
    expect(receivedOnly.messages.map(({ type }) => type)).toEqual(['hello'])
    watching.close()
    receivedOnly.close()
  })
})

describe('received lines', () => {
  test('that cannot be read are a gap at each stage, and keep nobody from the next ones', async () => {
    const { pool } = bed.database
    const stages = ['received', 'normalized'] as const
    const pathOf = (stage: string) => `/watch?status=${stage}&types=reading`
    const before = await Promise.all(
      stages.map(stage => begun(followSse(served.port, { path: pathOf(stage) }))),
    )
    const from = before.map(client => client.cursor() ?? '')
    const ids = await bed.append(readings(2))
    const damaged = (await bed.seal()).length - 1
    await bed.reach(damaged, 'normalized')
    const next = await bed.append(readings(2))
    await bed.reach((await bed.seal()).length - 1, 'normalized')
    for (const [i, stage] of stages.entries())
      await until(() => before[i] !== undefined && eventIdsOf(before[i], stage).includes(next[1] ?? ''))
    const { rows } = await pool.query<{ append_no: number; lines: Buffer }>(
      `select append_no, lines from segments order by append_no desc offset 1 limit 1`,
    )
    const put = async (lines: Buffer) => {
      await pool.query('alter table segments disable trigger user')
      await pool.query('update segments set lines = $2 where append_no = $1', [rows[0]?.append_no, lines])
      await pool.query('alter table segments enable trigger user')
    }
    await put(Buffer.from('no lines'))
    // Who has read them before they were damaged still has them.
    const other = await bed.serve()
    for (const [i, stage] of stages.entries()) {
      const headers = { 'Last-Event-ID': from[i] ?? '' }
      const client = await begun(followSse(other.port, { path: pathOf(stage), headers }))
      await until(() => eventIdsOf(client, stage).includes(next[1] ?? ''))
      expect(eventIdsOf(client, stage).filter(id => [...ids, ...next].includes(id))).toEqual(next)
      // Packets of the tests before are in its way, and are passed by.
      const gaps = client.messages.filter(({ reason }) => reason === 'unreadable')
      expect(gaps).toMatchObject([{ type: 'gap', stage }])
      client.close()
    }
    await other.stop()
    await put(rows[0]?.lines ?? Buffer.alloc(0))
    for (const client of before) client.close()
  })
})

describe('certified lines', () => {
  test('can be gone on from in the middle of a packet', async () => {
    const whole = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    await bed.reach(no(0), 'anchored')
    await until(() => eventIdsOf(whole, 'event').length >= 2)
    whole.close()
    const [first] = packets[0]?.ids ?? []
    const one = await begun(
      followWebSocket(served.port, { path: '/overlay/events/stream?last_event_id=earliest' }),
    )
    await until(() => eventIdsOf(one, 'event').includes(first ?? ''))
    const at = one.messages.findIndex(({ eventId }) => eventId === first)
    expect(one.messages[at]).toMatchObject({ type: 'event', line: 0, packetNo: no(0) })
    one.close()
  })

  test('whose bytes are not what they should be is a gap, and keeps nobody from the next ones', async () => {
    const events = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    const broken = await bed.keepOutput(Buffer.from('no output'))
    await bed.reach(no(0), 'validated')
    await bed.database.pool.query(
      `update packet_states set state = 'anchored', content_hash = decode($2, 'hex'), certified_at = now()
        where packet_no = $1`,
      [no(0), broken],
    )
    await bed.reach(no(1), 'anchored')
    await until(() => eventIdsOf(events, 'event').length >= 2)
    expect(eventIdsOf(events, 'event')).toEqual(packets[1]?.ids)
    expect(events.messages.find(({ reason }) => reason === 'unreadable')).toMatchObject({ packetNo: no(0) })
    events.close()
  })

  test('whose bytes are not here any more are a gap that says so', async () => {
    const events = await begun(followSse(served.port, { path: '/overlay/events/stream' }))
    await bed.reach(no(0), 'validated')
    await bed.database.pool.query(
      `update packet_states set state = 'anchored', content_hash = decode(repeat('ee', 32), 'hex'), certified_at = now()
        where packet_no = $1`,
      [no(0)],
    )
    // Packets of the tests before are in its way, and are passed by.
    await until(() => events.messages.some(({ reason }) => reason === 'expired'))
    expect(events.messages.find(({ reason }) => reason === 'expired')).toMatchObject({ packetNo: no(0) })
    events.close()
  })
})
