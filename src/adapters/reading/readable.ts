import { anybody, type Reader } from '../../core/registry/may-read.ts'
import type { Queryable } from '../postgres/sql.ts'

/** What the identity may read: it works for the tenants that it sends events for. */
export type FindReader = (identityKey: string) => Promise<Reader>

export function openFindReader(db: Queryable): FindReader {
  return async identityKey => {
    const { rows } = await db.query<{ tenantId: string }>({
      name: 'reading-tenants-of',
      text: `select distinct tenant_id as "tenantId" from overlay_event_sources
        where identity_key = $1 and enabled and tenant_id is not null order by 1`,
      values: [identityKey],
    })
    return { identityKey, tenantIds: rows.map(({ tenantId }) => tenantId) }
  }
}

/** The values that `readableSql` asks for, in its order. */
export function readerValues({ identityKey, tenantIds }: Reader = anybody): [string | null, string[]] {
  return [identityKey ?? null, [...tenantIds]]
}

/**
 * The same rule as `mayRead`, as a condition on a row of `streams`. `first` is the number of its first parameter: the
 * identity key, or null; the next one is the tenants.
 */
export function readableSql(stream: string, first: number): string {
  const key = `$${first}::text`
  const tenants = `$${first + 1}::text[]`
  return `(${stream}.published and (${key} = any (${stream}.readers) or (${stream}.audience = 'public'
    and (${stream}.tenant_id is null or ${stream}.tenant_id = any (${tenants})))))`
}

/** As a condition on a row of `streams`: anybody may read what it says. */
export function isOpenSql(stream: string): string {
  return `(${stream}.audience = 'public' and ${stream}.published and ${stream}.tenant_id is null)`
}

/** As a condition: the partition's stream is of a tenant, or not published, so it is not for everybody even if it is public. */
export function isClosedSql(partitionId: string): string {
  return `exists (
    select from partitions as opened join streams as stream on stream.stream_id = opened.stream_id
      where opened.id = ${partitionId} and (stream.tenant_id is not null or not stream.published))`
}
