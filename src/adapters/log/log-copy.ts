import type { LogCopy } from '../../packets/reseal-log.ts'
import { hexOf, type Queryable } from '../postgres/sql.ts'
import type { KeptLines } from './kept-lines.ts'
import { readMark } from './read-sealing.ts'

/** The log in a database, also one that holds nothing but partitions, segments and seal marks. */
export function logCopyIn(db: Queryable, keptLines?: KeptLines): LogCopy {
  return {
    async partitionIds() {
      const { rows } = await db.query<{ id: number }>('select id from partitions order by id')
      return rows.map(({ id }) => id)
    },
    readMark: (partitionId, packetNo) => readMark(db, partitionId, packetNo, keptLines),
  }
}

export async function packetIdIn(
  db: Queryable,
  partitionId: number,
  packetNo: number,
): Promise<string | undefined> {
  const { rows } = await db.query<{ packet_id: Uint8Array }>({
    name: 'packet-to-compare',
    text: 'select packet_id from packets where partition_id = $1 and packet_no = $2',
    values: [partitionId, packetNo],
  })
  return rows[0] && hexOf(rows[0].packet_id)
}
