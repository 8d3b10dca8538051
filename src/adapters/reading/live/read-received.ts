import type { Pool } from 'pg'
import type { Json } from '../../../core/canonical-json.ts'
import type { LineConstants } from '../../../core/event/line.ts'
import type { Place } from '../../../core/live/track.ts'
import type { GapReason, LiveEvent, Piece, Wanted } from '../../../serve/live/piece.ts'
import type { KeptLines } from '../../log/kept-lines.ts'
import { numbers } from '../../postgres/sql.ts'
import { readConstants } from '../../projections/read-segments.ts'
import { type ScannedEvent, scanSegment } from '../../projections/scan-segment.ts'
import { bytesEach, EVENT_OVERHEAD_BYTES, PIECE_EVENTS_MAX, TRACK_ROWS_MAX } from './bounds.ts'
import { notTheDatabase } from './not-the-database.ts'

export type ReceivedDeps = {
  readonly pool: Pool
  /** What segments have given up; rejects with `LinesGone` where nobody has it any more. */
  readonly keptLines: KeptLines
  /** What is kept cannot be read; those who follow are told of a gap. */
  onUnreadable(error: unknown): void
}

export class LinesGone extends Error {}

type SegmentRow = {
  readonly turn: number
  readonly partitionId: number
  readonly firstSeq: number
  readonly count: number
  readonly constants: string
  readonly appendedMs: number
  readonly bytesUpTo: number
  readonly lines: string | null
}

/** Events as the log has them, without gaps: sequence and segment are committed together. */
export async function readReceived(
  wanted: readonly Pick<Wanted, 'track' | 'from' | 'until'>[],
  deps: ReceivedDeps,
): Promise<{ pieces: Piece[]; more: boolean }[]> {
  if (wanted.length === 0) return []
  const bytesMax = bytesEach(wanted.length)
  const { rows } = await deps.pool.query<SegmentRow>({
    name: 'live-segments',
    text: `select reach.turn, reach.partition_id as "partitionId", first_seq as "firstSeq", count, constants,
        appended_ms as "appendedMs", bytes_up_to as "bytesUpTo", convert_from(lines, 'LATIN1') as lines
      from unnest($1::integer[], $2::bigint[], $3::bigint[]) with ordinality
        as reach (partition_id, from_seq, until_seq, turn)
      cross join lateral (
        select first_seq, count, constants, appended_ms, lines,
            sum(coalesce(octet_length(lines), 0)) over (order by first_seq) as bytes_up_to
          from segments as segment
          where segment.partition_id = reach.partition_id and count > 0 and first_seq < reach.until_seq
            and first_seq >= coalesce((select first_seq from segments as at
              where at.partition_id = reach.partition_id and at.count > 0 and at.first_seq <= reach.from_seq
              order by at.first_seq desc limit 1), reach.from_seq)
          order by first_seq limit ${TRACK_ROWS_MAX}) as there
      where bytes_up_to - coalesce(octet_length(lines), 0) < $4 and first_seq + count > reach.from_seq
      order by reach.turn, first_seq`,
    values: [
      numbers(wanted.map(({ track }) => track.partitionId)),
      numbers(wanted.map(({ from }) => from.at)),
      numbers(wanted.map(({ until }) => until?.at ?? Number.MAX_SAFE_INTEGER)),
      bytesMax,
    ],
  })
  const answers = wanted.map(() => ({ pieces: [] as Piece[], more: false, rows: 0 }))
  for (const row of rows) {
    const [answer, asked] = [answers[row.turn - 1], wanted[row.turn - 1]]
    if (answer === undefined || asked === undefined) continue
    const until = asked.until?.at ?? Number.POSITIVE_INFINITY
    answer.pieces.push(...(await piecesOf(row, asked.from.at, until, deps)))
    answer.rows += 1
    answer.more = answer.rows >= TRACK_ROWS_MAX - 1 || row.bytesUpTo >= bytesMax
  }
  return answers
}

async function piecesOf(row: SegmentRow, from: number, until: number, deps: ReceivedDeps): Promise<Piece[]> {
  const { firstSeq, count } = row
  const [start, end] = [Math.max(firstSeq, from), Math.min(firstSeq + count, until)]
  const read = await readSegment(row, deps)
  if (typeof read === 'string') return [gapFrom(start, end, read)]
  const { scanned, ...segment } = read
  const { lines } = segment
  const pieces: Piece[] = []
  for (let at = start; at < end; at += PIECE_EVENTS_MAX) {
    const next = Math.min(end, at + PIECE_EVENTS_MAX)
    const events = scanned
      .slice(at - firstSeq, next - firstSeq)
      .map((event, i) => new ReceivedEvent(event, at + i, segment))
    pieces.push({
      from: { at, line: 0 },
      to: { at: next, line: 0 },
      said: { kind: 'events', events, packet: null },
      bytes: events.length * EVENT_OVERHEAD_BYTES + Math.ceil((lines.length * events.length) / count),
      sinceMs: row.appendedMs,
    })
  }
  return pieces
}

