import { isDeepStrictEqual } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readSourceGaps } from '../../../src/adapters/log/source-sequences.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { openPacket } from '../../../src/core/log/packet.ts'
import { paceBounds } from '../../../src/packets/pace.ts'
import { policyOf } from '../../support/log-bed.ts'
import { openSealingBed, type SealingBed } from '../../support/sealing-bed.ts'
import { until } from '../../support/until.ts'

let bed: SealingBed
beforeEach(async () => {
  bed = await openSealingBed()
})
afterEach(() => bed.end())

const timed = (timestamp: number, value: number): Json => ({
  eventType: 'reading',
  timestamp,
  data: { value },
})
const partitionId = async (streamId = 'readings') => {
  const { rows } = await bed.database.pool.query<{ id: number }>(
    'select id from partitions where stream_id = $1 order by id',
    [streamId],
  )
  return rows[0]?.id ?? 0
}
const sendTo = (streamId: string, ...items: readonly Json[]) =>
  bed.send(items, { streamId, source: { ...bed.source, streams: [streamId] } })
const openPayload = (header: Parameters<typeof openPacket>[0]) =>
  orThrow(openPacket(header, bed.payloads.get(header.rawHash) ?? new Uint8Array()))

describe('a sealer', () => {
  test('makes a packet of what has waited long enough, with its bytes kept under their hash', async () => {
    const { made } = bed.sealer()
    await bed.send([timed(1_000, 1), timed(2_000, 2)])
    await bed.send([timed(2_000, 2), timed(3_000, 3)])
    bed.clock.ms += 1_000
    const [header] = await until(async () => (await bed.headers()).length === 1 && bed.headers())
    expect(header).toMatchObject({
      packetNo: 0,
      firstSeq: 0,
      count: 3,
      previous: null,
      watermarkMs: 1_000,
      totals: { received: 4, accepted: 3, duplicate: 1 },
    })
    if (header === undefined) throw new Error('there is no packet')
    expect(openPayload(header).map(({ payload }) => payload)).toEqual([
      { value: 1 },
      { value: 2 },
      { value: 3 },
    ])
    expect(made[0]?.lag.length).toBe(3)
  })

  test('ends a packet that is large enough at once, and puts what comes later into the next one', async () => {
    bed.sealer({ bounds: { ...paceBounds, live: { eventsMax: 2, bytesMax: 1_000_000 } } })
    await bed.send([timed(1_000, 1), timed(2_000, 2)])
    await until(async () => (await bed.headers()).length === 1)
    await bed.send([timed(3_000, 3), timed(4_000, 4)])
    const [first, second] = await until(async () => (await bed.headers()).length === 2 && bed.headers())
    expect(second).toMatchObject({ firstSeq: 2, count: 2, packetNo: 1 })
    expect(second?.previous).not.toBeNull()
    expect(first?.count).toBe(2)
  })

  test('leaves a sealed packet as it is when late events come, which are flagged in the next', async () => {
    bed.sealer()
    await bed.send([timed(100_000, 1)])
    bed.clock.ms += 1_000
    const before = await until(async () => (await bed.headers()).length === 1 && bed.headers())
    await bed.send([timed(50_000, 2)])
    bed.clock.ms += 1_000
    const [first, second] = await until(async () => (await bed.headers()).length === 2 && bed.headers())
    expect(first).toEqual(before[0])
    if (second === undefined) throw new Error('there is no second packet')
    expect(openPayload(second).map(event => event.qualityFlags & qualityFlags.LATE)).toEqual([
      qualityFlags.LATE,
    ])
  })

  test('seals other partitions while one cannot be sealed, and that one once it can', async () => {
    await bed.putStream({ streamId: 'broken' })
    await bed.putStream({ streamId: 'sound' })
    let isBroken = true
    bed.sealer({
      async keepPayload({ header, bytes }) {
        if (isBroken && header.streamId === 'broken') throw new Error('the disk is full')
        bed.payloads.set(header.rawHash, bytes)
      },
    })
    await sendTo('broken', timed(1_000, 1))
    bed.clock.ms += 1_000
    await until(() => bed.failures.length > 1)
    await sendTo('sound', timed(1_000, 1))
    bed.clock.ms += 1_000
    await until(async () => (await bed.headers()).some(({ streamId }) => streamId === 'sound'))
    isBroken = false
    await until(async () => (await bed.headers()).some(({ streamId }) => streamId === 'broken'))
  })

  test('seals every stream, also beside and under a policy that the database cannot look into', async () => {
    const windows = { strategy: 'quorum', windowMs: 1_000 }
    await bed.putStream({ streamId: 'zero', ...policyOf({ v: 1, license: 'a\0b', fusion: windows }) })
    bed.sealer()
    await sendTo('zero', timed(1_000, 1))
    await sendTo('readings', timed(1_000, 1))
    bed.clock.ms += 1_000
    const streamsOf = async () => (await bed.headers()).map(({ streamId }) => streamId).sort()
    expect(await until(async () => (await bed.headers()).length === 2 && streamsOf())).toEqual([
      'readings',
      'zero',
    ])
    bed.clock.ms += 60_000
    // Its windows are over.
    const all = await until(async () => (await bed.headers()).length === 3 && bed.headers())
    expect(all.filter(({ count }) => count === 0)).toMatchObject([{ streamId: 'zero' }])
    expect(bed.failures).toEqual([])
  })

  test('closes the windows of a stream that has fallen silent with one empty packet', async () => {
    await bed.putStream({
      streamId: 'fused',
      shards: { by: 'key', count: 1 },
      ...policyOf({ v: 1, fusion: { strategy: 'quorum', windowMs: 1_000, latenessMs: 500 } }),
    })
    bed.sealer()
    await sendTo('fused', timed(100_200, 1))
    bed.clock.ms += 1_000
    await until(async () => (await bed.headers()).length === 1)
    // Lateness of the stream, length and lateness of the window: as long as the last window can need.
    bed.clock.ms += 2_000 + 1_000 + 500
    const [, empty] = await until(async () => (await bed.headers()).length === 2 && bed.headers())
    expect(empty).toMatchObject({ count: 0, firstSeq: 1, watermarkMs: 101_700 })
    bed.clock.ms += 3_600_000
    await sendTo('fused', timed(200_000, 2))
    bed.clock.ms += 1_000
    await until(async () => (await bed.headers()).length === 3)
  })
})

