import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { orThrow } from '../../../src/core/fault.ts'
import { trackNumber } from '../../../src/core/live/track.ts'
import { anybody } from '../../../src/core/registry/may-read.ts'
import { openHub } from '../../../src/serve/live/hub.ts'
import { readLiveFilter } from '../../../src/serve/live/live-filter.ts'
import { watchRoute } from '../../../src/serve/live/live-routes.ts'
import type { LiveEvent, Piece } from '../../../src/serve/live/piece.ts'
import {
  type EndReason,
  type HubBounds,
  hubBounds,
  type KnownPartition,
  type Sink,
  type Start,
} from '../../../src/serve/live/ports.ts'
import { readResumeToken } from '../../../src/serve/live/resume-token.ts'
import { until } from '../../support/until.ts'

const partitionOf = (partitionId: number, published = true): KnownPartition => ({
  ...{ partitionId, streamId: `readings ${partitionId}`, partition: 0, level: 'basic' },
  ...{ topics: [], isKeyed: false },
  stream: { audience: 'public', published, tenantId: null, readers: [] },
})

/** A log in memory, a clock that stands still, and clients that read as much as a test lets them. */
function openBed(bounds: Partial<HubBounds> = {}) {
  const pieces = new Map<number, Piece[]>()
  const failures: unknown[] = []
  const of = (partitionId: number) => pieces.get(partitionId) ?? []
  const endOf = (partitionId: number) => of(partitionId).at(-1)?.to ?? { at: 0, line: 0 }
  const there = {
    partitions: [partitionOf(1)],
    nowMs: 0,
    isBroken: false,
    tracksRead: 0,
    looksAsked: 0,
    whileEndsAreRead: undefined as (() => Promise<void>) | undefined,
    everAt: 0,
  }
  const hub = openHub({
    readPieces: async wanted => {
      there.tracksRead += wanted.length
      return wanted.map(({ track: { partitionId, stage }, from, until }) => ({
        pieces: of(partitionId).flatMap(piece =>
          stage === 'received' && piece.to.at <= (until?.at ?? Infinity) ? restOf(piece, from.at) : [],
        ),
        more: false,
      }))
    },
    readOldest: async tracks => tracks.map(() => ({ at: 0, line: 0 })),
    async readEnds(tracks, ever) {
      if (ever === 'ever') return tracks.map(() => ({ at: there.everAt, line: 0 }))
      const meanwhile = there.whileEndsAreRead
      there.whileEndsAreRead = undefined
      const ends = tracks.map(({ partitionId }) => endOf(partitionId))
      await meanwhile?.()
      if (there.isBroken) throw new Error('the database does not answer')
      return ends
    },
    lookSoon() {
      there.looksAsked++
    },
    readPartitions: async () => there.partitions,
    findReader: async () => anybody,
    positions: { seal: position => position },
    now: () => there.nowMs,
    bounds: { ...hubBounds, reducedBytes: 100, unreadBytesMax: 1_000, ...bounds },
    events: {
      onDelivered: () => undefined,
      onLag: () => undefined,
      onEnded: () => undefined,
      onFailure: error => {
        failures.push(error)
      },
    },
  })
  const ask = async (question: string, start: Start = 'latest', client = openClient()) => {
    const filter = readLiveFilter(new URLSearchParams(question))
    if (!filter.ok) throw new Error(filter.fault.detail)
    return hub.attach({
      ...{ route: watchRoute, filter: filter.value, reader: anybody, start, clientId: 'c' },
      open: () => client,
    })
  }
  return {
    failures,
    hub,
    ask,
    async follow(question = 'status=received', start: Start = 'latest') {
      const client = openClient()
      expect(await ask(question, start, client)).toMatchObject({ ok: true })
      return client
    },
    async tell(count: number, partitionId = 1, change: (i: number) => Partial<LiveEvent> = () => ({})) {
      const { at } = endOf(partitionId)
      const events = Array.from({ length: count }, (_, i) => ({ ...eventAt(at + i), ...change(i) }))
      const piece: Piece = {
        ...{
          from: { at, line: 0 },
          to: { at: at + count, line: 0 },
          bytes: count * EVENT_BYTES,
          sinceMs: null,
        },
        said: { kind: 'events', events, packet: null },
      }
      pieces.set(partitionId, [...of(partitionId), piece])
      hub.wake('received', [partitionId])
      await hub.look()
    },
    /** Time for everything to be looked at again, also by whoever is behind. */
    async lookAgain() {
      there.nowMs += hubBounds.accessMs + 1
      for (let n = 0; n < 5; n++) {
        await hub.look().catch(() => undefined)
        await new Promise(setImmediate)
      }
    },
    /** Of the one track, as it was told with the last message. */
    placeOf({ cursor }: TestClient) {
      const read = readResumeToken(cursor ?? '', { unseal: sealed => sealed })
      return read.ok && [...read.value.places.values()][0]
    },
    there,
  }
}

