import type { Pool } from 'pg'
import type { Place } from '../../../core/live/track.ts'
import type {
  GapReason,
  LiveEvent,
  Piece,
  ReadEnds,
  ReadOldest,
  ReadPieces,
  Wanted,
} from '../../../serve/live/piece.ts'
import { openKeptLines, type ReadPayload } from '../../log/kept-lines.ts'
import { numbers } from '../../postgres/sql.ts'
import { EVENT_OVERHEAD_BYTES, PIECE_EVENTS_MAX } from './bounds.ts'
import { certifiedLines } from './certified-lines.ts'
import { notTheDatabase } from './not-the-database.ts'
import { readNews, readNewsEnd } from './read-news.ts'
import { readOldest } from './read-oldest.ts'
import {
  type ReadPacket,
  readFurthestEnds,
  readPacketEnds,
  readPackets,
  type SignaturesOf,
  spanOf,
} from './read-packets.ts'
import { LinesGone, readReceived } from './read-received.ts'

export type LiveReaderDeps = {
  readonly pool: Pool
  /** Packets and certified outputs by their hash; undefined where they are not here any more. */
  readonly readPayload: ReadPayload
  readonly signaturesOf: SignaturesOf
  now(): number
  /** What is kept cannot be read; those who follow are told of a gap. */
  onUnreadable(error: unknown): void
}

export type LiveReader = {
  readonly readPieces: ReadPieces
  readonly readEnds: ReadEnds
  readonly readOldest: ReadOldest
}

/** What stands on tracks, read from the log, from the states of packets, and from what was certified. */
export function openLiveReader({
  pool,
  readPayload,
  signaturesOf,
  now,
  onUnreadable,
}: LiveReaderDeps): LiveReader {
  const keptLines = openKeptLines(pool, async rawHash => {
    const bytes = await readPayload(rawHash)
    if (bytes === undefined) throw new LinesGone(rawHash)
    return bytes
  })
  const received = { pool, keptLines, onUnreadable }

  const piecesOf = async (packet: ReadPacket, wanted: Wanted): Promise<Piece[]> => {
    const { stage } = wanted.track
    const span = spanOf(packet.facts, stage)
    if (stage === 'certified')
      return certifiedPieces(packet, wanted, readPayload).catch(async (error: unknown): Promise<Piece[]> => {
        // One object that cannot be read keeps nobody from all others.
        await notTheDatabase(error, pool)
        onUnreadable(error)
        const { packetNo } = packet.facts
        const said = { kind: 'gap', reason: 'unreadable', packetNo } as const
        return [{ ...span, said, bytes: EVENT_OVERHEAD_BYTES, sinceMs: null }]
      })
    const whole = { ...span, bytes: EVENT_OVERHEAD_BYTES, sinceMs: packet.sinceMs }
    if (!wanted.withEvents) return [{ ...whole, said: { kind: 'packet', packet: packet.facts } }]
    const events = await eventsOf(packet, wanted)
    return typeof events === 'string'
      ? [{ ...whole, said: { kind: 'gap', reason: events, packetNo: packet.facts.packetNo } }]
      : [
          {
            ...whole,
            said: { kind: 'events', events, packet: packet.facts },
            bytes: EVENT_OVERHEAD_BYTES * (1 + events.length),
          },
        ]
  }

  /** As they were received; or why they are not told. */
  const eventsOf = async (
    { facts: { firstSeq, count } }: ReadPacket,
    { track: { partitionId } }: Wanted,
  ): Promise<LiveEvent[] | GapReason> => {
    const events: LiveEvent[] = []
    const until = { at: firstSeq + count, line: 0 }
    for (let at = firstSeq; at < until.at; ) {
      const wanted = { track: { partitionId, stage: 'received' as const }, from: { at, line: 0 }, until }
      const [read] = await readReceived([wanted], received)
      if (read === undefined || read.pieces.length === 0) return 'expired'
      for (const { said, to } of read.pieces) {
        if (said.kind !== 'events') return said.kind === 'gap' ? said.reason : 'expired'
        events.push(...said.events)
        at = to.at
      }
    }
    return events
  }

  const readPacketPieces = async (wanted: readonly Wanted[]) => {
    const read = await readPackets(wanted, { pool, signaturesOf, nowMs: now() })
    const answers: { pieces: Piece[]; more: boolean }[] = []
    for (const [i, each] of wanted.entries()) {
      const { steps, more } = read[i] ?? { steps: [], more: false }
      const pieces: Piece[] = []
      for (const step of steps)
        pieces.push(...(step.kind === 'gap' ? [step.piece] : await piecesOf(step.packet, each)))
      answers.push({ pieces: withoutHoles(pieces, each.from), more })
    }
    return answers
  }

  const oldestOf: ReadOldest = tracks => readOldest(tracks, { pool, nowMs: now() })

  return {
    async readPieces(wanted) {
      const of = {
        received: indexesOf(wanted, 'received'),
        news: indexesOf(wanted, 'news'),
        packets: indexesOf(wanted),
      }
      const chosen = (indexes: readonly number[]) => indexes.flatMap(i => wanted[i] ?? [])
      const answers: { pieces: readonly Piece[]; more: boolean }[] = wanted.map(() => ({
        pieces: [],
        more: false,
      }))
      const put = (indexes: readonly number[], read: readonly { pieces: Piece[]; more: boolean }[]) => {
        for (const [i, index] of indexes.entries()) {
          const its = read[i]
          if (its !== undefined) answers[index] = { pieces: its.pieces, more: its.more }
        }
      }
      put(of.received, await readReceived(chosen(of.received), received))
      put(of.packets, await readPacketPieces(chosen(of.packets)))
      put(of.news, await readNews(chosen(of.news), pool))
      return withOldest(wanted, answers, oldestOf)
    },
    readOldest: oldestOf,
    async readEnds(tracks, ever) {
      const ends: Place[] = tracks.map(() => ({ at: 0, line: 0 }))
      const of = {
        received: stagesAt(tracks, 'received'),
        news: stagesAt(tracks, 'news'),
        packets: stagesAt(tracks),
      }
      const put = (indexes: readonly number[], read: readonly Place[]) => {
        for (const [i, index] of indexes.entries()) ends[index] = read[i] ?? { at: 0, line: 0 }
      }
      const chosen = (indexes: readonly number[]) => indexes.flatMap(i => tracks[i] ?? [])
      // News first: what happens while the others are read is then told, and not lost.
      if (of.news.length > 0) {
        const end = await readNewsEnd(pool)
        put(
          of.news,
          of.news.map(() => end),
        )
      }
      put(
        of.received,
        await readReceivedEnds(
          chosen(of.received).map(({ partitionId }) => partitionId),
          pool,
        ),
      )
      put(
        of.packets,
        ever === 'ever'
          ? await readFurthestEnds(chosen(of.packets), pool)
          : await readPacketEnds(chosen(of.packets), { pool, nowMs: now() }),
      )
      return ends
    },
  }
}

