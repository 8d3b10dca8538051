import type { Pool } from 'pg'
import type { Reader } from '../../core/registry/may-read.ts'
import { readableSql, readerValues } from './readable.ts'

export type QuarantineQuestion = {
  readonly streamId: string | undefined
  /** Those behind this one. */
  readonly after: string | undefined
  readonly limit: number
}

/** How many items of one stream are held, and why; and nothing of what is in them. */
export type QuarantineSummary = {
  readonly streamId: string
  readonly held: number
  readonly reasons: readonly {
    readonly reason: string
    readonly held: number
    readonly oldestMs: number
    readonly newestMs: number
  }[]
  /** Since the stream began: how many were given up, and how many never were events. */
  readonly waived: number
  readonly rejected: number
}

export type CountQuarantine = (
  question: QuarantineQuestion,
  reader: Reader,
) => Promise<readonly QuarantineSummary[]>

/** Of the streams that the reader may read, by name. */
export function openCountQuarantine(pool: Pool): CountQuarantine {
  return async ({ streamId, after, limit }, reader) => {
    const { rows } = await pool.query<QuarantineSummary>({
      name: 'reading-quarantine',
      text: `select stream.stream_id as "streamId", coalesce(kept.held, 0)::bigint as held,
          coalesce(kept.reasons, '[]') as reasons, coalesce(counted.waived, 0)::bigint as waived,
          coalesce(counted.rejected, 0)::bigint as rejected
        from (select stream_id from streams as stream where ${readableSql('stream', 1)}
            and ($3::text is null or stream_id = $3) and ($4::text is null or stream_id > $4)
            order by stream_id limit $5) as stream
          left join lateral (
            select sum(by_reason.held) as held, jsonb_agg(jsonb_build_object('reason', reason, 'held', by_reason.held,
                'oldestMs', oldest, 'newestMs', newest) order by reason) as reasons
              from (select reason, count(*) as held, min(received_ms) as oldest, max(received_ms) as newest
                from quarantine where quarantine.stream_id = stream.stream_id and state = 'held'
                group by reason) as by_reason) as kept on true
          left join lateral (
            select sum(head.waived) as waived, sum(head.rejected) as rejected
              from partitions as opened join partition_heads as head on head.partition_id = opened.id
              where opened.stream_id = stream.stream_id) as counted on true
        order by stream.stream_id`,
      values: [...readerValues(reader), streamId ?? null, after ?? null, limit],
    })
    return rows
  }
}
