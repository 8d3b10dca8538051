import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { filePosition } from '../../src/client/file-position.ts'
import {
  ConnectionLost,
  type Item,
  type PositionStore,
  type Subscription,
  type SubscriptionState,
  subscribe,
  watch,
} from '../../src/client/index.ts'
import { readEventsMessage, readWatchMessage } from '../../src/client/subscribe/messages.ts'
import { readAsyncApi } from '../support/asyncapi-document.ts'
import { clearUpMemory } from '../support/clear-up-memory.ts'
import { type LiveBed, openLiveBed, type ServedLive } from '../support/live-bed.ts'
import { party } from '../support/pipeline.ts'
import { readings } from '../support/readings.ts'
import { testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { until } from '../support/until.ts'

const open: { close(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** What it hands out, from now on, as it is asked for. */
function reading<Message>(subscription: Subscription<Message>) {
  open.push(subscription)
  return {
    async next(count: number): Promise<Item<Message>[]> {
      const items: Item<Message>[] = []
      while (items.length < count) {
        const { value, done } = await subscription.next()
        if (done) throw new Error(`it ended after ${items.length} of ${count}`)
        items.push(value)
      }
      return items
    },
    close: () => subscription.return?.(),
  }
}

function idsOf(items: readonly { readonly message: object }[]): string[] {
  return items.flatMap(({ message }) => {
    if ('eventId' in message && typeof message.eventId === 'string') return [message.eventId]
    return 'eventIds' in message && Array.isArray(message.eventIds) ? message.eventIds : []
  })
}

describe('a subscription', () => {
  let bed: LiveBed
  let served: ServedLive
  let folder: string
  const url = () => `http://127.0.0.1:${served.port}`
  beforeAll(async () => {
    bed = await openLiveBed()
    served = await bed.serve()
    folder = await mkdtemp(path.join(tmpdir(), 'assay-client-'))
  })
  afterAll(async () => {
    await bed.end()
    await rm(folder, { recursive: true })
    expect(bed.failures).toEqual([])
  })

  /** One packet of so many events, at this stage. */
  const packet = async (count: number, state: 'anchored' | 'split'): Promise<string[]> => {
    const ids = await bed.append(readings(count))
    await bed.reach((await bed.seal()).length - 1, state)
    return ids
  }

  test('has certified events whole, and gaps between them, and says that nothing was checked', async () => {
    const items = reading(subscribe({ url: url(), from: 'earliest' }))
    const first = await packet(2, 'anchored')
    await packet(3, 'split')
    const last = await packet(1, 'anchored')
    const told = await items.next(4)
    expect(idsOf(told)).toEqual([...first, ...last])
    expect(told.map(({ message }) => message.type)).toEqual(['event', 'event', 'gap', 'event'])
    expect(told[0]).toMatchObject({
      message: { data: expect.anything(), certificationLevel: 'basic', line: 0 },
      verified: 'not checked',
      notChecked: [expect.stringContaining('verify')],
    })
  })

  test('goes on behind what was taken, and has what was not taken again', async () => {
    const kept: string[] = []
    const positions: PositionStore = {
      load: async () => kept.at(-1),
      save: async position => void kept.push(position),
    }
    const first = reading(watch({ url: url(), positions, filter: { status: ['received'] } }))
    const pending = first.next(1)
    await until(() => kept.length > 0)
    const ids = await bed.append(readings(1))
    expect(idsOf(await pending)).toEqual(ids)
    // It is left with an item in its hand, of which nobody knows what became.
    await first.close()
    const again = reading(watch({ url: url(), positions, filter: { status: ['received'] } }))
    const [item] = await again.next(1)
    expect(idsOf(item === undefined ? [] : [item])).toEqual(ids)
    await item?.done()
    await again.close()
    const later = reading(watch({ url: url(), positions, filter: { status: ['received'] } }))
    const more = await bed.append(readings(2))
    expect(idsOf(await later.next(1))).toEqual(more)
  })

  test('keeps its place in a file, whole at any moment', async () => {
    const file = path.join(folder, 'position')
    const positions = filePosition(file)
    expect(await positions.load()).toBeUndefined()
    for (const position of ['first', 'second']) await positions.save(position)
    expect([await positions.load(), await filePosition(file).load()]).toEqual(['second', 'second'])
    expect(await readdir(folder)).toEqual(['position'])
    await expect(filePosition(path.join(folder, 'nowhere', 'position')).save('x')).rejects.toThrow('ENOENT')
  })

  test('goes on by itself when its node is gone and comes back, with one connection at a time', async () => {
    const { port } = served
    const states: SubscriptionState[] = []
    let [connections, atOnce] = [0, 0]
    const items = reading(
      watch({
        ...{ url: url(), from: 'latest', filter: { status: ['received'] }, pauseMsMax: 50 },
        onState: state => void states.push(state),
        async fetch(address, init) {
          connections += 1
          atOnce = Math.max(atOnce, connections)
          init?.signal?.addEventListener('abort', () => {
            connections -= 1
          })
          return fetch(address, init)
        },
      }),
    )
    const pending = items.next(1)
    await until(() => states.some(({ kind }) => kind === 'connected'))
    const heard = [...(await bed.append(readings(1)))]
    const told = await pending
    for (let n = 0; n < 2; n++) {
      const next = items.next(2)
      await served.stop()
      await until(() => states.at(-1)?.kind === 'lost')
      heard.push(...(await bed.append(readings(1))))
      served = await bed.serve({ port })
      // Events of one moment are one message.
      await until(() => states.at(-1)?.kind === 'connected')
      heard.push(...(await bed.append(readings(1))))
      told.push(...(await next))
    }
    expect(idsOf(told)).toEqual(heard)
    expect(atOnce).toBe(1)
    for (const state of states)
      if (state.kind === 'lost')
        // A node that is about to stop asks for some time.
        expect(state.againInMs).toBeLessThanOrEqual(50 + (state.refusal.retryAfterMs ?? 0))
  })

  test('is let in by a ticket for each connection, and refused without one', async () => {
    const tickets: string[] = []
    const ticket = async () => {
      const answer = await fetch(`${url()}/watch/tickets`, {
        method: 'POST',
        headers: { [testOnlyIdentityHeader]: party('a collector').identityKey },
      })
      tickets.push(z.object({ ticket: z.string() }).parse(await answer.json()).ticket)
      // The one that is there already was used by the connection before.
      return tickets.length === 2 ? (tickets[0] ?? '') : (tickets.at(-1) ?? '')
    }
    const states: SubscriptionState[] = []
    const items = watch({
      ...{ url: url(), ticket, pauseMsMax: 20 },
      onState(state) {
        states.push(state)
        if (states.length === 1) void served.stop()
      },
    })
    open.push(items)
    const ending = items.next()
    await until(() => states.some(({ kind }) => kind === 'lost'))
    const { port } = served
    served = await bed.serve({ port })
    await until(() => states.at(-1)?.kind === 'connected')
    const codes = states.map(state => (state.kind === 'lost' ? state.refusal.code : state.kind))
    expect(codes[0]).toBe('connected')
    expect(codes).toContain('ticket-invalid')
    items.close()
    expect(await ending).toMatchObject({ done: true })
    const uninvited = watch({
      url: `${url()}`,
      filter: {},
      headers: async () => ({ 'x-bsv-auth-identity-key': '02' }),
    })
    await expect(uninvited.next()).rejects.toThrow('ask for a ticket')
  })

  test('ends with an error where asking again would not help', async () => {
    for (const asked of [
      { from: 'AAAA' },
      { filter: { where: { no: 'predicate' } } },
      { filter: { streams: [''] } },
    ]) {
      const error = await subscribe({ url: url(), ...asked })
        .next()
        .then(undefined, (why: unknown) => why)
      expect(error).toBeInstanceOf(ConnectionLost)
      expect(error).toMatchObject({ refusal: { code: 'bad-request', status: 400 } })
    }
    await expect(subscribe({ url: url(), from: 'no.%%' }).next()).rejects.toThrow(
      'not one that was handed out',
    )
  })

  test('ends when it is told to, also while it waits', async () => {
    const stop = new AbortController()
    const bySignal = watch({ url: url(), signal: stop.signal }).next()
    const closed = watch({ url: url() })
    const byClosing = closed.next()
    stop.abort()
    closed.close()
    expect([await bySignal, await byClosing]).toMatchObject([{ done: true }, { done: true }])
  })

  test('ends when it is told to, also where nothing has come for so long that memory was cleared up', async () => {
    const stop = new AbortController()
    let isConnected = () => {}
    const connected = new Promise<void>(resolve => {
      isConnected = resolve
    })
    const waiting = watch({ url: url(), signal: stop.signal, onState: isConnected }).next()
    await connected
    await clearUpMemory()
    stop.abort()
    expect(await waiting).toMatchObject({ done: true })
  })
})

describe('what a client understands', () => {
  test('is every message that the streams have', () => {
    const readers = { '/watch': readWatchMessage, '/overlay/events/stream': readEventsMessage }
    for (const [address, read] of Object.entries(readers))
      for (const type of readAsyncApi().get(address)?.keys() ?? []) {
        // Undefined is for what is not known; a known one without its members is refused.
        const understood = () => read(JSON.stringify({ type })) !== undefined
        if (['hello', 'heartbeat', 'slow', 'bye'].includes(type))
          expect([type, understood()]).toEqual([type, true])
        else expect(understood, type).toThrow('what cannot be read')
      }
    expect(readEventsMessage('{"type":"of-a-later-node"}')).toBeUndefined()
    for (const json of ['{}', '[]', 'no json']) expect(() => readEventsMessage(json)).toThrow(ConnectionLost)
  })
})

describe('a client whose node is not well', () => {
  let server: Server | undefined
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })

  /** A node that begins as one, and goes on as a test says. */
  const node = async (answer: (response: ServerResponse, connection: number, from: string) => void) => {
    let connection = 0
    server = createServer((request, response) => {
      connection += 1
      answer(response, connection, String(request.headers['last-event-id']))
    })
    server.listen(0, '127.0.0.1')
    await until(() => server?.listening)
    return `http://127.0.0.1:${z.object({ port: z.number() }).parse(server.address()).port}`
  }
  const stream = (response: ServerResponse) =>
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  const received = (seq: number) =>
    `id: t${seq}\ndata: ${JSON.stringify({ type: 'received', sourceId: 's', count: 1, eventIds: [`e${seq}`], streamId: 's', partition: 0, firstSeq: seq, lastSeq: seq })}\n\n`

  test('notices by missing heartbeats that nobody is there any more, and connects again', async () => {
    const from: string[] = []
    const url = await node((response, connection, last) => {
      from.push(last)
      stream(response).write(received(connection))
      // And then nothing, as where a machine was switched off.
    })
    const states: SubscriptionState[] = []
    const onState = (state: SubscriptionState) => void states.push(state)
    const items = reading(watch({ url, silenceMs: 100, pauseMsMax: 10, onState }))
    expect(idsOf(await items.next(3))).toEqual(['e1', 'e2', 'e3'])
    expect(from.slice(0, 3)).toEqual(['latest', 't1', 't2'])
    expect(states[0]).toMatchObject({
      kind: 'lost',
      refusal: { detail: expect.stringContaining('heartbeat') },
    })
  })

  test('waits as long as it is asked to, and longer each time that it gets nowhere', async () => {
    const url = await node((response, connection) => {
      if (connection === 1) return void response.writeHead(503, { 'Retry-After': '1' }).end()
      if (connection === 2) return void stream(response).end('retry: 40\n\n')
      stream(response).end()
    })
    const waited: number[] = []
    const items = watch({
      url,
      onState: state => void waited.push(state.kind === 'lost' ? state.againInMs : 0),
    })
    open.push(items)
    const ending = items.next()
    await until(() => waited.length >= 4)
    items.close()
    expect(await ending).toMatchObject({ done: true })
    const [first = 0, second = 0, third = 0, fourth = 0] = waited
    expect(first).toBeGreaterThanOrEqual(1_000)
    // 40 ms after the first failure, twice as long after each other one; half of it at least.
    for (const [i, pause] of [second, third, fourth].entries()) {
      expect(pause).toBeGreaterThanOrEqual((40 * 2 ** (i + 1)) / 2)
      expect(pause).toBeLessThanOrEqual(40 * 2 ** (i + 1))
    }
  })

  test('does not wait for the end of a refusal that has none', async () => {
    const url = await node((response, connection) => {
      if (connection > 1) return void stream(response).write(received(connection))
      response.writeHead(503, { 'Retry-After': '1' })
      const drip = setInterval(() => response.write(' '), 20)
      response.once('close', () => clearInterval(drip))
    })
    const states: SubscriptionState[] = []
    const onState = (state: SubscriptionState) => void states.push(state)
    const items = reading(watch({ url, silenceMs: 200, onState }))
    expect(idsOf(await items.next(1))).toEqual(['e2'])
    expect(states).toMatchObject([{ kind: 'lost', refusal: { status: 503, retryAfterMs: 1_000 } }])
  })

  test('reads no faster than its reader takes', async () => {
    const all = 200 * 1024 * 1024
    const filler = 'x'.repeat(1024)
    let written = 0
    let stuck = false
    const url = await node(response => {
      stream(response)
      const more = () => {
        stuck = false
        while (written < all) {
          const block = received(written).replace('"sourceId":"s"', `"sourceId":"${filler}"`)
          written += block.length
          if (!response.write(block)) {
            stuck = true
            response.once('drain', more)
            return
          }
        }
      }
      more()
    })
    const items = reading(watch({ url }))
    await items.next(10)
    let before = -1
    await until(() => {
      const still = stuck && written === before
      before = written
      return still
    })
    expect(written).toBeLessThan(all / 4)
    const then = written
    await items.next(20_000)
    expect(written).toBeGreaterThan(then)
  })
})
