import type { Pool } from 'pg'

/**
 * Everything in a database that strangers get to see, by where it stands: lines and headers of public streams, every
 * transaction, what lookup services answer from, and what is told to other hosts.
 */
export async function publishedRows(pool: Pool): Promise<ReadonlyMap<string, string>> {
  const published = new Map<string, string>()
  for (const [where, sql] of Object.entries(statements)) {
    const { rows } = await pool.query<{ bytes: Uint8Array | string | null }>(sql)
    published.set(where, rows.map(({ bytes }) => asText(bytes)).join('\n'))
  }
  return published
}

const ofPublic = `partition_id in (select id from partitions where audience = 'public')`

const statements = {
  'lines of public streams': `select lines as bytes from segments where ${ofPublic}`,
  'headers of public packets': `select header as bytes from packets where ${ofPublic}`,
  transactions: 'select raw as bytes from transactions',
  outbox: 'select outbox::text as bytes from outbox',
  'index of events': 'select gitdata_events::text as bytes from gitdata_events',
  'index of content': 'select uhrp_adverts::text as bytes from uhrp_adverts',
}

/** Latin-1, so that every byte is a character and bytes that are text can be found among those that are not. */
function asText(bytes: Uint8Array | string | null): string {
  return bytes === null || typeof bytes === 'string' ? (bytes ?? '') : Buffer.from(bytes).toString('latin1')
}
