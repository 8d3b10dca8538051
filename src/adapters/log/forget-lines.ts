import type { Pool } from 'pg'
import { orThrow } from '../../core/fault.ts'
import { readPacketHeader } from '../../core/log/packet-header.ts'
import { inTransaction } from '../postgres/sql.ts'
import { type ReadPayload, readPacketBytes } from './kept-lines.ts'

export type ForgetLinesDeps = {
  readonly pool: Pool
  readonly readPayload: ReadPayload
  /** Lines of packets from before this time may go. */
  readonly sealedBeforeMs: number
  /** Whether nobody will ask the log itself for this packet any more. */
  isSettled(packetId: string): Promise<boolean>
}

const PACKETS_AT_ONCE = 64

/**
 * Gives up the lines of segments whose packets hold them: the room they take, and nothing else. Counts, seal marks and
 * headers stay for good, and so do the digests in them: a payload that comes from elsewhere is the one it was, or is refused.
 * Resolves with how many packets it was.
 */
export async function forgetLines(deps: ForgetLinesDeps): Promise<number> {
  const { pool, sealedBeforeMs } = deps
  const { rows } = await pool.query<DueRow>({
    name: 'lines-to-forget',
    text: `select packet.partition_id as "partitionId", packet.packet_no as "packetNo",
        encode(packet.packet_id, 'hex') as "packetId", packet.header
      from partitions as opened left join given_up_lines as given_up on given_up.partition_id = opened.id
        join packets as packet on packet.partition_id = opened.id
          and packet.packet_no = coalesce(given_up.up_to_packet, 0)
      where packet.sealed_ms < $1 order by packet.sealed_ms limit $2`,
    values: [sealedBeforeMs, PACKETS_AT_ONCE],
  })
  let forgotten = 0
  for (const due of rows) if (await forgetOne(due, deps)) forgotten++
  return forgotten
}

type DueRow = {
  readonly partitionId: number
  readonly packetNo: number
  readonly packetId: string
  readonly header: string
}

async function forgetOne({ partitionId, packetNo, packetId, header }: DueRow, deps: ForgetLinesDeps) {
  if (!(await deps.isSettled(packetId))) return false
  // Read and hashed now: after this it is the only copy here.
  await readPacketBytes(orThrow(readPacketHeader(JSON.parse(header))), deps.readPayload)
  return inTransaction(
    deps.pool,
    async db => {
      await db.query('select assay_forget_lines($1, $2)', [partitionId, packetNo])
      const { rowCount } = await db.query(
        `insert into given_up_lines as given_up (partition_id, up_to_packet) values ($1, $2::bigint + 1)
          on conflict (partition_id) do update set up_to_packet = excluded.up_to_packet
          where given_up.up_to_packet = excluded.up_to_packet - 1`,
        [partitionId, packetNo],
      )
      return rowCount === 1
    },
    { keep: wasNext => wasNext },
  )
}
