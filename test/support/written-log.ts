import type { Pool } from 'pg'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import type { Envelope } from '../../src/core/event/envelope.ts'
import { eventLine } from '../../src/core/event/line.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { PartitionRecord, Segment } from '../../src/core/log/entries.ts'
import { sealPacket } from '../../src/core/log/packet.ts'
import type { PacketHeader } from '../../src/core/log/packet-header.ts'
import { markAt, sampleEvent, record as sampleRecord } from '../core/log/sample-log.ts'

/** What one append of a log written by hand counts, and whether a packet ends behind it. */
export type Written = {
  readonly accepted?: number
  readonly duplicate?: number
  readonly rejected?: number
  readonly quarantined?: number
  readonly waived?: number
  readonly mark?: boolean
  /** The mark alone, as after a crash between it and its packet. */
  readonly unmade?: boolean
}

const policyDigest = 'aa'.repeat(32)
const rosterDigest = 'bb'.repeat(32)

/** A sound log of one partition of a stream of its own, put into an empty database row by row. Resolves with its id. */
export async function writeLog(
  pool: Pool,
  appends: readonly Written[],
  streamId = sampleRecord.streamId,
): Promise<number> {
  const record: PartitionRecord = {
    ...sampleRecord,
    streamId,
    partition: 0,
    shards: { by: 'key', index: 0, count: 1 },
  }
  const partitionId = await writePartition(pool, record)
  const totals = { received: 0, accepted: 0, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 }
  let [packetNo, sealedSeq, watermarkMs] = [0, 0, 0]
  let previous: PacketHeader | null = null
  let open: Segment[] = []
  for (const [appendNo, append] of appends.entries()) {
    const { accepted = 0, duplicate = 0, rejected = 0, quarantined = 0, waived = 0 } = append
    const received = accepted + duplicate + rejected + quarantined + waived
    const events = Array.from({ length: accepted }, (_, i) => eventOf(streamId, totals.accepted + i))
    const segment = accepted === 0 ? undefined : segmentOf(totals.accepted, events)
    await pool.query(
      `insert into segments (partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined,
          waived, policy_digest, constants, sources, first_event_ms, last_event_ms, appended_ms, lines)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15)`,
      [
        ...[
          partitionId,
          appendNo,
          totals.accepted,
          accepted,
          received,
          duplicate,
          rejected,
          quarantined,
          waived,
        ],
        ...(segment === undefined
          ? [null, null, null, null, null, null]
          : [
              ...[bytea(policyDigest), '{}', canonicalJson(segment.sources)],
              ...[segment.firstEventTimeMs, segment.lastEventTimeMs, segment.lines],
            ]),
      ],
    )
    for (const { eventId } of events)
      await pool.query('insert into event_ids values ($1, $2)', [totals.accepted, bytea(eventId)])
    await writeQuarantined(pool, partitionId, streamId, { quarantined, waived })
    totals.received += received
    totals.accepted += accepted
    totals.duplicate += duplicate
    totals.rejected += rejected
    totals.quarantined += quarantined
    totals.waived += waived
    if (segment !== undefined) open.push(segment)
    if (append.mark === true || append.unmade === true) {
      const mark = markAt(totals.accepted, { partition: 0, totals: { ...totals } })
      await writeMark(pool, partitionId, packetNo, appendNo + 1, mark)
      const sealed: ReturnType<typeof sealPacket> = sealPacket(record, previous, open, mark)
      const { packetId, header, bytes } = orThrow(sealed)
      if (append.unmade !== true)
        await pool.query('insert into packets values ($1, $2, $3, $4, $5, $6, $7, $8, 0)', [
          ...[partitionId, packetNo, bytea(packetId), canonicalJson(header), header.firstSeq, header.count],
          ...[bytes.length, bytea(header.rawHash)],
        ])
      previous = header
      packetNo += 1
      sealedSeq = totals.accepted
      watermarkMs = mark.watermarkMs
      open = []
    }
  }
  await pool.query(
    `insert into partition_heads (partition_id, next_seq, next_append, received, duplicate, rejected, quarantined,
        waived, next_packet, sealed_seq, watermark_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      ...[partitionId, totals.accepted, appends.length, totals.received, totals.duplicate, totals.rejected],
      ...[totals.quarantined, totals.waived, packetNo, sealedSeq, watermarkMs],
    ],
  )
  return partitionId
}

function segmentOf(firstSeq: number, events: readonly Envelope[]): Segment {
  const times = events.map(event => event.eventTimeMs)
  return {
    partition: 0,
    firstSeq,
    count: events.length,
    policyDigest,
    constants: {},
    firstEventTimeMs: Math.min(...times),
    lastEventTimeMs: Math.max(...times),
    sources: [{ sourceId: events[0]?.sourceId ?? '', authenticated: 'hmac' }],
    lines: utf8(events.map(event => `${orThrow(eventLine(event, {}))}\n`).join('')),
  }
}

function eventOf(streamId: string, seq: number): Envelope {
  const eventId = Buffer.from(`${streamId} ${seq}`.padEnd(32)).toString('hex').slice(0, 64)
  return sampleEvent(seq, { streamId, eventId })
}

async function writePartition(pool: Pool, record: PartitionRecord): Promise<number> {
  const { streamId, log, network, level, audience } = record
  await pool.query(`insert into policy_sets values ($1, '{}', 0) on conflict do nothing`, [
    bytea(policyDigest),
  ])
  await pool.query(
    `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
        created_ms, updated_ms) values ($1, $2, $3, 'key', 1, 'iot', $4, 2000, 0, 0)`,
    [streamId, audience, level, bytea(policyDigest)],
  )
  const { rows } = await pool.query<{ id: number }>(
    `insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
        opened_ms) values ($1, 0, $2, $3, $4, $5, 'key', 0, 1, 0) returning id`,
    [streamId, bytea(log), network, level, audience],
  )
  return rows[0]?.id ?? 0
}

async function writeQuarantined(
  pool: Pool,
  partitionId: number,
  streamId: string,
  { quarantined, waived }: { quarantined: number; waived: number },
): Promise<void> {
  for (let i = 0; i < quarantined; i++)
    await pool.query(
      `insert into quarantine (partition_id, stream_id, source_id, reason, detail, held, authenticated, received_ms)
        values ($1, $2, 'farm-1', 'stale-event-time', 'the event is old', '{"carried":{},"payload":1}', 'hmac', 0)`,
      [partitionId, streamId],
    )
  await pool.query(
    `update quarantine set state = 'waived' where id in (
        select id from quarantine where partition_id = $1 and state = 'held' order by id limit $2)`,
    [partitionId, waived],
  )
}

async function writeMark(
  pool: Pool,
  partitionId: number,
  packetNo: number,
  upToAppend: number,
  { upToSeq, watermarkMs, totals }: ReturnType<typeof markAt>,
): Promise<void> {
  await pool.query(
    `insert into seal_marks (partition_id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest,
        roster_digest, received, duplicate, rejected, quarantined, waived, because, marked_ms)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'time', 0)`,
    [
      ...[partitionId, packetNo, upToSeq, upToAppend, watermarkMs, bytea(policyDigest), bytea(rosterDigest)],
      ...[totals.received, totals.duplicate, totals.rejected, totals.quarantined, totals.waived],
    ],
  )
}
