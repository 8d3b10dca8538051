import { connect } from 'node:net'
import { EventSource } from 'eventsource'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LiveBed, openLiveBed } from '../../support/live-bed.ts'
import { begun, eventIdsOf, followSse, transports } from '../../support/live-clients.ts'
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

describe('a client that does not read', () => {
  test.each(Object.entries(transports))(
    'by %s is cut off with where to go on, and keeps nobody waiting',
    async (_, follow) => {
      const path = '/overlay/events/stream'
      const node = await bed.serve({ bounds: { unreadBytesMax: 256 * 1024 } })
      const stuck = await begun(follow(node.port, { path }))
      const quick = await begun(followSse(node.port, { path }))
      stuck.pause()
      const sent: string[] = []
      const certify = async (count: number, bytes: number) => {
        const data = { text: 'x'.repeat(bytes) }
        const items = readings(count).map(item => ({ ...item, data }))
        const ids = await bed.append(items)
        await bed.reach((await bed.seal()).length - 1, 'anchored')
        sent.push(...ids)
        await until(() => eventIdsOf(quick, 'event').length >= sent.length)
      }
      const isCutOff = async () =>
        (await node.registry.getSingleMetricAsString('assay_live_ended_total')).includes('reason="slow"')
      // What the kernel holds comes first.
      while (!(await isCutOff())) await certify(20, 60_000)
      expect(eventIdsOf(quick, 'event')).toEqual(sent)
      stuck.resume()
      await until(() => stuck.ended() !== undefined)
      const before = eventIdsOf(stuck, 'event')
      const headers = { 'Last-Event-ID': stuck.cursor() ?? '' }
      const again = await begun(followSse(node.port, { path, headers }))
      await certify(1, 10)
      await until(() => eventIdsOf(again, 'event').includes(sent.at(-1) ?? ''))
      expect([...before, ...eventIdsOf(again, 'event')]).toEqual(sent)
      for (const each of [quick, again]) each.close()
      await node.stop()
    },
    120_000,
  )

  test('and is let go where it reads nothing of history either', async () => {
    const node = await bed.serve({
      bounds: { stalledMsMax: 300, historyBytes: 1024 },
      env: { EVENT_STREAM_HEARTBEAT_INTERVAL_MS: '100' },
    })
    const stuck = connect(node.port, '127.0.0.1')
    // All that was certified above, which is more than the kernel holds.
    stuck.write('GET /overlay/events/stream?last_event_id=earliest HTTP/1.1\r\nHost: x\r\n\r\n')
    stuck.pause()
    await until(async () => {
      const shown = await node.registry.getSingleMetricAsString('assay_live_ended_total')
      return shown.includes('reason="stalled"')
    })
    stuck.destroy()
    await node.stop()
  }, 120_000)
})

describe('a stock EventSource', () => {
  test('sees the messages without names, and goes on by itself where it was', async () => {
    const node = await bed.serve()
    const seen: { type: string; eventIds?: string[] }[] = []
    const source = new EventSource(`http://127.0.0.1:${node.port}/watch?status=received`)
    source.onmessage = ({ data }) => seen.push(JSON.parse(data))
    await until(() => seen.some(({ type }) => type === 'hello'))
    const first = await bed.append(readings(2))
    const ids = () => seen.flatMap(({ eventIds = [] }) => eventIds)
    await until(() => ids().length >= 2)
    node.live.letGo()
    const away = await bed.append(readings(2))
    await node.stop()
    const { port } = node
    const back = await bed.serve({ port })
    const last = await bed.append(readings(1))
    await until(() => ids().length >= 5)
    expect(ids()).toEqual([...first, ...away, ...last])
    source.close()
    await back.stop()
  }, 60_000)
})

describe('sockets that say nothing, or half of a request', () => {
  test('take no room from those who follow, and go by themselves', async () => {
    const node = await bed.serve({ http: { headersMsMax: 500 } })
    const closed = new Set<number>()
    for (let i = 0; i < 1_000; i++) {
      const socket = connect(node.port, '127.0.0.1')
      socket.on('error', () => undefined)
      // Whatever is said to it before it is let go.
      socket.resume().on('close', () => closed.add(i))
      if (i % 2 === 0) socket.write('GET /watch HTTP/1.1\r\nHost: x\r\n')
    }
    const client = await begun(followSse(node.port, { path: '/watch?status=received' }))
    const ids = await bed.append(readings(2))
    await until(() => eventIdsOf(client, 'received').length >= 2)
    expect(eventIdsOf(client, 'received')).toEqual(ids)
    await until(() => closed.size === 1_000)
    // Who follows has sent all of its request, and stays.
    const later = await bed.append(readings(1))
    await until(() => eventIdsOf(client, 'received').length >= 3)
    expect(eventIdsOf(client, 'received')).toEqual([...ids, ...later])
    client.close()
    await node.stop()
  }, 60_000)
})