/** One that cannot be read keeps nobody from all others; a database that cannot be asked does. */
async function readSegment(
  row: SegmentRow,
  { pool, keptLines, onUnreadable }: ReceivedDeps,
): Promise<(Segment & { readonly scanned: ScannedEvent[] }) | 'expired' | 'unreadable'> {
  try {
    const [lines, constants] = [await linesOf(row, keptLines), readConstants(row.constants)]
    return { lines, constants, scanned: scanSegment(lines, constants) }
  } catch (error) {
    if (error instanceof LinesGone) return 'expired'
    await notTheDatabase(error, pool)
    onUnreadable(error)
    return 'unreadable'
  }
}

/** A character per byte. */
async function linesOf(
  { partitionId, firstSeq, count, lines }: SegmentRow,
  keptLines: KeptLines,
): Promise<string> {
  if (lines !== null) return lines
  const kept = await keptLines(partitionId, firstSeq, count)
  return Buffer.from(kept.buffer, kept.byteOffset, kept.length).toString('latin1')
}

function gapFrom(at: number, to: number, reason: GapReason): Piece {
  return {
    from: { at, line: 0 },
    to: { at: to, line: 0 },
    said: { kind: 'gap', reason, packetNo: null },
    bytes: EVENT_OVERHEAD_BYTES,
    sinceMs: null,
  }
}

type Line = { readonly payload?: Json; readonly partitionKey?: string }
type Segment = { readonly lines: string; readonly constants: LineConstants }

/** Made by the ten thousand a second: what is in its line is read where somebody asks for it. */
class ReceivedEvent implements LiveEvent {
  readonly kind = 'event'
  readonly issues: readonly string[] = noIssues
  readonly position: number
  readonly #scanned: ScannedEvent
  readonly #segment: Segment
  #read: ReadLine | undefined

  constructor(scanned: ScannedEvent, seq: number, segment: Segment) {
    this.position = seq
    this.#scanned = scanned
    this.#segment = segment
  }

  get eventId(): string {
    return this.#scanned.eventId
  }

  get sourceId(): string {
    return this.#scanned.sourceId
  }

  get type(): string {
    return this.#scanned.type
  }

  get eventTimeMs(): number {
    return this.#scanned.eventTimeMs
  }

  get ingestTimeMs(): number {
    return this.#scanned.ingestTimeMs
  }

  get qualityFlags(): number {
    return this.#scanned.flags
  }

  get next(): Place {
    return { at: this.position + 1, line: 0 }
  }

  partitionKey(): string {
    return this.#segment.constants.partitionKey ?? this.#whole().partitionKey ?? ''
  }

  payload(): Json {
    return this.#whole().payload ?? null
  }

  record(): Json {
    return null
  }

  #whole(): Line {
    const { lineAt, lineBytes } = this.#scanned
    const { lines } = this.#segment
    const known = this.#read?.line
    if (known !== undefined) return known
    const line = JSON.parse(
      Buffer.from(lines.slice(lineAt, lineAt + lineBytes), 'latin1').toString('utf8'),
    ) as Line
    this.#read = { line, bytes: lineBytes }
    remember(this.#read)
    return line
  }
}

/** By itself, so that who remembers it keeps neither the event nor its segment. */
type ReadLine = { line: Line | undefined; readonly bytes: number }

/** Several who follow ask what is in a line one after the other; for those who come later it is read again. */
const READ_BYTES_MAX = 4 * 1024 * 1024
const readLately = new Set<ReadLine>()
let readBytes = 0

function remember(read: ReadLine): void {
  readLately.add(read)
  readBytes += read.bytes
  if (readBytes <= READ_BYTES_MAX) return
  // Half of it at once: a set is slow to begin with its oldest where many before it have gone.
  for (const oldest of readLately) {
    if (readBytes <= READ_BYTES_MAX / 2) break
    readLately.delete(oldest)
    readBytes -= oldest.bytes
    oldest.line = undefined
  }
}

const noIssues: readonly string[] = []
