import type { Reader } from '../../core/registry/may-read.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readerValues } from './readable.ts'

/** Sources of one publisher that are searched at once. */
export const PUBLISHER_SOURCES_MAX = 16

/** As a condition on a row of sources, with the parameters of a reader from $1 on: whose it is may be known to them. */
export const knownSource = (source: string) =>
  `(${source}.tenant_id is null or ${source}.tenant_id = any ($2::text[]) or ${source}.identity_key = $1::text)`

/**
 * Those that are registered with this identity key, as far as the reader may know of them; one more than are searched,
 * where there are more.
 */
export async function sourcesOf(db: Queryable, reader: Reader, identityKey: string): Promise<string[]> {
  const { rows } = await db.query<{ sourceId: string }>({
    name: 'sources-of-publisher',
    text: `select source_id as "sourceId" from overlay_event_sources as source
      where identity_key = $3 and ${knownSource('source')}
      order by source_id collate "C" limit ${PUBLISHER_SOURCES_MAX + 1}`,
    values: [...readerValues(reader), identityKey],
  })
  return rows.map(({ sourceId }) => sourceId)
}
