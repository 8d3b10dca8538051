import type { PacketHeader } from '../../core/log/packet-header.ts'
import { documentBytes, LOCATION_CHARS_MAX, POLICY_LOCATIONS_MAX } from '../../core/rounds/round-document.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Of one partition in one go; what stands behind them has its turn with the next look. */
const PACKETS_AT_ONCE = 256
/** Of all partitions together. */
const STANDINGS_AT_ONCE = 2048

/**
 * Gives every packet that was sealed since a standing, once and in order. The caller is alone among all nodes: it holds
 * the row of the planning.
 */
export async function writeNewStandings(db: Queryable, nowMs: number): Promise<number> {
  const { rows } = await db.query<{ partitionId: number; packetNo: number; next: number; header: string }>({
    name: 'rounds-newly-sealed',
    text: `select head.partition_id as "partitionId", packet.packet_no as "packetNo",
        coalesce(known.next_packet, 0) as next, packet.header
      from partition_heads as head
      left join partition_rounds as known on known.partition_id = head.partition_id
      cross join lateral (
        select sealed.packet_no, sealed.header from packets as sealed
          where sealed.partition_id = head.partition_id and sealed.packet_no >= coalesce(known.next_packet, 0)
          order by sealed.packet_no limit $1) as packet
      where head.next_packet > coalesce(known.next_packet, 0)
      order by head.partition_id, packet.packet_no limit $2`,
    values: [PACKETS_AT_ONCE, STANDINGS_AT_ONCE],
  })
  const sealed: object[] = []
  const next = new Map<number, number>()
  for (const { partitionId, packetNo, next: first, header } of rows) {
    // Marked, and not made yet: those behind it wait.
    if (packetNo !== (next.get(partitionId) ?? first)) continue
    next.set(partitionId, packetNo + 1)
    sealed.push({ partition_id: partitionId, packet_no: packetNo, document_bytes: boundOf(header) })
  }
  if (sealed.length === 0) return 0
  await db.query({
    name: 'rounds-new-standings',
    text: `with given as (
        select * from jsonb_to_recordset($1::jsonb) as given (partition_id integer, packet_no bigint,
          document_bytes integer)
      ), reached as (
        insert into partition_rounds (partition_id, next_packet)
          select partition_id, max(packet_no) + 1 from given group by partition_id
          on conflict (partition_id) do update set next_packet = excluded.next_packet
      )
      insert into packet_standings (packet_id, partition_id, packet_no, level, audience, roster_digest, events, bytes,
          document_bytes, sealed_ms, changed_ms)
        select packet.packet_id, packet.partition_id, packet.packet_no, opened.level, opened.audience,
            mark.roster_digest, packet.count, packet.bytes, given.document_bytes, packet.sealed_ms, $2::bigint
          from given
          join packets as packet on packet.partition_id = given.partition_id and packet.packet_no = given.packet_no
          join seal_marks as mark on mark.partition_id = given.partition_id and mark.packet_no = given.packet_no
          join partitions as opened on opened.id = given.partition_id`,
    values: [JSON.stringify(sealed), nowMs],
  })
  return sealed.length
}

/** Whatever locations its policy will have. */
function boundOf(header: string): number {
  // Written by us, and checked when it was.
  const stored: PacketHeader = JSON.parse(header)
  return documentBytes(stored, longestLocations)
}

const longestLocations = Array.from({ length: POLICY_LOCATIONS_MAX }, () => 'x'.repeat(LOCATION_CHARS_MAX))
