import type { Pool } from 'pg'
import type { ReadableStream } from '../../core/registry/may-read.ts'
import { bytea } from '../postgres/sql.ts'

/** Whose packet it is; undefined where there is none of that id. */
export type FindPacketStream = (packetId: string) => Promise<ReadableStream | undefined>

export function openFindPacketStream(pool: Pool): FindPacketStream {
  return async packetId => {
    const { rows } = await pool.query<ReadableStream>({
      name: 'reading-packet-stream',
      text: `select stream.audience, stream.published, stream.tenant_id as "tenantId", stream.readers
        from packets as packet join partitions as opened on opened.id = packet.partition_id
          join streams as stream on stream.stream_id = opened.stream_id
        where packet.packet_id = $1`,
      values: [bytea(packetId)],
    })
    return rows[0]
  }
}
