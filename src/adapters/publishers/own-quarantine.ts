import { reasonsOfStreams } from '../../core/publisher/held-for-stream.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type ListedItem, readListed } from '../quarantine/read-quarantine.ts'

export type OwnQuarantineQuestion = {
  readonly identityKey: string
  /** What this feed has sent. */
  readonly feedId?: string | undefined
  /** What is held for this stream, which is the publisher's own. */
  readonly streamId?: string | undefined
  readonly states: readonly string[]
  readonly reasons: readonly string[]
  /** Below this id; from the newest on without it. */
  readonly before?: number | undefined
  readonly limit: number
}

/**
 * What is or was held of a publisher's feeds, whatever for, and what was held for its streams, the newest first. Each of its feeds and
 * streams is asked for as many as a page holds, state by state and reason by reason, so that nothing is read that is filtered out by them.
 */
export async function listOwnQuarantine(
  db: Queryable,
  question: OwnQuarantineQuestion,
): Promise<readonly ListedItem[]> {
  const { rows } = await db.query<{ id: number }>({
    ...{ name: 'publisher-quarantine', text: ownQuarantineSql },
    values: ownQuarantineValues(question),
  })
  return readListed(
    db,
    rows.map(({ id }) => id),
  )
}

/** Rows are compared with a whole index, and put in its order: no statistics lead past it. */
const heldOf = (index: 'source_id' | 'stream_id', whose: string, and = 'true') => `cross join lateral (
  select item.id from quarantine as item
    where (item.${index}, item.state, item.reason, item.id) >= (${whose}, wanted.state, wanted.reason, 0)
      and (item.${index}, item.state, item.reason, item.id)
        < (${whose}, wanted.state, wanted.reason, coalesce($7::bigint, 9223372036854775807)) and ${and}
    order by item.${index} desc, item.state desc, item.reason desc, item.id desc limit $8) as held`

/**
 * A stream may have gone to another tenant since: what came before is none of its new owner's business. In a case, which no
 * statistics say anything of: where they say that nothing has a tenant, a plan would be made for finding nothing.
 */
const ofItsTenant = 'case when item.tenant_id is not distinct from stream.tenant_id then true else false end'

export const ownQuarantineSql = `with wanted as (
    select state, reason from unnest($4::text[]) as state cross join unnest($5::text[]) as reason)
  select held.id from overlay_event_sources as feed cross join wanted ${heldOf('source_id', 'feed.source_id')}
    where feed.identity_key = $1 and ($2::text is null or feed.source_id = $2) and $3::text is null
  union
  select held.id from streams as stream cross join wanted ${heldOf('stream_id', 'stream.stream_id', ofItsTenant)}
    where stream.owner_key = $1 and ($3::text is null or stream.stream_id = $3) and $2::text is null
      and wanted.reason = any($6)
  order by id desc limit $8`

export function ownQuarantineValues({
  identityKey,
  feedId,
  streamId,
  states,
  reasons,
  before,
  limit,
}: OwnQuarantineQuestion): unknown[] {
  const where = [identityKey, feedId ?? null, streamId ?? null, states, reasons]
  return [...where, reasonsOfStreams, before ?? null, limit]
}
