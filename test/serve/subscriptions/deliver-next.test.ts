import { describe, expect, test } from 'vitest'
import { levels } from '../../../src/core/level.ts'
import { trackNumber } from '../../../src/core/live/track.ts'
import type { Piece, ReadPieces } from '../../../src/serve/live/piece.ts'
import type { KnownPartition } from '../../../src/serve/live/ports.ts'
import { openTokenWriter } from '../../../src/serve/live/resume-token.ts'
import { type DeliverDeps, deliverNext, keep } from '../../../src/serve/subscriptions/deliver-next.ts'
import { filterOf } from '../../../src/serve/subscriptions/filter-criteria.ts'
import type { DeadLetter, Held } from '../../../src/serve/subscriptions/ports.ts'

/** Packets that one reading of a track has room for. */
const ROWS = 4
const certified = trackNumber({ partitionId: 1, stage: 'certified' })
const positions = { seal: (bytes: Uint8Array) => bytes, unseal: (bytes: Uint8Array) => bytes }

describe('a delivery that is tried again', () => {
  test('after others have taken it is found behind more than one reading', async () => {
    const log = openLog({ wanted: [6] })
    log.status = 500
    await log.deliver(2)
    expect(log.posted).toEqual([['msg_1', ['p6.0']]])
    log.status = 200
    log.takeAnew()
    await log.deliver(3)
    expect(log.posted).toEqual([
      ['msg_1', ['p6.0']],
      ['msg_1', ['p6.0']],
    ])
    expect(log.row.pending).toBeNull()
  })

  test('is never larger than its receiver takes, whatever has come to where it was', async () => {
    const log = openLog({ wanted: [2], passedBy: [2] })
    log.status = 500
    await log.deliver(1)
    log.certify(2, 3)
    log.status = 200
    await log.deliver(4)
    expect(log.posted.slice(1)).toEqual([
      ['msg_2', ['p2.0']],
      ['msg_3', ['p2.1']],
      ['msg_4', ['p2.2']],
    ])
  })

  test('waits for the day that its owner may read it again', async () => {
    const log = openLog({ wanted: [2] })
    log.status = 500
    await log.deliver(1)
    log.mayRead(false)
    log.status = 200
    await log.deliver(1)
    log.mayRead(true)
    await log.deliver(1)
    expect(log.posted.slice(1)).toEqual([['msg_2', ['p2.0']]])
  })
})

describe('a dead letter', () => {
  test('is found behind more than one reading, and goes under its id', async () => {
    const log = openLog({ wanted: [6] })
    log.status = 422
    await log.deliver(4)
    expect(log.letters).toHaveLength(1)
    log.status = 200
    log.redeliver()
    await log.deliver(1)
    expect(log.posted.slice(3)).toEqual([['msg_1', ['p6.0']]])
    expect(log.letters).toEqual([])
  })

  test('that was written from further back is read on until it is found', async () => {
    const log = openLog({ wanted: [6] })
    log.status = 422
    await log.deliver(4)
    log.status = 200
    log.redeliver({ from: positionAt(0) })
    await log.deliver(2)
    expect(log.posted.slice(3)).toEqual([['msg_1', ['p6.0']]])
    expect(log.letters).toEqual([])
  })

  test('that has become more goes in parts, each under an id of its own', async () => {
    const log = openLog({ wanted: [2], passedBy: [2] })
    log.status = 422
    await log.deliver(3)
    log.certify(2, 2)
    log.status = 200
    log.redeliver()
    await log.deliver(2)
    expect(log.posted.slice(3)).toEqual([
      ['msg_1', ['p2.0']],
      ['msg_2', ['p2.1']],
    ])
    expect(log.letters).toEqual([])
  })
})

function positionAt(at: number): string {
  const places = new Map([
    [certified, { at, line: 0 }],
    [trackNumber({ partitionId: 1, stage: 'news' }), { at: 0, line: 0 }],
  ])
  return openTokenWriter({ partitionsUpTo: 1, places }, positions).token()
}

