import { createHash } from 'node:crypto'
import type { Reader } from '../../core/registry/may-read.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from './readable.ts'

/** What tells a reader's rights from others': equal where two may read the same. */
export type RightsOf = (reader: Reader) => Promise<string>

const RIGHTS_OF_ANYBODY = 'anybody'

export function openRightsOf(db: Queryable): RightsOf {
  return async reader => {
    if (reader.identityKey === undefined) return RIGHTS_OF_ANYBODY
    const { rows } = await db.query<{ streamId: string }>({
      name: 'reading-rights',
      text: `select stream.stream_id as "streamId" from streams as stream
        where (stream.audience <> 'public' or stream.tenant_id is not null) and ${readableSql('stream', 1)}
        order by stream.stream_id collate "C"`,
      values: readerValues(reader),
    })
    if (rows.length === 0) return RIGHTS_OF_ANYBODY
    const streamIds = rows.map(({ streamId }) => streamId)
    return createHash('sha256').update(JSON.stringify(streamIds)).digest('base64url')
  }
}
