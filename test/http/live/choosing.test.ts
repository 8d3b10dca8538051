import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LiveBed, openLiveBed, policyOf, type ServedLive } from '../../support/live-bed.ts'
import { begun, eventIdsOf, followSse, followWebSocket, type LiveClient } from '../../support/live-clients.ts'
import { until } from '../../support/until.ts'

let bed: LiveBed
let served: ServedLive
beforeAll(async () => {
  bed = await openLiveBed()
  await bed.putStream({
    streamId: 'keyed',
    level: 'enhanced',
    ...policyOf({ v: 1, constants: ['streamId'] }),
  })
  await bed.database.pool.query(
    `update streams set topics = '{gitdata.events.iot}', partition_key = '/sensor' where stream_id = 'keyed'`,
  )
  bed.streams.set('keyed', { ...bed.streams.get('keyed'), partitionKey: '/sensor' } as never)
  served = await bed.serve()
})
afterAll(async () => {
  await bed.end()
  expect(bed.failures).toEqual([])
})

let made = 0
const reading = (value: number, eventType = 'reading') => ({
  ...{ eventType, externalId: `c-${made++}`, data: { value, sensor: `s-${made % 7}` } },
})
const keyedSource = (sourceId: string) => ({
  source: { ...bed.source, sourceId, streams: ['keyed'] as const },
})
const follow = async (query: string) => begun(followSse(served.port, { path: `/watch?${query}` }))
const receivedBy = (client: LiveClient) => eventIdsOf(client, 'received')

test('whoever asks for some events is told of those, each of which a query with the same words finds', async () => {
  const where = encodeURIComponent('{"field":"/value","op":">","value":5}')
  const clients = {
    source: await follow('sourceIds=farm-1'),
    type: await follow('types=alarm'),
    where: await follow(`where=${where}`),
    topic: await follow('topics=gitdata.events.iot'),
    level: await follow('minCertificationLevel=enhanced'),
    stream: await follow('streams=readings'),
    none: await follow('streams=nowhere'),
  }
  const plain = await bed.append([reading(1), reading(9), reading(2, 'alarm')])
  const farm = await bed.append([reading(3), reading(8)], keyedSource('farm-1'))
  const other = await bed.append([reading(7, 'alarm')], keyedSource('farm-2'))
  const counts = { source: 2, type: 2, where: 3, topic: 3, level: 3, stream: 3 } as const
  await until(() =>
    (['source', 'type', 'where', 'topic', 'level', 'stream'] as const).every(
      name => receivedBy(clients[name]).length >= counts[name],
    ),
  )
  expect(receivedBy(clients.source)).toEqual(farm)
  expect(receivedBy(clients.type).sort()).toEqual([plain[2], other[0]].sort())
  expect(receivedBy(clients.where).sort()).toEqual([plain[1], farm[1], other[0]].sort())
  expect(receivedBy(clients.topic)).toEqual([...farm, ...other])
  expect(receivedBy(clients.level)).toEqual([...farm, ...other])
  expect(receivedBy(clients.stream)).toEqual(plain)
  expect(clients.none.messages.map(({ type }) => type)).toEqual(['hello'])
  for (const client of Object.values(clients)) client.close()
})

test('shares of a stream have each event in one of them, and what has one key in the same', async () => {
  const shares = await Promise.all(
    [1, 2, 3].map(i =>
      begun(followWebSocket(served.port, { path: `/watch?streams=keyed&split=${i}/3&status=received` })),
    ),
  )
  const ids = await bed.append(
    Array.from({ length: 60 }, (_, i) => reading(i)),
    keyedSource('farm-1'),
  )
  await until(() => shares.flatMap(receivedBy).length >= 60)
  expect(shares.flatMap(receivedBy).sort()).toEqual([...ids].sort())
  const keyOf = new Map(ids.map((id, i) => [id, i % 7]))
  const keys = shares.map(share => new Set(receivedBy(share).map(id => keyOf.get(id))))
  expect(keys.reduce((sum, each) => sum + each.size, 0)).toBe(7)
  for (const share of shares) share.close()
})

describe('a place under a filter', () => {
  test('moves on with what was not told, as heartbeats say', async () => {
    const quick = await bed.serve({ env: { EVENT_STREAM_HEARTBEAT_INTERVAL_MS: '100' } })
    const client = await begun(followSse(quick.port, { path: '/watch?types=alarm&status=received' }))
    const first = client.cursor()
    await bed.append([reading(1), reading(2)])
    await until(() => client.cursor() !== first)
    expect(new Set(client.messages.map(({ type }) => type))).toEqual(new Set(['hello', 'heartbeat']))
    client.close()
    await quick.stop()
  })
})

test('whoever asks for evidence is given it, and heartbeats of certified events count', async () => {
  const quick = await bed.serve({ env: { EVENT_STREAM_HEARTBEAT_INTERVAL_MS: '100' } })
  const client = await begun(
    followSse(quick.port, { path: '/overlay/events/stream?streams=readings&includeProcessingEvidence=true' }),
  )
  await bed.append([reading(4)])
  await bed.seal()
  const { rows } = await bed.database.pool.query<{ no: number }>(
    'select max(packet_no)::int as no from packets where partition_id = 1',
  )
  await bed.reach(rows[0]?.no ?? -1, 'anchored')
  await until(() => client.messages.some(({ type }) => type === 'event'))
  const event = client.messages.findLast(({ type }) => type === 'event')
  expect(event).toMatchObject({
    certificationLevel: 'basic',
    data: { value: 4 },
    certification: { agentId: null, signature: null, consensusNodes: 2 },
    processingEvidence: { certification: { agreeing: 2 } },
  })
  const count = client.messages.filter(({ type }) => type === 'event').length
  await until(() =>
    client.messages.some(each => each.type === 'heartbeat' && each['eventsProcessed'] === count),
  )
  client.close()
  await quick.stop()
})
