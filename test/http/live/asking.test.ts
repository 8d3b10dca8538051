import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { openTokenWriter, positionsOf } from '../../../src/serve/live/resume-token.ts'
import { type LiveBed, livePositions, openLiveBed, type ServedLive } from '../../support/live-bed.ts'
import {
  begun,
  eventIdsOf,
  followSse,
  followWebSocket,
  type LiveClient,
  transports,
} from '../../support/live-clients.ts'
import { party } from '../../support/pipeline.ts'
import { testOnlyIdentityHeader } from '../../support/test-only-authentication.ts'
import { until } from '../../support/until.ts'
import { routesOf, undocumented } from '../openapi-checks.ts'
import { readApiDocument } from '../openapi-document.ts'
import { HttpClient } from '../raw-http.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'live')
let bed: LiveBed
let served: ServedLive
let client: HttpClient
beforeAll(async () => {
  bed = await openLiveBed()
  served = await bed.serve()
  client = new HttpClient(served.port)
})
afterAll(async () => {
  client.close()
  await bed.end()
  expect(bed.failures).toEqual([])
})

const paths = ['/watch', '/overlay/events/stream']
const get = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await client.send({ method: 'GET', path, headers })
  const operation = operations.find(({ method, path: its }) => method === 'GET' && its === path.split('?')[0])
  if (operation === undefined) throw new Error(`${path} is not documented`)
  expect(undocumented(operation, answer)).toEqual([])
  return answer
}
const problem = z.looseObject({ code: z.string(), detail: z.string() })
const problemIn = (body: Buffer) => problem.parse(JSON.parse(body.toString()))

describe.each(paths)('what cannot be asked of %s', path => {
  test.each([
    'topic=misspelt',
    'where=',
    'where=%7B',
    'where=%7B%22field%22%3A%22%2Fa%22%2C%22op%22%3A%22~%22%7D',
    `where=${encodeURIComponent(`{"field":"/a","op":"=","value":"${'x'.repeat(2_048)}"}`)}`,
    'split=0/2',
    'split=3/2',
    'split=1/99999',
    'split=1/2&split=2/2',
    'minCertificationLevel=holy',
    'includeProcessingEvidence=perhaps',
    'sourceIds=',
    `sourceIds=${'x'.repeat(300)}`,
    `types=${Array.from({ length: 65 }, (_, i) => `t${i}`).join()}`,
    'last_event_id=a%0d%0aX-Injected:%201',
    'last_event_id=AAAA',
    `last_event_id=${'A'.repeat(12_300)}`,
    'last_event_id=earliest&last_event_id=latest',
    'status=melted',
  ])('is refused with what was wanted: %s', async query => {
    const answer = await get(`${path}?${query}`)
    expect([answer.status, problemIn(answer.body).code]).toEqual([400, 'bad-request'])
    expect(answer.headers['x-injected']).toBeUndefined()
    const socket = await begun(followWebSocket(served.port, { path: `${path}?${query}` }))
    expect(socket.ended()).toContain('1008')
    expect(socket.messages).toEqual([])
  })

  test('is refused in a header too, of whatever length the server takes, and never said again', async () => {
    for (const id of ['Earliest', 'ä', '=', `A${'B'.repeat(12_000)}`, 'x'.repeat(12_289)]) {
      const answer = await get(path, { 'Last-Event-ID': Buffer.from(id, 'utf8').toString('latin1') })
      expect(answer.status).toBe(400)
      expect(answer.body.toString()).not.toContain('BBBB')
    }
    expect(
      (await client.send({ method: 'GET', path, headers: { 'Last-Event-ID': 'x'.repeat(20_000) } })).status,
    ).toBe(431)
  })

  test('is refused whatever the position is made of', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 40 }), async bytes => {
        const id = Buffer.from(bytes).toString('base64url')
        expect((await get(`${path}?last_event_id=${id}`)).status).toBe(400)
      }),
      { numRuns: 30 },
    )
  })
})

