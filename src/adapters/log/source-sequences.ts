import * as z from 'zod'
import type { SequenceSeen, SourceSequence } from '../../packets/source-sequences.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Of stage packets: what was used before, and these too; and how many numbers are missing then. */
export type SequenceArithmetic = {
  withRanges(before: SourceSequence | undefined, ranges: SequenceSeen['ranges']): SourceSequence | undefined
  missingIn(sequence: SourceSequence): bigint
}

/** Takes note of the sequences in a packet, in the transaction that writes it: each packet counts once. */
export async function noteSequences(
  db: Queryable,
  seen: readonly SequenceSeen[],
  { withRanges, missingIn }: SequenceArithmetic,
  nowMs: number,
): Promise<void> {
  for (const { sourceId, streamId, ranges } of seen) {
    // Present before it is read, so that there is a row to lock.
    await db.query({
      name: 'begin-source-sequence',
      text: `insert into source_sequences
          (source_id, stream_id, lowest, highest, missing, gaps, forgotten, updated_ms)
        values ($1, $2, 0, 0, 0, '', 0, $3) on conflict do nothing`,
      values: [sourceId, streamId, nowMs],
    })
    const { rows } = await db.query<SequenceRow>({
      name: 'lock-source-sequence',
      text: `select lowest, highest, gaps, forgotten from source_sequences
        where source_id = $1 and stream_id = $2 for update`,
      values: [sourceId, streamId],
    })
    const sequence = withRanges(rows[0] === undefined ? undefined : sequenceOf(rows[0]), ranges)
    if (sequence === undefined) continue
    await db.query({
      name: 'write-source-sequence',
      text: `update source_sequences set lowest = $3, highest = $4, missing = $5, gaps = $6, forgotten = $7,
        updated_ms = $8 where source_id = $1 and stream_id = $2`,
      values: [
        ...[sourceId, streamId, String(sequence.lowest), String(sequence.highest)],
        ...[String(missingIn(sequence)), JSON.stringify(sequence.gaps.map(gap => gap.map(String)))],
        ...[sequence.forgotten, nowMs],
      ],
    })
  }
}

/** What a source has used of its sequence in a stream, and what it left out. */
export type SourceGaps = SourceSequence & {
  readonly sourceId: string
  readonly streamId: string
  readonly updatedMs: number
}

/** Those with gaps, the latest first. */
export async function readSourceGaps(db: Queryable, limit: number): Promise<SourceGaps[]> {
  const { rows } = await db.query<SequenceRow & { source_id: string; stream_id: string; updated_ms: number }>(
    {
      name: 'read-source-gaps',
      text: `select source_id, stream_id, lowest, highest, gaps, forgotten, updated_ms from source_sequences
      where missing > 0 order by updated_ms desc, source_id, stream_id limit $1`,
      values: [limit],
    },
  )
  return rows.flatMap(row => {
    const sequence = sequenceOf(row)
    if (sequence === undefined) return []
    return [{ ...sequence, sourceId: row.source_id, streamId: row.stream_id, updatedMs: row.updated_ms }]
  })
}

type SequenceRow = {
  readonly lowest: string
  readonly highest: string
  readonly gaps: string
  readonly forgotten: number
}

function sequenceOf({ lowest, highest, gaps, forgotten }: SequenceRow): SourceSequence | undefined {
  if (gaps === '') return undefined
  const read = ranges.parse(JSON.parse(gaps))
  return { lowest: BigInt(lowest), highest: BigInt(highest), gaps: read, forgotten }
}

const bound = z.string().transform(BigInt)
const ranges = z.array(z.tuple([bound, bound]).readonly())
