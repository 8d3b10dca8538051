import pg from 'pg'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'
import { toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Segment } from '../../src/core/log/entries.ts'
import { readPartitionRecord, readSealMark } from '../../src/core/log/entries.ts'
import { sealPacket } from '../../src/core/log/packet.ts'
import type { PacketHeader } from '../../src/core/log/packet-header.ts'

/** The whole log, read by nothing that writes it. */
export type LogAudit = {
  /** Everything that is wrong with it. */
  readonly faults: readonly string[]
  /** Every event in it, in order of partition and sequence. */
  readonly eventIds: readonly string[]
  /** Of all partitions together. */
  readonly totals: Totals
  /** By partition and number: `3/0`. */
  readonly packetIds: ReadonlyMap<string, string>
}

export type Totals = Readonly<Record<'accepted' | (typeof counted)[number], number>>

const counted = ['received', 'duplicate', 'rejected', 'quarantined', 'waived'] as const

export async function auditLog(databaseUrl: string): Promise<LogAudit> {
  const client = new pg.Client({ connectionString: databaseUrl, types: columnTypes })
  await client.connect()
  try {
    // One moment, however long the reading takes and whatever is written meanwhile.
    await client.query('begin isolation level repeatable read read only')
    const heads = await client.query<HeadRow>(
      'select * from partition_heads join partitions on id = partition_id',
    )
    const audits: PartitionAudit[] = []
    for (const head of heads.rows) audits.push(await auditPartition(client, head))
    return {
      faults: [...audits.flatMap(({ faults }) => faults), ...(await twice(client, audits))],
      eventIds: audits.flatMap(({ eventIds }) => eventIds),
      totals: sum(heads.rows),
      packetIds: new Map(audits.flatMap(({ packetIds }) => packetIds)),
    }
  } finally {
    await client.end()
  }
}

/** Events that are in no packet yet. */
export async function countUnsealed(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, types: columnTypes })
  await client.connect()
  try {
    const { rows } = await client.query<{ open: number }>(
      `select coalesce(sum(next_seq - coalesce((select first_seq + count from packets
        where partition_id = head.partition_id order by packet_no desc limit 1), 0)), 0)::bigint as open
        from partition_heads as head`,
    )
    return rows[0]?.open ?? 0
  } finally {
    await client.end()
  }
}

type HeadRow = Record<(typeof counted)[number], number> & {
  partition_id: number
  next_seq: number
  next_append: number
  stream_id: string
  partition: number
  log: Buffer
  network: string
  level: string
  audience: string
  shards_by: string
  shards_index: number
  shards_count: number
}

type SegmentRow = Record<(typeof counted)[number], number> & {
  append_no: number
  first_seq: number
  count: number
  policy_digest: Buffer | null
  constants: string | null
  sources: string | null
  first_event_ms: number | null
  last_event_ms: number | null
  lines: Buffer | null
}

type PartitionAudit = {
  readonly faults: string[]
  readonly eventIds: string[]
  readonly packetIds: [string, string][]
}

async function auditPartition(client: pg.Client, head: HeadRow): Promise<PartitionAudit> {
  const { rows: segments } = await client.query<SegmentRow>(
    'select * from segments where partition_id = $1 order by append_no',
    [head.partition_id],
  )
  const eventIds = segments.flatMap(({ lines }) => idsIn(lines))
  const { faults, packetIds } = await auditPackets(client, head, segments)
  return { faults: [...againstSegments(head, segments, eventIds), ...faults], eventIds, packetIds }
}

function idsIn(lines: Buffer | null): string[] {
  if (lines === null) return []
  return lines
    .toString()
    .split('\n')
    .flatMap(line => (line === '' ? [] : [String(JSON.parse(line).eventId)]))
}

function againstSegments(
  head: HeadRow,
  segments: readonly SegmentRow[],
  eventIds: readonly string[],
): string[] {
  const name = `partition ${head.partition_id}`
  const faults: string[] = []
  let seq = 0
  for (const [at, segment] of segments.entries()) {
    if (segment.append_no !== at) faults.push(`${name} has append ${segment.append_no} where ${at} belongs`)
    if (segment.first_seq !== seq)
      faults.push(`${name}, append ${at} begins at ${segment.first_seq}, not ${seq}`)
    if (idsIn(segment.lines).length !== segment.count)
      faults.push(`${name}, append ${at} holds another number of lines than its ${segment.count}`)
    seq += segment.count
  }
  if (head.next_append !== segments.length) faults.push(`${name} has not ${head.next_append} appends`)
  if (head.next_seq !== eventIds.length) faults.push(`${name} has not ${head.next_seq} events`)
  for (const member of counted) {
    const found = segments.reduce((total, segment) => total + segment[member], 0)
    if (found !== head[member])
      faults.push(`${name} has ${found} ${member}, and its head says ${head[member]}`)
  }
  const { received, duplicate, rejected, quarantined, waived } = head
  if (received !== head.next_seq + duplicate + rejected + quarantined + waived)
    faults.push(`${name} does not add up`)
  return faults
}