describe('a place', () => {
  const token = (places: Record<number, { at: number; line: number }>, partitionsUpTo = 1) =>
    openTokenWriter(
      { partitionsUpTo, places: new Map(Object.entries(places).map(([n, at]) => [Number(n), at])) },
      livePositions,
    ).token()
  const received = 8
  const certified = 8 + 3

  test.each(Object.entries(transports))('ahead of all there is is a gap by %s', async (_, follow) => {
    await bed.append([{ eventType: 'reading', data: { value: 1 } }])
    const id = token({ [received]: { at: 1_000_000, line: 0 } })
    const one = await begun(follow(served.port, { path: `/watch?status=received&last_event_id=${id}` }))
    await until(() => one.messages.some(({ type }) => type === 'gap'))
    expect(one.messages.find(({ type }) => type === 'gap')).toMatchObject({
      reason: 'ahead',
      streamId: 'readings',
    })
    const ids = await bed.append([{ eventType: 'reading', data: { value: 2 } }])
    await until(() => eventIdsOf(one, 'received').length > 0)
    expect(eventIdsOf(one, 'received')).toEqual(ids)
    one.close()
  })

  test('of another stage is a gap that names it, and one of what may not be read is like one of nothing', async () => {
    const id = token({ [certified]: { at: 0, line: 0 }, [8 * 999]: { at: 3, line: 0 } })
    const one = await begun(followSse(served.port, { path: `/watch?status=received&last_event_id=${id}` }))
    await until(() => one.messages.filter(({ type }) => type === 'gap').length >= 3)
    expect(
      one.messages.filter(({ type }) => type === 'gap').map(({ reason, stage }) => [reason, stage]),
    ).toEqual([
      ['not-in-position', 'received'],
      ['not-followed', 'certified'],
      ['unknown', null],
    ])
    one.close()
  })

  test('says nothing to whoever is told it: neither where, nor how many partitions there are', async () => {
    const one = await begun(followSse(served.port, { path: '/watch?streams=nowhere' }))
    const bytes = Buffer.from(one.cursor() ?? '', 'base64url')
    one.close()
    const [few, many] = [1, 2].map(partitionsUpTo => Buffer.from(token({}, partitionsUpTo), 'base64url'))
    expect(bytes.subarray(-2)).not.toEqual(Buffer.from([1, 0]))
    expect(few?.length).toBe(many?.length)
    expect(few?.subarray(0, 16)).not.toEqual(many?.subarray(0, 16))
  })

  test('that was written by somebody else is refused, as is one of which a bit is another', async () => {
    const id = token({ [received]: { at: 1, line: 0 } })
    const plain = openTokenWriter({ partitionsUpTo: 9, places: new Map() }, { seal: bytes => bytes }).token()
    const bent = Buffer.from(id, 'base64url')
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1
    for (const made of [plain, bent.toString('base64url'), id.slice(0, 20)]) {
      const answer = await get(`/watch?last_event_id=${made}`)
      expect([answer.status, problemIn(answer.body).detail]).toEqual([
        400,
        expect.stringContaining('no node of this database has written it'),
      ])
    }
  })

  test('is written and read without a loss', () => {
    expect(
      positionsOf(3, [{ partitionId: 2, stage: 'received' }], () => ({ at: 5, line: 0 })).places.size,
    ).toBe(1)
  })
})