const message = z.object({
  type: z.string(),
  firstSeq: z.number().optional(),
  lastSeq: z.number().optional(),
  eventIds: z.array(z.string()).nullish(),
})

/** What one takes to keep, as these pieces say. */
const EVENT_BYTES = 100

type Said = z.output<typeof message>
type TestClient = Sink & {
  unreadBytes: number
  most: number
  take(bytes: Uint8Array): void
  readonly said: Said[]
  cursor: string | undefined
  ended: EndReason | undefined
}

function openClient(): TestClient {
  const client: TestClient = {
    unreadBytes: 0,
    most: 0,
    said: [],
    cursor: undefined,
    ended: undefined,
    transport: 'sse',
    write: bytes => client.take(bytes),
    take(bytes) {
      client.cursor = /^.*^id: (.*)$/ms.exec(Buffer.from(bytes).toString())?.[1]?.split('\n')[0]
      for (const [, json] of Buffer.from(bytes)
        .toString()
        .matchAll(/^data: (.*)$/gm))
        client.said.push(message.parse(JSON.parse(json ?? '')))
    },
    unread: () => client.unreadBytes,
    drained: () => new Promise(setImmediate),
    end(last, reason) {
      client.write(last)
      client.ended = reason
    },
  }
  return client
}

/** What of it is behind a place, which may be in its middle. */
function restOf(piece: Piece, at: number): Piece[] {
  const { said } = piece
  if (piece.to.at <= at || said.kind !== 'events') return []
  if (piece.from.at >= at) return [piece]
  const events = said.events.filter(({ position }) => position >= at)
  return [{ ...piece, from: { at, line: 0 }, said: { ...said, events } }]
}

function eventAt(position: number): LiveEvent {
  return {
    ...{
      kind: 'event',
      eventId: `e-${position}`,
      sourceId: 's',
      type: 't',
      position,
      qualityFlags: 0,
      issues: [],
    },
    ...{ next: { at: position + 1, line: 0 }, eventTimeMs: 0, ingestTimeMs: 0 },
    partitionKey: () => 'k',
    payload: () => null,
    record: () => null,
  }
}

describe('a client that leaves something unread', () => {
  test('is told of less, densely, and of all again once it has caught up', async () => {
    const bed = openBed()
    const [slow, quick] = [await bed.follow(), await bed.follow()]
    await bed.tell(2)
    slow.unreadBytes = 101
    await bed.tell(2)
    slow.unreadBytes = 0
    await bed.tell(2)
    expect(slow.said.slice(1).map(({ firstSeq, eventIds }) => [firstSeq, eventIds])).toEqual([
      [0, ['e-0', 'e-1']],
      [2, null],
      [4, ['e-4', 'e-5']],
    ])
    expect(quick.said.slice(1).map(({ eventIds }) => eventIds?.length)).toEqual([2, 2, 2])
  })

  test('is cut off with too much of it, and nobody else is', async () => {
    const bed = openBed()
    const [slow, quick] = [await bed.follow(), await bed.follow()]
    await bed.tell(1)
    slow.unreadBytes = 1_001
    await bed.tell(1)
    expect([slow.ended, slow.said.at(-1)?.type]).toEqual(['slow', 'slow'])
    await bed.tell(1)
    expect(slow.said.at(-1)?.type).toBe('slow')
    expect(quick.said.map(({ type }) => type)).toEqual(['hello', 'received', 'received', 'received'])
  })
})