describe('a mark whose packet was never made', () => {
  test('is finished by whoever looks next, as if nothing had happened', async () => {
    await bed.send([timed(1_000, 1)])
    const id = await partitionId()
    const dead = bed.sealing({ leaseMs: 1 })
    const lease = await bed.lease(dead, id)
    expect(await bed.mark(dead, lease)).toBe('marked')
    bed.sealer()
    const [header] = await until(async () => (await bed.headers()).length === 1 && bed.headers())
    expect(header).toMatchObject({ packetNo: 0, count: 1 })
  })
})

describe('many marks whose packets were never made', () => {
  test('are finished one after the other, without waiting for another sweep', async () => {
    await bed.send([timed(1_000, 0)])
    const id = await partitionId()
    const dead = bed.sealing({ leaseMs: 1 })
    const lease = await bed.lease(dead, id)
    for (let value = 1; value <= 20; value++) {
      expect(await bed.mark(dead, lease)).toBe('marked')
      if (value < 20) await bed.send([timed(1_000, value)])
    }
    bed.sealer({ timing: { pollMs: 20, wakeMs: 1, sweepMs: 600_000 } })
    const headers = await until(async () => (await bed.headers()).length === 20 && bed.headers())
    expect(headers.map(({ packetNo }) => packetNo)).toEqual(headers.map((_, i) => i))
  })
})