describe('a stream that is not for everybody', () => {
  const reader = party('a reader').identityKey
  beforeAll(async () => {
    const blindKey = new Uint8Array(32).fill(7)
    await bed.putStream({ streamId: 'secret', audience: 'restricted', blindKey })
    await bed.putStream({ streamId: 'of-acme' })
    await bed.database.pool.query(
      `update streams set readers = case stream_id when 'secret' then array[$1] else '{}' end,
        tenant_id = case stream_id when 'of-acme' then 'acme' end where stream_id in ('secret', 'of-acme')`,
      [reader],
    )
  })
  const sendTo = (streamId: string) =>
    bed.append(
      [{ eventType: 'reading', externalId: `${streamId} ${Math.random()}`, data: { text: 'secret-word' } }],
      {
        source: { ...bed.source, streams: [streamId] },
      },
    )
  const ticketFor = async (path: string, identityKey = reader) => {
    const answer = await client.send({
      path: `${path}/tickets`,
      headers: { [testOnlyIdentityHeader]: identityKey },
    })
    const operation = operations.find(each => each.method === 'POST' && each.path === `${path}/tickets`)
    expect([answer.status, operation && undocumented(operation, answer)]).toEqual([201, []])
    return z.object({ ticket: z.string() }).parse(JSON.parse(answer.body.toString())).ticket
  }

  test('is told to whom it names, by a ticket, and to nobody else', async () => {
    const ticket = await ticketFor('/watch')
    const named = await begun(followSse(served.port, { path: `/watch?status=received&ticket=${ticket}` }))
    const anybody = await begun(followSse(served.port, { path: '/watch?status=received' }))
    const asking = await begun(
      followWebSocket(served.port, { path: '/watch?status=received&streams=secret,of-acme' }),
    )
    const secret = await sendTo('secret')
    await sendTo('of-acme')
    const [open] = await bed.append([{ eventType: 'reading', data: { value: Math.random() } }])
    await until(() => eventIdsOf(anybody, 'received').length > 0)
    await until(() => eventIdsOf(named, 'received').length >= 2)
    expect(eventIdsOf(anybody, 'received')).toEqual([open])
    expect(eventIdsOf(named, 'received').sort()).toEqual([...secret, open].sort())
    expect(asking.messages.map(({ type }) => type)).toEqual(['hello'])
    for (const each of [named, anybody, asking]) each.close()
  })

  test('falls silent for whom it names no more', async () => {
    const ticket = await ticketFor('/watch')
    const named = await begun(
      followWebSocket(served.port, { path: `/watch?status=received&ticket=${ticket}` }),
    )
    await sendTo('secret')
    await until(() => eventIdsOf(named, 'received').length > 0)
    await bed.database.pool.query("update streams set readers = '{}' where stream_id = 'secret'")
    const told = await until(async () => {
      const before = named.messages.length
      await sendTo('secret')
      const [open] = await bed.append([{ eventType: 'reading', data: { value: Math.random() } }])
      await until(() => eventIdsOf(named, 'received').includes(open ?? ''))
      // Looked at again every second: from then on it is told of the open one alone.
      return named.messages.slice(before).every(({ streamId }) => streamId === 'readings') && [true]
    })
    expect(told).toEqual([true])
    await bed.database.pool.query("update streams set readers = array[$1] where stream_id = 'secret'", [
      reader,
    ])
    named.close()
  })

  test('falls silent for all once it is not published, and is told of again once it is', async () => {
    const ticket = await ticketFor('/watch')
    const named = await begun(
      followWebSocket(served.port, { path: `/watch?status=received&ticket=${ticket}` }),
    )
    const publish = (published: boolean) =>
      bed.database.pool.query("update streams set published = $1 where stream_id = 'secret'", [published])
    /** Of both streams once, the open one last: which of the two is told of. */
    const toldOf = async () => {
      const before = named.messages.length
      await sendTo('secret')
      const [open] = await bed.append([{ eventType: 'reading', data: { value: Math.random() } }])
      await until(() => eventIdsOf(named, 'received').includes(open ?? ''))
      return new Set(named.messages.slice(before).map(({ streamId }) => streamId))
    }
    await until(async () => (await toldOf()).has('secret'))
    await publish(false)
    // Looked at again every second.
    await until(async () => !(await toldOf()).has('secret'))
    expect([...(await toldOf())]).toEqual(['readings'])
    await publish(true)
    await until(async () => (await toldOf()).has('secret'))
    named.close()
  })

  test('leaves nothing in a place of its reader that others could learn from', async () => {
    const ticket = await ticketFor('/watch')
    const named = await begun(
      followSse(served.port, { path: `/watch?status=received&streams=secret&ticket=${ticket}` }),
    )
    await until(async () => {
      await sendTo('secret')
      return eventIdsOf(named, 'received').length > 0
    })
    const path = `/watch?status=received&streams=secret&last_event_id=${named.cursor()}`
    named.close()
    const other = await begun(followSse(served.port, { path }))
    expect(other.messages.map(({ type, reason, streamId }) => [type, reason, streamId])).toEqual([
      ['hello', undefined, undefined],
      ['gap', 'unknown', null],
    ])
    other.close()
  })

  test('takes each ticket once, for one path, and in time', async () => {
    const ticket = await ticketFor('/watch')
    expect((await get(`/overlay/events/stream?ticket=${ticket}`)).status).toBe(401)
    const first = await begun(followSse(served.port, { path: `/watch?ticket=${ticket}` }))
    first.close()
    for (const made of [ticket, 'x', `${ticket}x`, '']) {
      const answer = await get(`/watch?ticket=${made}`)
      expect([answer.status, problemIn(answer.body).code]).toEqual([401, 'ticket-invalid'])
      expect(answer.body.toString()).not.toContain(ticket)
    }
    const late = await ticketFor('/watch')
    await bed.database.pool.query('update stream_tickets set expires_ms = 0')
    expect((await get(`/watch?ticket=${late}`)).status).toBe(401)
  })

  test('gives one identity so many tickets and no more, and none to who proves nothing', async () => {
    const identityKey = party('a collector').identityKey
    for (let i = 0; i < 64; i++) await ticketFor('/watch', identityKey)
    const answer = await client.send({
      path: '/watch/tickets',
      headers: { [testOnlyIdentityHeader]: identityKey },
    })
    expect(answer.status).toBe(429)
    expect((await client.send({ path: '/watch/tickets' })).status).toBe(401)
    expect((await get('/watch', { [testOnlyIdentityHeader]: identityKey })).status).toBe(400)
  })
})