/** Makes every packet again from partition, segments and marks alone, and compares. */
async function auditPackets(
  client: pg.Client,
  head: HeadRow,
  segments: readonly SegmentRow[],
): Promise<Pick<PartitionAudit, 'faults' | 'packetIds'>> {
  const { rows: marks } = await client.query<MarkRow>(
    `select mark.*, packet_id from seal_marks as mark left join packets using (partition_id, packet_no)
      where mark.partition_id = $1 order by packet_no`,
    [head.partition_id],
  )
  const record = orThrow(
    readPartitionRecord({
      v: 1,
      log: toHex(head.log),
      streamId: head.stream_id,
      partition: head.partition,
      level: head.level,
      audience: head.audience,
      network: head.network,
      shards: { by: head.shards_by, index: head.shards_index, count: head.shards_count },
    }),
  )
  const faults: string[] = []
  const packetIds: [string, string][] = []
  let previous: PacketHeader | null = null
  let from = 0
  for (const row of marks) {
    const held = segments.filter(
      ({ first_seq, count }) => count > 0 && first_seq >= from && first_seq < row.up_to_seq,
    )
    const mark = orThrow(readSealMark(markIn(head, row)))
    const packet: ReturnType<typeof sealPacket> = sealPacket(
      record,
      previous,
      held.map(segment => segmentIn(head, segment)),
      mark,
    )
    const name = `${head.partition_id}/${row.packet_no}`
    if (!packet.ok) return { faults: [...faults, `packet ${name}: ${packet.fault.detail}`], packetIds }
    if (row.packet_id !== null) {
      packetIds.push([name, toHex(row.packet_id)])
      if (toHex(row.packet_id) !== packet.value.packetId)
        faults.push(`packet ${name} is another one than the log makes`)
    }
    previous = packet.value.header
    from = row.up_to_seq
  }
  return { faults, packetIds }
}

type MarkRow = Record<(typeof counted)[number], number> & {
  packet_no: number
  up_to_seq: number
  watermark_ms: number
  policy_digest: Buffer
  roster_digest: Buffer
  packet_id: Buffer | null
}

function markIn(head: HeadRow, row: MarkRow) {
  const { received, duplicate, rejected, quarantined, waived } = row
  return {
    partition: head.partition,
    upToSeq: row.up_to_seq,
    watermarkMs: row.watermark_ms,
    policyDigest: toHex(row.policy_digest),
    rosterDigest: toHex(row.roster_digest),
    totals: { received, accepted: row.up_to_seq, duplicate, rejected, quarantined, waived },
  }
}

function segmentIn(head: HeadRow, row: SegmentRow): Segment {
  return {
    partition: head.partition,
    firstSeq: row.first_seq,
    count: row.count,
    policyDigest: toHex(row.policy_digest ?? new Uint8Array(0)),
    constants: JSON.parse(row.constants ?? '{}'),
    firstEventTimeMs: row.first_event_ms ?? -1,
    lastEventTimeMs: row.last_event_ms ?? -1,
    sources: JSON.parse(row.sources ?? '[]'),
    lines: row.lines ?? new Uint8Array(0),
  }
}

async function twice(client: pg.Client, audits: readonly PartitionAudit[]): Promise<string[]> {
  const seen = new Set<string>()
  const faults: string[] = []
  for (const { eventIds } of audits)
    for (const eventId of eventIds) {
      if (seen.has(eventId)) faults.push(`event ${eventId} is in the log twice`)
      seen.add(eventId)
    }
  const { rows } = await client.query<{ held: number; counted: number }>(
    `select (select count(*) from quarantine where state = 'held') as held,
      (select coalesce(sum(quarantined), 0)::bigint from partition_heads) as counted`,
  )
  const [quarantine] = rows
  if (quarantine !== undefined && quarantine.held !== quarantine.counted)
    faults.push(`${quarantine.held} events are held, and ${quarantine.counted} are counted`)
  return faults
}

function sum(heads: readonly HeadRow[]): Totals {
  const of = (member: keyof HeadRow) => heads.reduce((total, head) => total + Number(head[member]), 0)
  return {
    accepted: of('next_seq'),
    received: of('received'),
    duplicate: of('duplicate'),
    rejected: of('rejected'),
    quarantined: of('quarantined'),
    waived: of('waived'),
  }
}
