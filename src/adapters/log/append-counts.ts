import type { Queryable } from '../postgres/sql.ts'
import type { Head } from './heads.ts'

/** What moves from one count to another; what is not named stays. */
export type CountChange = {
  readonly duplicate?: number
  readonly rejected?: number
  readonly quarantined?: number
  readonly waived?: number
}

/** An append without events, to a partition whose head the caller has locked. Returns the head as it is afterwards. */
export async function appendCounts(
  db: Queryable,
  head: Head,
  { duplicate = 0, rejected = 0, quarantined = 0, waived = 0 }: CountChange,
  nowMs: number,
): Promise<Head> {
  const received = duplicate + rejected + quarantined + waived
  await db.query({
    name: 'append-counts',
    text: `with appended as (
        insert into segments (partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined,
            waived, appended_ms)
          values ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9))
      update partition_heads set next_append = $2 + 1, received = received + $4, duplicate = duplicate + $5,
        rejected = rejected + $6, quarantined = quarantined + $7, waived = waived + $8 where partition_id = $1`,
    values: [
      ...[head.partitionId, head.nextAppend, head.nextSeq],
      ...[received, duplicate, rejected, quarantined, waived, nowMs],
    ],
  })
  return {
    ...head,
    nextAppend: head.nextAppend + 1,
    received: head.received + received,
    duplicate: head.duplicate + duplicate,
    rejected: head.rejected + rejected,
    quarantined: head.quarantined + quarantined,
    waived: head.waived + waived,
  }
}
