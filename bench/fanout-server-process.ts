import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express, { Router } from 'express'
import { WebSocketServer } from 'ws'
import { openSealedPositions } from '../src/adapters/reading/live/sealed-positions.ts'
import { anybody } from '../src/core/registry/may-read.ts'
import { openLiveDoor } from '../src/http/read/live/live-door.ts'
import { type Hub, openHub } from '../src/serve/live/hub.ts'
import { readLiveFilter } from '../src/serve/live/live-filter.ts'
import type { LiveEvent, Piece } from '../src/serve/live/piece.ts'
import { hubBounds } from '../src/serve/live/ports.ts'
import { sayToWatchers } from '../src/serve/live/watch-messages.ts'
import { answerAsked } from './fanout/ask-process.ts'
import { type ServerCommand, serverCommand } from './fanout/messages.ts'

/* The process that tells: this node's hub and door over a log in memory, or `ws` alone with the same messages. */

const TELL_MS = 80
const partition = {
  ...({
    partitionId: 1,
    streamId: 'readings',
    partition: 0,
    level: 'basic',
    topics: [],
    isKeyed: false,
  } as const),
  stream: { audience: 'public', published: true, tenantId: null, readers: [] } as const,
}
const log: Piece[] = []
const endOf = () => log.at(-1)?.to ?? { at: 0, line: 0 }

type Contender = { readonly server: Server; tell(piece: Piece): void; flush(): Promise<unknown> }
let contender: Contender | undefined

answerAsked(serverCommand, obey)

async function obey(asked: ServerCommand): Promise<object> {
  if (asked.what === 'open') {
    contender = asked.contender === 'assay' ? openAssay() : openBare()
    const { server } = contender
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', 4_096, resolve))
    return { port: (server.address() as AddressInfo).port }
  }
  if (contender === undefined) throw new Error('a contender is opened before anything else is asked of it')
  if (asked.what === 'tell') return tell(asked, contender)
  globalThis.gc?.()
  return { rss: process.memoryUsage().rss }
}

async function tell(
  { perSecond, events, ms }: Extract<ServerCommand, { what: 'tell' }>,
  { tell: tellOne, flush }: Contender,
): Promise<object> {
  const before = process.cpuUsage()
  const startedMs = performance.now()
  let messages = 0
  while (performance.now() - startedMs < ms) {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * perSecond)
    for (; messages < due; messages++) tellOne(pieceOf(events))
    await flush()
    await sleep(TELL_MS)
  }
  await flush()
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - startedMs, messages }
}

function openAssay(): Contender {
  const positions = openSealedPositions(new Uint8Array(32))
  const hub: Hub = openHub({
    readPieces: async wanted =>
      wanted.map(({ from, until }) => ({
        pieces: log.filter(piece => piece.from.at >= from.at && piece.to.at <= (until?.at ?? Infinity)),
        more: false,
      })),
    readOldest: async () => [],
    readEnds: async tracks => tracks.map(endOf),
    readPartitions: async () => [partition],
    lookSoon: () => undefined,
    findReader: async () => anybody,
    positions,
    now: Date.now,
    bounds: hubBounds,
    events: {
      onDelivered: () => undefined,
      onLag: () => undefined,
      onEnded: (_, reason) => reason !== 'left' && console.error('a client was let go:', reason),
      onFailure: error => console.error(error),
    },
  })
  const door = openLiveDoor({
    hub,
    tickets: { give: async () => undefined, take: async () => undefined },
    findReader: async () => anybody,
    positions,
    authentication: {
      routes: Router(),
      namesIdentity: () => false,
      requireIdentity: () => (_, response) => void response.sendStatus(401),
    },
    bounds: {
      ...{ watchClientsMax: 10_000, eventsClientsMax: 10_000, perAddressMax: 10_000 },
      ...{ sseEnabled: true, webSocketEnabled: true, pingMs: 15_000 },
    },
    addressOf: request => request.socket.remoteAddress,
    onFailure: error => console.error(error),
    onSocketFailure: error => console.error(error),
  })
  const server = createServer(express().use(door.routes))
  door.upgrade(server)
  return {
    server,
    tell(piece) {
      log.push(piece)
      // The tail keeps what is needed of it.
      if (log.length > 64) log.shift()
      hub.wake('received', [1])
    },
    flush: hub.look,
  }
}

/** What everybody writes first: one text to each client, message by message. */
function openBare(): Contender {
  const server = createServer()
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  const filter = readLiveFilter(new URLSearchParams('status=received'))
  if (!filter.ok) throw new Error('the filter cannot be read')
  return {
    server,
    tell(piece) {
      const track = { partitionId: 1, stage: 'received' } as const
      for (const { json } of sayToWatchers(piece, { track, partition }, filter.value, { reduced: false }))
        for (const client of sockets.clients) client.send(json)
    },
    flush: async () => undefined,
  }
}

let seq = 0
function pieceOf(count: number): Piece {
  const from = { at: seq, line: 0 }
  const events = Array.from({ length: count }, () => eventAt(seq++))
  return {
    ...{ from, to: { at: seq, line: 0 }, bytes: 500 * count, sinceMs: null },
    said: { kind: 'events', events, packet: null },
  }
}

function eventAt(position: number): LiveEvent {
  return {
    kind: 'event',
    eventId: createHash('sha256').update(String(position)).digest('hex'),
    ...{ sourceId: 'farm-001', type: 'reading', position, next: { at: position + 1, line: 0 } },
    ...{ eventTimeMs: 0, ingestTimeMs: 0, qualityFlags: 0, issues: [] },
    partitionKey: () => 'farm-001',
    payload: () => null,
    record: () => null,
  }
}
