import type { Pool } from 'pg'
import type { Reader } from '../../core/registry/may-read.ts'
import { readableSql, readerValues } from './readable.ts'

/** Whether there is a stream of this name that the reader may read. */
export type MayReadStream = (reader: Reader, streamId: string) => Promise<boolean>

export function openMayReadStream(pool: Pool): MayReadStream {
  return async (reader, streamId) => {
    const { rowCount } = await pool.query({
      name: 'reading-may-read-stream',
      text: `select from streams as stream where stream.stream_id = $3 and ${readableSql('stream', 1)}`,
      values: [...readerValues(reader), streamId],
    })
    return rowCount === 1
  }
}
