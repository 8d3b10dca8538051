import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LiveBed, openLiveBed, type ServedLive } from '../../support/live-bed.ts'
import { begun, eventIdsOf, followSse, type LiveClient, transports } from '../../support/live-clients.ts'
import { readings } from '../../support/readings.ts'
import { until } from '../../support/until.ts'

let bed: LiveBed
beforeAll(async () => {
  bed = await openLiveBed()
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

/** The same in every run. */
function chances(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % below
  }
}

describe.each(Object.entries(transports))('what a reader is told by %s', (name, follow) => {
  test('is dense however often it, its node, or the node it goes to next, is gone', async () => {
    const chance = chances(name.length)
    const nodes: ServedLive[] = [await bed.serve(), await bed.serve({ isElsewhere: true })]
    const heard: string[] = []
    const said: string[] = []
    let cursor: string | undefined
    let client: LiveClient | undefined
    const hangUp = () => {
      if (client === undefined) return
      heard.push(...eventIdsOf(client, 'received'))
      expect(client.messages.filter(({ type }) => type === 'gap')).toEqual([])
      cursor = client.cursor() ?? cursor
      client.close()
      client = undefined
    }
    const connect = async () => {
      const node = nodes[chance(nodes.length)]
      if (node === undefined) throw new Error('no node')
      const headers = cursor === undefined ? {} : { 'Last-Event-ID': cursor }
      client = await begun(follow(node.port, { path: '/watch', headers }))
    }
    await connect()
    for (let step = 0; step < 25; step++) {
      said.push(...(await bed.append(readings(1 + chance(40)))))
      if (chance(3) === 0) {
        hangUp()
        if (chance(2) === 0) said.push(...(await bed.append(readings(chance(5) + 1))))
        await connect()
      }
      if (chance(8) === 0) {
        const i = chance(nodes.length)
        hangUp()
        await nodes[i]?.stop()
        nodes[i] = await bed.serve({ isElsewhere: i === 1 })
        await connect()
      }
    }
    await until(
      () => heard.length + (client === undefined ? 0 : eventIdsOf(client, 'received').length) >= said.length,
    )
    hangUp()
    expect(heard).toEqual(said)
    for (const node of nodes) await node.stop()
  }, 60_000)

  test('is all that there ever was, from the earliest on, and then what is new', async () => {
    const node = await bed.serve()
    const { rows } = await bed.database.pool.query<{ events: number }>(
      'select sum(next_seq)::int as events from partition_heads',
    )
    const before = rows[0]?.events ?? 0
    const client = await begun(follow(node.port, { path: '/watch?status=received&last_event_id=earliest' }))
    const ids = await bed.append(readings(5))
    await until(() => eventIdsOf(client, 'received').length >= before + 5)
    const received = client.messages.filter(({ type }) => type === 'received')
    let next = 0
    for (const { firstSeq, lastSeq } of received) {
      expect(firstSeq).toBe(next)
      next = (lastSeq ?? 0) + 1
    }
    expect(eventIdsOf(client, 'received').slice(-5)).toEqual(ids)
    client.close()
    await node.stop()
  })
})

describe('a node that is told to stop', () => {
  test.each(Object.entries(transports))('says so by %s, with where to go on', async (_, follow) => {
    const node = await bed.serve()
    const client = await begun(follow(node.port, { path: '/watch' }))
    await node.stop()
    await until(() => client.ended() !== undefined)
    expect(client.messages.at(-1)).toMatchObject({ type: 'bye', reason: 'shutdown' })
    expect(client.cursor()).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  test('tells who is only just coming to come again, be it to another one', async () => {
    const node = await bed.serve()
    const there = await begun(followSse(node.port, { path: '/watch' }))
    const { pool } = bed.database
    const locking = await pool.connect()
    await locking.query('begin; lock table partition_heads in access exclusive mode')
    const coming = followSse(node.port, { path: '/watch?status=received' })
    await until(isAskedWhereItBegins)
    const stopping = node.stop()
    await until(() => there.messages.some(({ type }) => type === 'bye'))
    await locking.query('rollback')
    locking.release()
    await until(() => coming.ended() !== undefined)
    expect(coming.ended()).toBe('503')
    await stopping
  })
})

const isAskedWhereItBegins = async () => {
  const { rows } = await bed.database.pool.query(
    `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
      and query like '%left join partition_heads as head%'`,
  )
  return rows.length > 0
}

describe('a node that would look for itself once in an hour', () => {
  test.each(Object.entries(transports))(
    'hears of what another one appended, and of what became of it, and tells it by %s',
    async (_, follow) => {
      const speaking = await bed.serve()
      const hearing = await bed.serve({ isElsewhere: true, pollMs: 3_600_000 })
      const client = await begun(follow(hearing.port, { path: '/watch?status=received,validated' }))
      for (let i = 0; i < 3; i++) {
        const ids = await bed.append(readings(2))
        await until(() => eventIdsOf(client, 'received').includes(ids[1] ?? ''))
        const packetNo = (await bed.seal()).length - 1
        await bed.reach(packetNo, 'validated')
        await until(() =>
          client.messages.some(told => told.type === 'validated' && told.packetNo === packetNo),
        )
      }
      client.close()
      await hearing.stop()
      await speaking.stop()
    },
  )
})
