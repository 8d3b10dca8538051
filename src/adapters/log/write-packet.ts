import { canonicalJson } from '../../core/canonical-json.ts'
import type { SealedPacket } from '../../core/log/packet.ts'
import type { PacketHeader } from '../../core/log/packet-header.ts'
import type { Lease } from '../../packets/ports.ts'
import { byteas, hexOf, numbers, type Queryable } from '../postgres/sql.ts'

export type PacketToWrite = { readonly lease: Lease; readonly packet: SealedPacket; readonly nowMs: number }

/**
 * Writes the rows of packets whose leases hold. Made from the same log, a packet is the same: one that is there already is
 * compared, and another in its place means that this log has two histories.
 */
export async function writePackets(
  db: Queryable,
  packets: readonly PacketToWrite[],
): Promise<('written' | 'there' | 'lost')[]> {
  const of = (what: (header: PacketHeader) => number) =>
    numbers(packets.map(({ packet }) => what(packet.header)))
  const { rows } = await db.query<{ partitionId: number }>({
    name: 'write-packets',
    text: `insert into packets
        (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
      select partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms
      from unnest($1::integer[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[],
          $9::bigint[], $10::bigint[])
        as made (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms, token)
      where exists (select from partition_heads as head
        where head.partition_id = made.partition_id and head.sealer_token = made.token)
      on conflict (partition_id, packet_no) do nothing returning partition_id as "partitionId"`,
    values: [
      numbers(packets.map(({ lease }) => lease.partitionId)),
      of(({ packetNo }) => packetNo),
      byteas(packets.map(({ packet }) => packet.packetId)),
      packets.map(({ packet }) => canonicalJson(packet.header)),
      of(({ firstSeq }) => firstSeq),
      of(({ count }) => count),
      of(({ bytes }) => bytes),
      byteas(packets.map(({ packet }) => packet.header.rawHash)),
      numbers(packets.map(({ nowMs }) => nowMs)),
      numbers(packets.map(({ lease }) => lease.token)),
    ],
  })
  const written = new Set(rows.map(({ partitionId }) => partitionId))
  const outcomes: ('written' | 'there' | 'lost')[] = []
  for (const { lease, packet } of packets)
    outcomes.push(written.has(lease.partitionId) ? 'written' : await inPlace(db, lease, packet))
  return outcomes
}

async function inPlace(
  db: Queryable,
  { partitionId }: Lease,
  { packetId, header }: SealedPacket,
): Promise<'there' | 'lost'> {
  const { packetNo } = header
  const { rows } = await db.query<{ packet_id: Uint8Array }>({
    name: 'packet-in-place',
    text: 'select packet_id from packets where partition_id = $1 and packet_no = $2',
    values: [partitionId, packetNo],
  })
  const [there] = rows
  if (there === undefined) return 'lost'
  const thereId = hexOf(there.packet_id)
  if (thereId === packetId) return 'there'
  throw new Error(
    `Packet ${packetNo} of partition ${header.partition} of ${header.streamId} is ${thereId} in the log, and made from ` +
      `its segments it is ${packetId}. The log has changed under its packets: restore it, and show both headers as evidence.`,
  )
}