describe('one who catches up', () => {
  test('is sent no more at once than it reads', async () => {
    const bed = openBed({ historyBytes: 2_000 })
    await bed.tell(1)
    for (let n = 0; n < 200; n++) await bed.tell(10)
    const behind = await bed.follow('status=received', 'earliest')
    behind.write = bytes => {
      behind.unreadBytes += bytes.byteLength
      behind.most = Math.max(behind.most, behind.unreadBytes)
      behind.take(bytes)
    }
    await until(async () => {
      await bed.lookAgain()
      behind.unreadBytes = 0
      return behind.said.some(({ lastSeq }) => lastSeq === 200 * 10)
    })
    expect(behind.most).toBeLessThan(3_000)
    // What was told apart is told together, a row of the sequence at a time; a piece belongs where it begins.
    const told = behind.said.filter(({ type }) => type === 'received')
    expect(told.map(({ firstSeq }) => firstSeq)).toEqual([0, 251, 501, 751, 1_001, 1_251, 1_501, 1_751])
    expect(told.flatMap(({ eventIds }) => eventIds ?? [])).toHaveLength(2_001)
  })
})

describe('one who was told of what is taken back since', () => {
  test('hears of no gap, asks for no looks for long, and is told of what comes behind its place', async () => {
    const bed = openBed()
    await bed.tell(2)
    bed.there.everAt = 5
    const track = trackNumber({ partitionId: 1, stage: 'received' })
    const back = await bed.follow('status=received', {
      partitionsUpTo: 1,
      places: new Map([[track, { at: 5, line: 0 }]]),
    })
    await bed.lookAgain()
    const { looksAsked } = bed.there
    expect(looksAsked).toBeGreaterThan(0)
    await bed.lookAgain()
    expect(bed.there.looksAsked).toBe(looksAsked)
    await bed.tell(3)
    await bed.tell(2)
    await until(async () => {
      await bed.lookAgain()
      return back.said.some(({ type }) => type === 'received')
    })
    expect(back.said.map(({ type, firstSeq }) => [type, firstSeq])).toEqual([
      ['hello', undefined],
      ['received', 5],
    ])
  })
})

