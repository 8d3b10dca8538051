import { canonicalJson } from '../../core/canonical-json.ts'
import type { SealedPacket } from '../../core/log/packet.ts'
import type { Lease } from '../../packets/ports.ts'
import { bytea, hexOf, type Queryable } from '../postgres/sql.ts'

/**
 * Writes the row of a packet while the lease holds. Made from the same log, a packet is the same: one that is there
 * already is compared, and another in its place means that this log has two histories.
 */
export async function writePacket(
  db: Queryable,
  { partitionId, token }: Lease,
  { packetId, header }: SealedPacket,
  nowMs: number,
): Promise<'written' | 'there' | 'lost'> {
  const { packetNo, firstSeq, count, bytes, rawHash } = header
  const { rowCount } = await db.query({
    name: 'write-packet',
    text: `insert into packets
        (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
      select $1, $2, $3, $4, $5, $6, $7, $8, $9
      where exists (select from partition_heads where partition_id = $1 and sealer_token = $10)
      on conflict (partition_id, packet_no) do nothing`,
    values: [
      ...[partitionId, packetNo, bytea(packetId), canonicalJson(header)],
      ...[firstSeq, count, bytes, bytea(rawHash), nowMs, token],
    ],
  })
  if (rowCount === 1) return 'written'
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
