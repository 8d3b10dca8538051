import type { Pool } from 'pg'
import type { Envelope } from '../../core/event/envelope.ts'
import { readLine } from '../../core/event/line.ts'
import { orThrow } from '../../core/fault.ts'
import type { EventState } from '../../core/jobs/lifecycle.ts'
import type { ReadableStream, Reader } from '../../core/registry/may-read.ts'
import { hexOf } from '../postgres/sql.ts'
import { readableSql, readerValues } from '../reading/readable.ts'
import { readConstants } from './read-segments.ts'
import { scanSegment } from './scan-segment.ts'

/** An event, where it stands, and what has become of it. */
export type FoundEvent = {
  readonly eventId: string
  readonly stream: EventStream
  readonly partition: number
  readonly seq: number
  readonly sourceId: string
  readonly type: string
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
  readonly flags: number
  /** Undefined where the log keeps only digests of its lines. */
  readonly envelope: Envelope | undefined
  /** From here on null, or as received, while its packet is not sealed, or nothing is known beyond that. */
  readonly packetNo: number | null
  readonly packetId: string | null
  readonly state: EventState
  readonly contentHash: string | null
  readonly versionId: string | null
  readonly evidence: unknown
  /** local: processed by one node alone, which is nobody's consensus. */
  readonly orchestration: 'quorum' | 'local' | null
  /** What certifiers outside say: beside the verdict, and never counted in it. */
  readonly outside: readonly OutsideVerdict[]
  readonly lastError: string | null
  readonly changedMs: number
}

export type OutsideVerdict = {
  readonly provider: string
  readonly state: 'due' | 'answered' | 'dead'
  /** As it was answered; it may be no version of anything. */
  readonly versionId: string | null
  readonly isKnownVersion: boolean
  readonly attempts: number
  readonly lastError: string | null
  readonly answeredMs: number | null
}

export type EventStream = ReadableStream & { readonly streamId: string }

/**
 * `behind`: so much is not projected yet that it cannot be said. Events of streams that the reader may not read are looked for
 * nowhere, so that whether there is one changes neither the answer nor what it takes to give it.
 */
export type FindEvent = (eventId: string, reader: Reader) => Promise<FoundEvent | 'behind' | undefined>

/** Of lines that are not projected yet, the newest. */
export const tailBytesMax = 64 * 1024 * 1024

/** Looks where the projections are, then in what they have not reached: an event is found once it is answered for. */
export function openFindEvent(pool: Pool, { tailMax = tailBytesMax } = {}): FindEvent {
  return async (eventId, reader) => {
    const projected = await findProjected(pool, eventId, reader)
    if (projected !== undefined) return projected
    const tail = await findInTail(pool, eventId, reader, tailMax)
    if (tail.found !== undefined) return tail.found
    // Between the two looks it may have gone from the one place to the other.
    return (await findProjected(pool, eventId, reader)) ?? (tail.isCut ? 'behind' : undefined)
  }
}

const streamColumns = `stream.stream_id as "streamId", stream.audience, stream.published,
  stream.tenant_id as "tenantId", stream.readers`

type StreamRow = EventStream

type ProjectedRow = StreamRow & {
  readonly partition: number
  readonly seq: number
  readonly sourceId: string
  readonly type: string
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
  readonly flags: number
  readonly packetNo: number | null
  readonly packetId: Uint8Array | null
  readonly state: EventState
  readonly contentHash: Uint8Array | null
  readonly versionId: Uint8Array | null
  readonly evidence: unknown
  readonly orchestration: FoundEvent['orchestration']
  readonly outside: readonly OutsideVerdict[]
  readonly lastError: string | null
  readonly changedMs: number
  readonly constants: string
  readonly line: string | null
}

export const findProjectedSql = `
  select ${streamColumns}, event.partition, event.seq, event.source_id as "sourceId", event.event_type as type,
      event.event_ms as "eventTimeMs", round(extract(epoch from event.ingested_at) * 1000)::bigint as "ingestTimeMs",
      event.flags, event.packet_no as "packetNo", event.packet_id as "packetId", event.state,
      event.content_hash as "contentHash", event.version_id as "versionId",
      event.certification_evidence as evidence, event.orchestration, event.last_error as "lastError",
      array(select jsonb_build_object('provider', verdict.url, 'state', verdict.state, 'versionId', verdict.version_id,
          'isKnownVersion', coalesce(verdict.is_known_version, false), 'attempts', verdict.attempts,
          'lastError', verdict.last_error, 'answeredMs', verdict.answered_ms)
        from external_verdicts as verdict where verdict.event_id = event.event_id order by verdict.url) as outside,
      round(extract(epoch from coalesce(event.changed_at, event.ingested_at)) * 1000)::bigint as "changedMs",
      segment.constants,
      convert_from(substring(segment.lines from event.line_at + 1 for event.line_bytes), 'UTF8') as line
    from placed_events as event
    join streams as stream on stream.stream_id = event.stream_id
    cross join lateral (
      select constants, lines from segments
        where partition_id = event.partition_id and first_seq <= event.seq and count > 0
        order by first_seq desc limit 1) as segment
    where event.era = any(array(select era from projection_eras))
      and substr(event.event_id, 1, 8) = substr($1::bytea, 1, 8) and event.event_id = $1
      and ${readableSql('stream', 2)}`

