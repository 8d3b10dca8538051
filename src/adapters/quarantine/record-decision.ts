import type { JsonObject } from '../../core/canonical-json.ts'
import { reasonsOfStreams } from '../../core/publisher/held-for-stream.ts'
import type { Queryable } from '../postgres/sql.ts'
import { stepDetail } from './note-step.ts'

export type Decision = {
  readonly quarantineId: string
  readonly what: 'released' | 'waived'
  readonly who: string
  readonly byPublisher: boolean
  readonly atMs: number
  /** What is to be known of it; texts are kept as far as those of a step. */
  readonly became: JsonObject
}

/** In the transaction that decides: into the record of changes, where the publishers of its feed and of its stream find it. */
export async function recordDecision(
  db: Queryable,
  { quarantineId, what, who, byPublisher, atMs, became }: Decision,
): Promise<void> {
  await db.query(
    `insert into registry_changes (at_ms, who, kind, subject, what, was, became, stream_id)
      select $2::bigint, $3, 'quarantine', source_id, $4,
        jsonb_build_object('quarantineId', id::text, 'state', 'held', 'streamId', stream_id, 'reason', reason),
        jsonb_build_object('quarantineId', id::text, 'state', $4::text) || $5::jsonb,
        case when reason = any($6) then stream_id end
      from quarantine where id = $1`,
    [
      quarantineId,
      atMs,
      // Publishers are recorded by their identity keys, and operators by how they came, also where that was with a key.
      byPublisher ? who : `operator ${who}`,
      what,
      JSON.stringify(became, (_, value) => (typeof value === 'string' ? stepDetail(value) : value)),
      reasonsOfStreams,
    ],
  )
}