/** One partition with eight packets of one event, and one webhook that takes one message at a time. */
function openLog({ wanted, passedBy = [] }: { wanted: readonly number[]; passedBy?: readonly number[] }) {
  const events = new Map(
    Array.from({ length: 8 }, (_, packetNo): [number, number] => [
      packetNo,
      passedBy.includes(packetNo) ? 0 : 1,
    ]),
  )
  const readPieces: ReadPieces = async asked =>
    asked.map(({ track, from, until }) => {
      const end = track.stage === 'news' ? 0 : Math.min(until?.at ?? 8, 8)
      const numbers = [...events.keys()].filter(no => no >= from.at && no < end).slice(0, ROWS)
      return {
        pieces: numbers.map(no => pieceOf(no, events.get(no) ?? 0, wanted.includes(no), from)),
        more: numbers.length > 0 && (numbers.at(-1) ?? 0) + 1 < end,
      }
    })
  const filter = filterOf({ topics: [], filter: { types: ['wanted'] } })
  if (!filter.ok) throw new Error(filter.fault.detail)
  let ids = 0
  let partition: KnownPartition = {
    ...{ partitionId: 1, streamId: 'readings', partition: 0, level: levels[levels.length - 1] ?? 'basic' },
    ...{ topics: [], isKeyed: false },
    stream: { audience: 'public', published: true, tenantId: null, readers: [] },
  }
  const log = {
    status: 200,
    /** The id of each delivery, and the ids of its events. */
    posted: [] as [string, string[]][],
    letters: [] as DeadLetter[],
    row: {
      ...{
        subscriptionId: 'sub_1',
        holdToken: 1,
        ownerKey: 'owner',
        callbackUrl: 'https://receiver.example/',
      },
      ...{
        filter: filter.value,
        consent: 'given',
        ratePerMinute: null,
        position: positionAt(0),
        pending: null,
      },
      state: {
        ...{ attempts: 0, failingSinceMs: null, refusals: 0, refusedInARow: 0, batchNow: 1, batchMax: 1 },
      },
      nextTryMs: 0,
    } as Held,
    certify: (packetNo: number, count: number) => events.set(packetNo, count),
    mayRead(may: boolean) {
      partition = { ...partition, stream: { ...partition.stream, published: may } }
    },
    takeAnew() {
      one = kept(log.row)
    },
    redeliver(more: Partial<DeadLetter> = {}) {
      log.letters = log.letters.map(letter => ({ ...letter, ...more }))
      one.mayHaveLetters = true
      isAsked = true
    },
    async deliver(times: number) {
      for (let i = 0; i < times; i++)
        expect(await deliverNext(one, { ...deps, partitions: new Map([[1, partition]]) })).toBe(true)
    },
  }
  let [one, isAsked] = [kept(log.row), false]
  const deps: Omit<DeliverDeps, 'partitions'> = {
    ...{
      readPieces,
      readShared: readPieces,
      positions,
      source: 'urn:log',
      retryMs: [1, 1, 1],
      reader: { tenantIds: [] },
    },
    readOldest: async () => [],
    readEnds: async tracks => tracks.map(({ stage }) => ({ at: stage === 'news' ? 0 : 8, line: 0 })),
    bounds: { heldMax: 1, atOnce: 1, perHostAtOnce: 1, batchBytes: 1_000_000, partitionsMax: 200 },
    now: () => 1_000,
    chance: () => 0,
    newId: () => String(++ids),
    onCalled: () => undefined,
    stop: new AbortController().signal,
    events: {
      onTried: () => undefined,
      onLag: () => undefined,
      onConsent: () => undefined,
      onFailure(error) {
        throw error
      },
    },
    askConsent: async () => ({ given: true, ratePerMinute: null }),
    async post(_to, { webhookId, bytes }) {
      const event = JSON.parse(Buffer.from(bytes).toString())
      log.posted.push([webhookId, [event.id]])
      return { status: log.status, retryAfterMs: undefined, why: `it answered ${log.status}` }
    },
    store: {
      stay: async () => new Map(),
      leave: async () => undefined,
      take: async () => [],
      countUnheld: async () => 0,
      consented: async () => true,
      expire: async () => 0,
      async begin(_held, pending, position) {
        log.row = { ...log.row, pending, position }
        return true
      },
      async settle(_held, { position = log.row.position, pending = log.row.pending, state }) {
        log.row = { ...log.row, position, pending, state }
        return true
      },
      async setAside(_held, { position = log.row.position, state }, { webhookId, from, until }) {
        log.row = { ...log.row, position, pending: null, state }
        log.letters.push({ number: 1, webhookId, from, until })
        return true
      },
      letterDue: async () => (isAsked ? log.letters[0] : undefined),
      async shortenLetter(_held, letter) {
        log.letters = [letter]
        return true
      },
      async settleLetter() {
        log.letters = []
        return true
      },
    },
  }
  return log
}

function kept(row: Held) {
  const one = keep(row, positions)
  if (!one.ok) throw new Error(one.fault.detail)
  return one.value
}

function pieceOf(
  packetNo: number,
  count: number,
  isWanted: boolean,
  from: { at: number; line: number },
): Piece {
  const span = { from: { at: packetNo, line: 0 }, to: { at: packetNo + 1, line: 0 }, bytes: 1, sinceMs: null }
  if (count === 0) return { ...span, said: { kind: 'gap', reason: 'passed-by', packetNo } }
  const events = Array.from({ length: count }, (_, line) => ({
    ...{ kind: 'event' as const, eventId: `e${packetNo}.${line}`, sourceId: 'source' },
    ...{ type: isWanted ? 'wanted' : 'other', position: line, next: { at: packetNo, line: line + 1 } },
    ...{ eventTimeMs: null, ingestTimeMs: null, qualityFlags: 0, issues: [] },
    partitionKey: () => '',
    payload: () => null,
    record: () => null,
  })).filter(({ position }) => packetNo > from.at || position >= from.line)
  const packet = {
    ...{
      packetNo,
      packetId: `p${packetNo}`,
      firstSeq: packetNo,
      count,
      sourceIds: ['source'],
      versionId: 'v',
    },
    ...{ contentHash: null, certifiedMs: null, evidence: null, agents: [], certifier: null, agreeing: 1 },
    orchestration: null,
  }
  return { ...span, said: { kind: 'events', packet, events } }
}