describe('the lease of a partition', () => {
  test('is had by one, and by another only once it has run out or was let go', async () => {
    await bed.send([timed(1_000, 1)])
    const id = await partitionId()
    const [one, other] = [bed.sealing(), bed.sealing()]
    const { token } = await bed.lease(one, id)
    expect(await other.lease([id])).toEqual([])
    expect((await bed.lease(one, id)).token).toBe(token)
    await one.letGo()
    expect((await bed.lease(other, id)).token).toBe(token + 1)
    expect(await one.lease([id])).toEqual([])
  })

  test('that was lost lets nothing be written any more: no mark, no packet', async () => {
    await bed.send([timed(1_000, 1)])
    const id = await partitionId()
    const [slow, quick] = [bed.sealing({ leaseMs: 1 }), bed.sealing()]
    const lost = await bed.lease(slow, id)
    const taken = await until(async () => (await quick.lease([id]))[0])
    expect(await bed.mark(slow, lost)).toBe('lost')
    expect(await slow.keepLease(lost)).toBe(false)

    await bed.mark(quick, taken)
    expect(await bed.make(slow, lost)).toBe('lost')
    expect(await bed.headers()).toEqual([])
    expect(await bed.make(quick, taken)).toBe('done')
    expect(await bed.headers()).toHaveLength(1)
  })

  test('that is lost between the payload and its row leaves the row to the other, who writes the same', async () => {
    await bed.send([timed(1_000, 1)])
    const id = await partitionId()
    const [slow, quick] = [bed.sealing({ leaseMs: 1 }), bed.sealing()]
    const lost = await bed.lease(slow, id)
    await bed.mark(slow, lost)
    const left = await bed.make(slow, lost, {
      async keepPayload() {
        const taken = await until(async () => (await quick.lease([id]))[0])
        await bed.make(quick, taken)
      },
    })
    expect(left).toBe('done')
    expect(await bed.headers()).toHaveLength(1)
  })

  test('is waited for behind an append that has the partition', async () => {
    await bed.send([timed(1_000, 1)])
    const id = await partitionId()
    const client = await bed.database.pool.connect()
    await client.query('begin')
    await client.query('select from partition_heads where partition_id = $1 for update', [id])
    const log = bed.sealing()
    expect(await log.lease([id])).toEqual([])
    const waiting = log.lease([id], { wait: true })
    await client.query('commit')
    client.release()
    expect(await waiting).toHaveLength(1)
  })
})

describe('sealers that race for the same partitions', () => {
  test('make each packet once, in order, from every event', async () => {
    for (const streamId of ['one', 'two', 'three']) await bed.putStream({ streamId })
    const bounds = { ...paceBounds, live: { eventsMax: 3, bytesMax: 1_000_000 } }
    const sealers = [1, 2, 3].map(() => bed.sealer({ bounds, log: bed.sealing({ leaseMs: 5 }) }))
    let value = 0
    for (let round = 0; round < 20; round++)
      await Promise.all(
        ['one', 'two', 'three'].map(streamId =>
          sendTo(streamId, timed(1_000, value++), timed(2_000, value++)),
        ),
      )
    bed.clock.ms += 60_000
    const headers = await until(async () => {
      const all = await bed.headers()
      return all.reduce((sum, { count }) => sum + count, 0) === 120 && all
    })
    expect(bed.failures).toEqual([])
    const made = sealers.flatMap(sealer => sealer.made.map(({ packetId }) => packetId))
    expect(made).toHaveLength(headers.length)
    expect(new Set(made).size).toBe(headers.length)
    for (const streamId of ['one', 'two', 'three']) {
      const own = headers.filter(header => header.streamId === streamId)
      expect(own.map(({ packetNo }) => packetNo)).toEqual(own.map((_, i) => i))
      expect(own.flatMap(header => openPayload(header)).length).toBe(40)
    }
  })
})

