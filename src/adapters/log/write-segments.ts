import { bytea, type Queryable } from '../postgres/sql.ts'
import type { Head } from './heads.ts'

/** What one append adds to a partition's counts; what leaves quarantine counts less than nothing there. */
export type Counts = {
  received: number
  duplicate: number
  rejected: number
  quarantined: number
  waived: number
}

export function noCounts(): Counts {
  return { received: 0, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 }
}

/** A row of the log; without lines, nothing but counts. */
export type SegmentRow = Counts & {
  readonly partitionId: number
  readonly appendNo: number
  readonly firstSeq: number
  readonly lines?: SegmentLines
}

export type SegmentLines = {
  readonly count: number
  readonly policyDigest: string
  readonly constants: string
  readonly sources: string
  readonly firstEventMs: number
  readonly lastEventMs: number
  /** Each line ended by a newline. */
  readonly bytes: Buffer
}

/** Writes rows and heads in one statement. */
export async function writeSegments(
  db: Queryable,
  rows: readonly SegmentRow[],
  heads: readonly (Head & { readonly lastEventId: string | null })[],
  nowMs: number,
): Promise<void> {
  const lines = rows.map(row => row.lines)
  const texts = lines.flatMap(each => each?.bytes ?? [])
  const [only] = texts
  const all = only !== undefined && texts.length === 1 ? only : Buffer.concat(texts)
  let at = 1
  const starts = lines.map(each => {
    const start = at
    at += each?.bytes.length ?? 0
    return start
  })
  await db.query({
    name: 'write-segments',
    text: statement,
    values: [
      rows.map(({ partitionId }) => partitionId),
      rows.map(({ appendNo }) => appendNo),
      rows.map(({ firstSeq }) => firstSeq),
      lines.map(each => each?.count ?? 0),
      rows.map(({ received }) => received),
      rows.map(({ duplicate }) => duplicate),
      rows.map(({ rejected }) => rejected),
      rows.map(({ quarantined }) => quarantined),
      rows.map(({ waived }) => waived),
      lines.map(each => (each === undefined ? null : bytea(each.policyDigest))),
      lines.map(each => each?.constants ?? null),
      lines.map(each => each?.sources ?? null),
      lines.map(each => each?.firstEventMs ?? null),
      lines.map(each => each?.lastEventMs ?? null),
      starts,
      lines.map(each => each?.bytes.length ?? 0),
      all,
      nowMs,
      heads.map(({ partitionId }) => partitionId),
      heads.map(({ nextSeq }) => nextSeq),
      heads.map(({ nextAppend }) => nextAppend),
      heads.map(({ received }) => received),
      heads.map(({ duplicate }) => duplicate),
      heads.map(({ rejected }) => rejected),
      heads.map(({ quarantined }) => quarantined),
      heads.map(({ waived }) => waived),
      heads.map(({ eventMsMax }) => eventMsMax),
      heads.map(({ lastEventId }) => (lastEventId === null ? null : bytea(lastEventId))),
      heads.map(({ unsealedBytes }) => unsealedBytes),
      heads.map(({ unsealedSinceMs }) => unsealedSinceMs),
      heads.map(({ policyDigest }) => (policyDigest === null ? null : bytea(policyDigest))),
      heads.map(({ policyNo }) => policyNo),
      heads.map(({ constants }) => constants),
      heads.map(({ unsealedSources }) => unsealedSources),
    ],
  })
}

const statement = `
  with appended as (
    insert into segments (partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined,
        waived, policy_digest, constants, sources, first_event_ms, last_event_ms, appended_ms, lines)
      select partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined, waived,
        policy_digest, constants, sources, first_event_ms, last_event_ms, $18,
        case when count = 0 then null else substring($17::bytea from start for length) end
      from unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[],
        $9::int[], $10::bytea[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::int[], $16::int[])
        as given (partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined, waived,
          policy_digest, constants, sources, first_event_ms, last_event_ms, start, length))
  update partition_heads as head set next_seq = given.next_seq, next_append = given.next_append,
    received = given.received, duplicate = given.duplicate, rejected = given.rejected,
    quarantined = given.quarantined, waived = given.waived, event_ms_max = given.event_ms_max,
    last_event_id = coalesce(given.last_event_id, head.last_event_id), last_appended_ms = $18,
    unsealed_bytes = given.unsealed_bytes, unsealed_since_ms = given.unsealed_since_ms,
    policy_digest = given.policy_digest, policy_no = given.policy_no, constants = given.constants,
    unsealed_sources = given.unsealed_sources
  from unnest($19::int[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[],
    $26::bigint[], $27::bigint[], $28::bytea[], $29::bigint[], $30::bigint[], $31::bytea[], $32::int[], $33::text[], $34::int[])
    as given (partition_id, next_seq, next_append, received, duplicate, rejected, quarantined, waived, event_ms_max,
      last_event_id, unsealed_bytes, unsealed_since_ms, policy_digest, policy_no, constants, unsealed_sources)
  where head.partition_id = given.partition_id`