describe('room', () => {
  test('is for so many, from one address for fewer, and is there again when one leaves', async () => {
    const small = await bed.serve({ env: { WATCH_MAX_CLIENTS: '3', EVENT_STREAM_CLIENTS_PER_ADDRESS: '2' } })
    const at = new HttpClient(small.port)
    const first = await begun(followSse(small.port, { path: '/watch' }))
    const second = await begun(followWebSocket(small.port, { path: '/watch' }))
    const refused = await at.send({ method: 'GET', path: '/watch' })
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '5'])
    const socket = await begun(followWebSocket(small.port, { path: '/watch' }))
    expect(socket.ended()).toContain('1013')
    first.close()
    const third = await until(async () => {
      const again = await begun(followSse(small.port, { path: '/watch' }))
      return again.ended() === undefined && again
    })
    for (const each of [second, third]) each.close()
    at.close()
    await small.stop()
  })

  const bounds = [
    ['/watch', '/overlay/events/stream', 2],
    ['/overlay/events/stream', '/watch', 3],
  ] as const
  test.each(bounds)(
    'at %s is for as many as its own setting says, wherever they come from',
    async (path, other, clientsMax) => {
      const small = await bed.serve({ env: { WATCH_MAX_CLIENTS: '2', EVENT_STREAM_MAX_CLIENTS: '3' } })
      const at = new HttpClient(small.port)
      const inside: LiveClient[] = []
      for (let i = 0; i < clientsMax; i++)
        inside.push(await begun((i % 2 === 0 ? followSse : followWebSocket)(small.port, { path })))
      expect(inside.map(each => each.ended())).toEqual(inside.map(() => undefined))

      const refused = await at.send({ method: 'GET', path })
      expect([refused.status, problemIn(refused.body).code, refused.headers['retry-after']]).toEqual([
        ...[503, 'busy', '5'],
      ])
      expect(problemIn(refused.body).detail).toContain(`${clientsMax} clients follow this stream already`)
      expect((await begun(followWebSocket(small.port, { path }))).ended()).toContain('1013')
      const elsewhere = await begun(followSse(small.port, { path: other }))
      expect(elsewhere.ended()).toBeUndefined()

      inside.shift()?.close()
      const next = await until(async () => {
        const again = await begun(followSse(small.port, { path }))
        return again.ended() === undefined && again
      })
      for (const each of [...inside, elsewhere, next]) each.close()
      at.close()
      await small.stop()
    },
  )

  test('is for so many different filters, and for all who ask for the same', async () => {
    const small = await bed.serve({ env: { EVENT_STREAM_FILTERS_MAX: '1' } })
    const at = new HttpClient(small.port)
    const first = await begun(followSse(small.port, { path: '/watch' }))
    const same = await begun(followWebSocket(small.port, { path: '/watch' }))
    expect(same.ended()).toBeUndefined()
    const refused = await at.send({ method: 'GET', path: '/watch?types=reading' })
    expect([refused.status, problemIn(refused.body).code, refused.headers['retry-after']]).toEqual([
      ...[503, 'too-many-filters', '5'],
    ])
    const socket = await begun(followWebSocket(small.port, { path: '/watch?types=reading' }))
    expect(socket.ended()).toContain('1013')
    for (const each of [first, same]) each.close()
    at.close()
    await small.stop()
  })

  test('is taken by nobody who asks for the head of an answer alone', async () => {
    const one = await bed.serve({ env: { WATCH_MAX_CLIENTS: '1' } })
    const head = await fetch(`http://127.0.0.1:${one.port}/watch`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    const client = await begun(followSse(one.port, { path: '/watch' }))
    client.close()
    await one.stop()
  })

  test('is none where a transport is switched off', async () => {
    const off = await bed.serve({
      env: { EVENT_STREAM_SSE_ENABLED: 'false', EVENT_STREAM_WEBSOCKET_ENABLED: 'false' },
    })
    const at = new HttpClient(off.port)
    const answer = await at.send({ method: 'GET', path: '/watch' })
    expect([answer.status, problemIn(answer.body).code]).toEqual([503, 'stream-disabled'])
    expect((await begun(followWebSocket(off.port, { path: '/watch' }))).ended()).toContain('1008')
    at.close()
    await off.stop()
  })
})

describe('docs/openapi.yaml, on live streams', () => {
  test('lists the routes, and no other', () => {
    const [routes] = served.live.routes({
      authentication: {
        routes: undefined,
        namesIdentity: () => false,
        requireIdentity: () => () => undefined,
      } as never,
      onFailure: () => undefined,
    })
    if (typeof routes !== 'function') throw new Error('no router')
    expect(routesOf(routes).sort()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).sort())
  })
})