type Answer = Awaited<ReturnType<ReadPieces>>[number]

/** Whoever is told that something has expired is told where the rest begins. */
async function withOldest(
  wanted: readonly Wanted[],
  answers: readonly Answer[],
  oldestOf: ReadOldest,
): Promise<readonly Answer[]> {
  const hasExpired = ({ said }: Piece) => said.kind === 'gap' && said.reason === 'expired'
  const short = wanted.filter((_, i) => answers[i]?.pieces.some(hasExpired))
  if (short.length === 0) return answers
  const places = await oldestOf(short)
  const oldest = new Map(short.map((each, i) => [each, places[i]]))
  return answers.map(({ pieces, more }, i) => {
    const its = wanted[i] && oldest.get(wanted[i])
    const named = (piece: Piece): Piece =>
      its !== undefined && piece.said.kind === 'gap' && piece.said.reason === 'expired'
        ? { ...piece, said: { ...piece.said, oldest: its } }
        : piece
    return { pieces: pieces.map(named), more }
  })
}

function indexesOf(wanted: readonly Wanted[], stage?: 'received' | 'news'): number[] {
  return stagesAt(
    wanted.map(({ track }) => track),
    stage,
  )
}

/** Of all others where no stage is named. */
function stagesAt(tracks: readonly Wanted['track'][], stage?: 'received' | 'news'): number[] {
  return tracks.flatMap((track, i) => {
    const isPackets = track.stage !== 'received' && track.stage !== 'news'
    return (stage === undefined ? isPackets : track.stage === stage) ? [i] : []
  })
}

async function readReceivedEnds(partitionIds: readonly number[], pool: Pool): Promise<Place[]> {
  if (partitionIds.length === 0) return []
  const { rows } = await pool.query<{ at: number | null }>({
    name: 'live-ends',
    text: `select head.next_seq as at from unnest($1::integer[]) with ordinality as asked (partition_id, turn)
      left join partition_heads as head using (partition_id) order by turn`,
    values: [numbers(partitionIds)],
  })
  return rows.map(({ at }) => ({ at: at ?? 0, line: 0 }))
}

async function certifiedPieces(
  { facts, constants, sinceMs }: ReadPacket,
  { from }: Wanted,
  readPayload: ReadPayload,
): Promise<Piece[]> {
  const { packetNo, count, contentHash } = facts
  const span = spanOf(facts, 'certified')
  const output = contentHash === null ? undefined : await readPayload(contentHash)
  if (output === undefined)
    return [
      {
        ...span,
        said: { kind: 'gap', reason: 'expired', packetNo },
        bytes: EVENT_OVERHEAD_BYTES,
        sinceMs: null,
      },
    ]
  const lines = certifiedLines(output, { packetNo, count, constants })
  const first = from.at === packetNo ? from.line : 0
  const pieces: Piece[] = []
  for (let line = first; line < lines.length || pieces.length === 0; line += PIECE_EVENTS_MAX) {
    const events = lines.slice(line, line + PIECE_EVENTS_MAX)
    const isLast = line + PIECE_EVENTS_MAX >= lines.length
    pieces.push({
      from: { at: packetNo, line },
      to: isLast ? span.to : { at: packetNo, line: line + PIECE_EVENTS_MAX },
      said: { kind: 'events', events, packet: facts },
      bytes:
        events.length * EVENT_OVERHEAD_BYTES +
        Math.ceil((output.length * events.length) / Math.max(1, lines.length)),
      sinceMs,
    })
  }
  return pieces
}

/** Up to the first packet that is not there yet, though one behind it is. */
function withoutHoles(pieces: readonly Piece[], from: Place): Piece[] {
  const row: Piece[] = []
  let at = from.at
  for (const piece of pieces) {
    if (piece.from.at > at) break
    row.push(piece)
    at = piece.to.at
  }
  return row
}
