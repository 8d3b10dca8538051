import type { Step } from '../../ingest/release.ts'
import { keptText } from '../postgres/kept-text.ts'
import type { Queryable } from '../postgres/sql.ts'

/** What one step may say, so that a long edit does not make a long history. */
const DETAIL_CHARS_MAX = 16_384

/** Resolves once the step is on record. */
export async function noteStep(
  db: Queryable,
  id: number,
  { atMs, action, who, byPublisher = false, detail }: Step,
): Promise<void> {
  await db.query(
    `insert into quarantine_steps (quarantine_id, at_ms, action, who, by_publisher, detail)
      values ($1, $2, $3, $4, $5, $6)`,
    [id, atMs, action, who, byPublisher, stepDetail(detail)],
  )
}

/** So few that a history which is shown has room for what is decided after them. */
export const REFUSALS_MAX = 100

/** Resolves once it is on record that an operator's try came to nothing, or so many are that one more says nothing new. */
export async function noteRefusal(
  db: Queryable,
  id: number,
  { atMs, who, detail }: Pick<Step, 'atMs' | 'who' | 'detail'>,
): Promise<void> {
  await db.query(
    `insert into quarantine_steps (quarantine_id, at_ms, action, who, detail) select $1, $2, 'refused', $3, $4
      where (select count(*) from quarantine_steps where quarantine_id = $1 and action = 'refused') < $5`,
    [id, atMs, who, stepDetail(detail), REFUSALS_MAX],
  )
}

export function stepDetail(text: string): string {
  return keptText(text, DETAIL_CHARS_MAX)
}
