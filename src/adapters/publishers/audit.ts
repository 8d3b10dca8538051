import type { Json } from '../../core/canonical-json.ts'
import type { Queryable } from '../postgres/sql.ts'

/** One change, as it was recorded: of a secret neither side says what it is. */
export type RecordedChange = {
  readonly id: string
  readonly atMs: number
  readonly who: string
  readonly kind: 'source' | 'stream' | 'secret' | 'publisher' | 'quarantine'
  readonly subject: string
  readonly what: string
  readonly was: Json
  readonly became: Json
}

export type AuditQuestion = {
  readonly identityKey: string
  readonly feedId?: string | undefined
  readonly streamId?: string | undefined
  /** Below this id; from the newest on without it. */
  readonly before?: string | undefined
  readonly limit: number
}

/** Of a page: a change holds what was before and after, policies among it. */
const SIDES_CHARS_MAX = 1_000_000

/** `isMore`: others come before the last of them. */
export type AuditPage = { readonly changes: readonly RecordedChange[]; readonly isMore: boolean }

/**
 * What became of a publisher's feeds, of their keys, of what was held of them, of its streams and of what it says of itself, the newest
 * first: of one feed or stream where one is named. What is somebody else's by now is not among it, and what was before it was the publisher's is.
 */
export async function readAudit(
  db: Queryable,
  { identityKey, feedId, streamId, before, limit }: AuditQuestion,
): Promise<AuditPage> {
  const { rows } = await db.query<RecordedChange & { found: number }>({
    name: 'publisher-audit',
    text: `with subjects (kind, subject) as (
        select each.kind, source_id from overlay_event_sources cross join (values ('source'), ('secret'), ('quarantine')) as each (kind)
          where identity_key = $1 and ($2::text is null or source_id = $2) and $3::text is null
        union all select 'stream', stream_id from streams
          where owner_key = $1 and ($3::text is null or stream_id = $3) and $2::text is null
        union all select 'publisher', $1 where $2::text is null and $3::text is null
      ), newest as (
        select change.id from subjects cross join lateral (
          select id from registry_changes as its
            where its.kind = subjects.kind and its.subject = subjects.subject
              and ($4::bigint is null or its.id < $4)
            order by its.id desc limit $5::int + 1) as change
        -- Decisions over what feeds of others have sent into a stream of the publisher's, as it is of that tenant.
        union select decision.id from streams cross join lateral (
          select id from registry_changes as its
            where its.stream_id = streams.stream_id and ($4::bigint is null or its.id < $4)
              and exists (select from quarantine as item where item.id = (its.was ->> 'quarantineId')::bigint
                and item.tenant_id is not distinct from streams.tenant_id)
            order by its.id desc limit $5::int + 1) as decision
          where owner_key = $1 and ($3::text is null or streams.stream_id = $3) and $2::text is null
        order by id desc limit $5::int + 1
      ), measured as (
        select change.*, count(*) over () as found, row_number() over downwards as place,
            sum(coalesce(length(was::text), 0) + coalesce(length(became::text), 0)) over downwards as chars
          from newest join registry_changes as change using (id) window downwards as (order by id desc)
      )
      select id::text, at_ms as "atMs", who, kind, subject, what, was, became, found::int from measured
        where place <= $5 and (place = 1 or chars <= $6) order by measured.id desc`,
    values: [identityKey, feedId ?? null, streamId ?? null, before ?? null, limit, SIDES_CHARS_MAX],
  })
  return {
    changes: rows.map(({ found: _, ...change }) => change),
    isMore: (rows[0]?.found ?? 0) > rows.length,
  }
}
