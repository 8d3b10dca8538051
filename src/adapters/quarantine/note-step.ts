import type { Step } from '../../ingest/release.ts'
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

/** As it can be kept: text columns cannot hold the character NUL. */
export function stepDetail(text: string): string {
  return text.replaceAll('\0', '\uFFFD').slice(0, DETAIL_CHARS_MAX).toWellFormed()
}