describe('partitions that are sealed at the same time', () => {
  const names = ['a', 'b', 'c', 'd']
  /** How often somebody took a connection of the pool for himself. */
  const counting = () => {
    const { pool } = bed.database
    const count = { transactions: 0 }
    const connect = () => {
      count.transactions += 1
      return pool.connect()
    }
    const counted = new Proxy(pool, {
      get: (of, key) => (key === 'connect' ? connect : Reflect.get(of, key, of).bind(of)),
    })
    return { count, log: bed.sealing({ pool: counted }) }
  }
  const leased = async (log: ReturnType<typeof bed.sealing>) => {
    for (const streamId of names) {
      await bed.putStream({ streamId })
      await sendTo(streamId, timed(1_000, names.indexOf(streamId)), timed(2_000, 9))
    }
    const ids = await Promise.all(names.map(partitionId))
    return log.lease(ids)
  }

  test('share a transaction for their marks and one for their packets, and each is made of its own events', async () => {
    const { count, log } = counting()
    const leases = await leased(log)
    expect(await Promise.all(leases.map(lease => bed.mark(log, lease)))).toEqual(names.map(() => 'marked'))
    expect(count.transactions).toBe(1)

    expect(await Promise.all(leases.map(lease => bed.make(log, lease)))).toEqual(names.map(() => 'done'))
    expect(count.transactions).toBe(2)
    const headers = await bed.headers()
    expect(headers.map(({ streamId }) => streamId).sort()).toEqual(names)
    for (const header of headers)
      expect(openPayload(header)).toMatchObject([
        { streamId: header.streamId, payload: { value: names.indexOf(header.streamId) } },
        { streamId: header.streamId, payload: { value: 9 } },
      ])
  })

  test('and of which one is locked by an append do not wait for that one', async () => {
    const { count, log } = counting()
    const [first, ...others] = await leased(log)
    if (first === undefined) throw new Error('nothing was leased')
    const client = await bed.database.pool.connect()
    await client.query('begin')
    await client.query('select from partition_heads where partition_id = $1 for update', [first.partitionId])
    const marking = bed.mark(log, first)
    const marked = await Promise.all(others.map(lease => bed.mark(log, lease)))
    expect(marked).toEqual(['marked', 'marked', 'marked'])
    // That of all four, and that of the one alone: the lock has made nobody fail.
    expect(count.transactions).toBeLessThanOrEqual(2)
    await client.query('commit')
    client.release()
    expect(await marking).toBe('marked')
  })

  test('and of which one was taken by somebody else are sealed all the same, but for that one', async () => {
    const log = bed.sealing()
    const [first, ...others] = await leased(log)
    if (first === undefined) throw new Error('nothing was leased')
    const lost = { ...first, token: first.token - 1 }
    const marks = await Promise.all([lost, ...others].map(lease => bed.mark(log, lease)))
    expect(marks).toEqual(['lost', 'marked', 'marked', 'marked'])

    await bed.mark(log, first)
    const made = await Promise.all([lost, ...others].map(lease => bed.make(log, lease)))
    expect(made).toEqual(['lost', 'done', 'done', 'done'])
    expect((await bed.headers()).map(({ streamId }) => streamId).sort()).toEqual(names.slice(1))
  })

  test('and of which one has another packet in its place keep theirs, and that one is complained of', async () => {
    const log = bed.sealing()
    const leases = await leased(log)
    await Promise.all(leases.map(lease => bed.mark(log, lease)))
    const [id = 0] = leases.map(({ partitionId }) => partitionId)
    const sealing = await log.readSealing(id)
    await bed.make(log, leases[0] ?? { partitionId: id, token: 0 })
    await bed.database.pool.query('alter table packets disable trigger append_only')
    await bed.database.pool.query(`update packets set packet_id = decode(repeat('00', 32), 'hex')`)
    const again = { ...log, readSealing: async (of: number) => (of === id ? sealing : log.readSealing(of)) }
    const made = await Promise.allSettled(leases.map(lease => bed.make(again, lease)))
    expect(made.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
    const { rows } = await bed.database.pool.query('select from packets')
    expect(rows).toHaveLength(names.length)
  })
})

describe('a packet that is in the log', () => {
  test('is complained of loudly where the log below it makes another', async () => {
    await bed.send([timed(1_000, 1)])
    const id = await partitionId()
    const log = bed.sealing()
    const lease = await bed.lease(log, id)
    await bed.mark(log, lease)
    const sealing = await log.readSealing(id)
    if (sealing === undefined) throw new Error('nothing is to be made')
    await bed.make(log, lease)
    await bed.database.pool.query('alter table packets disable trigger append_only')
    await bed.database.pool.query(`update packets set packet_id = decode(repeat('00', 32), 'hex')`)
    await expect(bed.make({ ...log, readSealing: async () => sealing }, lease)).rejects.toThrow(
      /Packet 0 of partition 0 of readings is 0{64} in the log/,
    )
  })
})

describe('the sequence of a source', () => {
  const numbered = (n: number): Json => ({ eventType: 'reading', timestamp: 1_000 + n, data: { n } })
  const gaps = async () => {
    const read = await readSourceGaps(bed.database.pool, 10)
    return read.map(({ sourceId, streamId, lowest, highest, gaps }) => ({
      ...{ sourceId, streamId },
      ...{ lowest, highest, gaps },
    }))
  }

  test('shows what is missing, until it comes', async () => {
    const policy = policyOf({ v: 1, sources: { '*': { identify: { sourceSeq: '/n' } } } })
    await bed.putStream({ streamId: 'counted', shards: { by: 'event-id', count: 2 }, ...policy })
    bed.sealer()
    await sendTo('counted', ...[3, 4, 5, 9, 10, 12].map(numbered))
    bed.clock.ms += 1_000
    const range = { sourceId: 'sensor-1', streamId: 'counted', lowest: 3n, highest: 12n }
    const missing = [
      [6n, 8n],
      [11n, 11n],
    ]
    // The two shards are sealed one after the other, and in between more is missing.
    await until(async () => isDeepStrictEqual(await gaps(), [{ ...range, gaps: missing }]))
    await sendTo('counted', ...[8, 7, 6, 11].map(numbered))
    bed.clock.ms += 1_000
    await until(async () => (await gaps()).length === 0)
  })
})