describe('one who comes back after any message', () => {
  const sources = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 6 })
  const asked = fc.constantFrom<readonly string[]>(['a', 'b', 'c'], ['a'], ['a', 'c'])

  test('is told of each event once that it asks for, in order, however it came and is joined', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sources, { minLength: 1, maxLength: 12 }), asked, async (segments, from) => {
        const bed = openBed({ historyBytes: 1_000 })
        for (const segment of segments)
          await bed.tell(segment.length, 1, i => ({ sourceId: segment[i] ?? '' }))
        const wanted = segments.flat().flatMap((sourceId, n) => (from.includes(sourceId) ? [`e-${n}`] : []))
        const question = from.length === 3 ? 'status=received' : `status=received&sourceIds=${from}`
        const toldFrom = async (start: Start) => {
          const client = openClient()
          const told: { readonly ids: readonly string[]; readonly cursor: string }[] = []
          client.write = bytes => {
            for (const [, cursor, json] of Buffer.from(bytes)
              .toString()
              .matchAll(/^id: (.*)\ndata: (.*)$/gm)) {
              const { type, eventIds } = message.parse(JSON.parse(json ?? ''))
              if (type === 'received') told.push({ ids: eventIds ?? [], cursor: cursor ?? '' })
            }
          }
          const asking = await bed.ask(question, start, client)
          for (let n = 0; n < 3; n++) await bed.lookAgain()
          if (typeof asking !== 'string' && asking.ok) asking.value.leave()
          return told
        }
        const told = await toldFrom('earliest')
        expect(told.flatMap(({ ids }) => ids)).toEqual(wanted)
        for (const [n, { cursor }] of told.entries()) {
          const before = told.slice(0, n + 1).flatMap(({ ids }) => ids)
          const behind = await toldFrom(orThrow(readResumeToken(cursor, { unseal: sealed => sealed })))
          expect([...before, ...behind.flatMap(({ ids }) => ids)]).toEqual(wanted)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('what is kept for those who are a little behind', () => {
  test('is so much for all tracks together, and so much of what was said', async () => {
    const bed = openBed({ tailsBytesMax: 10 * EVENT_BYTES, saidBytesMax: 2_000 })
    bed.there.partitions = [1, 2, 3].map(id => partitionOf(id))
    await bed.follow()
    for (let n = 0; n < 20; n++) for (const id of [1, 2, 3]) await bed.tell(1, id)
    // Of what was said three fit, each of some 700 bytes; and there were sixty.
    expect(bed.hub.keptBytes()).toBeGreaterThan(10 * EVENT_BYTES)
    expect(bed.hub.keptBytes()).toBeLessThanOrEqual(10 * EVENT_BYTES + 2_000)
  })
})

describe('a client that comes while the hub is stopped', () => {
  test('is told so, as one that may come to another', async () => {
    const bed = openBed()
    bed.there.whileEndsAreRead = async () => bed.hub.stop()
    expect(await bed.ask('status=received')).toBe('stopping')
  })
})

describe('filters', () => {
  test('are so many at once, whoever follows with them, and there is room again once nobody does', async () => {
    const bed = openBed({ filtersMax: 2 })
    const first = await bed.ask('status=received')
    await bed.ask('types=t')
    expect(await bed.ask('types=other')).toBe('too-many-filters')
    expect(await bed.ask('types=t')).toMatchObject({ ok: true })
    if (typeof first !== 'string' && first.ok) first.value.leave()
    expect(await bed.ask('types=other')).toMatchObject({ ok: true })
  })

  test('that ask for shares have each event looked at once', async () => {
    const bed = openBed()
    for (const i of [1, 2, 3]) await bed.follow(`status=received&split=${i}/3`)
    bed.there.partitions = [{ ...partitionOf(1), isKeyed: true }]
    await bed.lookAgain()
    let asked = 0
    await bed.tell(1, 1, () => ({
      partitionKey() {
        asked += 1
        return 'k'
      },
    }))
    expect(asked).toBe(1)
  })
})

describe('what fails at one client', () => {
  const broken = () => {
    throw new Error('cannot be written to')
  }

  test('is that one cut off, and nobody else', async () => {
    const bed = openBed()
    const [first, bad, last] = [await bed.follow(), await bed.follow(), await bed.follow()]
    await bed.tell(1)
    Object.assign(bad, { write: broken, end: broken })
    await bed.tell(1)
    await bed.tell(1)
    for (const each of [first, last])
      expect(each.said.map(({ firstSeq }) => firstSeq)).toEqual([undefined, 0, 1, 2])
    expect(bed.failures.map(String)).toEqual(Array(2).fill('Error: cannot be written to'))
  })

  test('at its heartbeat keeps nobody from theirs', async () => {
    const bed = openBed()
    const [bad, other] = [await bed.follow(), await bed.follow()]
    await bed.tell(1)
    bad.unread = broken
    bed.there.nowMs += hubBounds.heartbeatMs
    await bed.lookAgain()
    expect(bad.ended).toBeUndefined()
    expect(other.said.at(-1)?.type).toBe('heartbeat')
  })

  test('is what its filter asks for: it can go on before that, and the others have heard of it', async () => {
    const bed = openBed()
    const asking = await bed.follow('status=received&where={"field":"/a","op":"=","value":1}')
    const other = await bed.follow()
    await bed.tell(1)
    await bed.tell(1, 1, () => ({ payload: broken }))
    expect(other.said.map(({ firstSeq }) => firstSeq)).toEqual([undefined, 0, 1])
    expect([asking.ended, asking.said.at(-1)?.type]).toEqual(['failed', 'bye'])
    expect(bed.placeOf(asking)).toEqual({ at: 1, line: 0 })
  })
})

describe('a partition', () => {
  const seen = ({ said }: TestClient) => said.flatMap(({ eventIds }) => eventIds ?? [])

  test('that appears while the database fails is told of from its first event on', async () => {
    const bed = openBed()
    const client = await bed.follow()
    Object.assign(bed.there, { partitions: [partitionOf(1), partitionOf(2)], isBroken: true })
    await bed.lookAgain()
    bed.there.isBroken = false
    await bed.tell(2, 2)
    await bed.lookAgain()
    expect(seen(client)).toEqual(['e-0', 'e-1'])
  })

  test('that appears after one with a higher number is told of from its first event on', async () => {
    const bed = openBed()
    bed.there.partitions = [partitionOf(6)]
    const client = await bed.follow()
    await bed.tell(2, 5)
    bed.there.partitions = [partitionOf(5), partitionOf(6)]
    await bed.lookAgain()
    expect(seen(client)).toEqual(['e-0', 'e-1'])
  })

  test('that appears while somebody is about to follow is told of from its first event on', async () => {
    const bed = openBed()
    await bed.follow()
    await bed.tell(2, 2)
    bed.there.whileEndsAreRead = async () => {
      bed.there.partitions = [partitionOf(1), partitionOf(2)]
      await bed.lookAgain()
    }
    const client = await bed.follow('status=received', 'earliest')
    await bed.lookAgain()
    expect(seen(client)).toEqual(['e-0', 'e-1'])
  })

  test('that appears is read once for all who follow already', async () => {
    const bed = openBed()
    const clients = [await bed.follow(), await bed.follow(), await bed.follow()]
    await bed.lookAgain()
    await bed.tell(2, 2)
    bed.there.partitions = [partitionOf(1), partitionOf(2)]
    bed.there.tracksRead = 0
    bed.there.nowMs += hubBounds.accessMs + 1
    await bed.hub.look()
    for (const client of clients) expect(seen(client)).toEqual(['e-0', 'e-1'])
    expect(bed.there.tracksRead).toBe(1)
  })

  test('in which something happens while its first client comes in is looked at at once', async () => {
    const bed = openBed()
    bed.there.partitions = [partitionOf(1), partitionOf(2)]
    await bed.follow('status=received&streams=readings 1')
    await bed.lookAgain()
    bed.there.whileEndsAreRead = () => bed.tell(2, 2)
    const places = new Map([[trackNumber({ partitionId: 2, stage: 'received' }), { at: 0, line: 0 }]])
    bed.there.looksAsked = 0
    const client = await bed.follow('status=received&streams=readings 2', { partitionsUpTo: 2, places })
    expect(bed.there.looksAsked).toBeGreaterThan(0)
    await bed.hub.look()
    expect(seen(client)).toEqual(['e-0', 'e-1'])
  })

  test('that another one lets go of at that moment is followed all the same', async () => {
    const bed = openBed()
    const other = await bed.ask('status=received')
    if (typeof other === 'string' || !other.ok) throw new Error('the other one follows nothing')
    // Somebody else, for whom the hub goes on looking.
    await bed.follow('status=certified')
    bed.there.whileEndsAreRead = async () => {
      other.value.leave()
      await bed.lookAgain()
    }
    const client = await bed.follow('status=received,normalized')
    await bed.tell(2)
    expect(seen(client)).toEqual(['e-0', 'e-1'])
  })

  test('that may be followed again goes on where it was left', async () => {
    const bed = openBed()
    const client = await bed.follow()
    await bed.tell(2)
    bed.there.partitions = [partitionOf(1, false)]
    await bed.lookAgain()
    await bed.tell(2)
    await bed.lookAgain()
    expect(seen(client)).toEqual(['e-0', 'e-1'])
    bed.there.partitions = [partitionOf(1)]
    await bed.lookAgain()
    expect(seen(client)).toEqual(['e-0', 'e-1', 'e-2', 'e-3'])
  })
})