async function findProjected(pool: Pool, eventId: string, reader: Reader): Promise<FoundEvent | undefined> {
  const { rows } = await pool.query<ProjectedRow>({
    name: 'find-projected',
    text: findProjectedSql,
    values: [Buffer.from(eventId, 'hex'), ...readerValues(reader)],
  })
  const [row] = rows
  if (row === undefined) return undefined
  return {
    eventId,
    stream: streamOf(row),
    partition: row.partition,
    seq: row.seq,
    sourceId: row.sourceId,
    type: row.type,
    eventTimeMs: row.eventTimeMs,
    ingestTimeMs: row.ingestTimeMs,
    flags: row.flags,
    envelope: row.line === null ? undefined : orThrow(readLine(row.line, readConstants(row.constants))),
    packetNo: row.packetNo,
    packetId: row.packetId && hexOf(row.packetId),
    state: row.state,
    contentHash: row.contentHash && hexOf(row.contentHash),
    versionId: row.versionId && hexOf(row.versionId),
    evidence: row.evidence,
    orchestration: row.orchestration,
    outside: row.outside,
    lastError: row.lastError,
    changedMs: row.changedMs,
  }
}

function streamOf({ streamId, audience, published, tenantId, readers }: StreamRow): EventStream {
  return { streamId, audience, published, tenantId, readers }
}

type TailRow = StreamRow & {
  readonly tailBytes: number
  readonly partition: number
  readonly firstSeq: number | null
  readonly constants: string
  readonly lines: Uint8Array
}

/** The newest lines first, which are those that somebody asks for who has just sent them. */
const tailSql = `
  with tail as materialized (
    select segment.partition_id, segment.append_no,
        sum(octet_length(segment.lines)) over (order by segment.appended_ms desc, segment.partition_id,
          segment.append_no desc) as upto
      from partition_heads as head
      join partitions as opened on opened.id = head.partition_id
      join streams as stream on stream.stream_id = opened.stream_id
      left join projection_positions as position on position.partition_id = head.partition_id
      join segments as segment on segment.partition_id = head.partition_id
        and segment.append_no >= coalesce(position.next_append, 0) and segment.count > 0
      where head.next_append > coalesce(position.next_append, 0) and ${readableSql('stream', 3)}
  ), size as (select coalesce(max(upto), 0)::bigint as bytes from tail)
  select size.bytes as "tailBytes", held.*
    from size left join lateral (
      select ${streamColumns}, opened.partition, segment.first_seq as "firstSeq", segment.constants, segment.lines
        from tail
        -- The offset keeps the planner from looking into all lines first, to join them with these afterwards.
        cross join lateral (select * from segments
          where partition_id = tail.partition_id and append_no = tail.append_no offset 0) as segment
        join partitions as opened on opened.id = segment.partition_id
        join streams as stream on stream.stream_id = opened.stream_id
        where tail.upto <= $2 and position($1::bytea in segment.lines) > 0
        limit 8) as held on true`

async function findInTail(
  pool: Pool,
  eventId: string,
  reader: Reader,
  bytesMax: number,
): Promise<{ found: FoundEvent | undefined; isCut: boolean }> {
  const { rows } = await pool.query<TailRow>({
    name: 'find-in-tail',
    text: tailSql,
    values: [Buffer.from(`"eventId":"${eventId}"`), bytesMax, ...readerValues(reader)],
  })
  const isCut = (rows[0]?.tailBytes ?? 0) > bytesMax
  for (const row of rows) {
    if (row.firstSeq === null) continue
    const constants = readConstants(row.constants)
    const scanned = scanSegment(Buffer.from(row.lines).toString('latin1'), constants)
    // A payload can hold the same words as the line of an event.
    const at = scanned.findIndex(event => event.eventId === eventId)
    const event = scanned[at]
    if (event === undefined) continue
    const { sourceId, type, eventTimeMs, ingestTimeMs, flags, lineAt, lineBytes } = event
    const line = Buffer.from(row.lines.buffer, row.lines.byteOffset + lineAt, lineBytes).toString('utf8')
    const found: FoundEvent = {
      ...{ eventId, sourceId, type, eventTimeMs, ingestTimeMs, flags },
      stream: streamOf(row),
      partition: row.partition,
      seq: row.firstSeq + at,
      envelope: orThrow(readLine(line, constants)),
      packetNo: null,
      packetId: null,
      state: 'received',
      contentHash: null,
      versionId: null,
      evidence: null,
      orchestration: null,
      outside: [],
      lastError: null,
      changedMs: ingestTimeMs,
    }
    return { found, isCut }
  }
  return { found: undefined, isCut }
}
