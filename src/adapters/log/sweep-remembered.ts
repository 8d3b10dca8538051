import type { Queryable } from '../postgres/sql.ts'
import { sweepKeys } from './idempotency.ts'
import { sweepMeters } from './meters.ts'
import { forgetEarlierPayloads } from './native-ids.ts'

/** What the log remembers of requests and events for a time only. At most so many rows of a kind: then there is more. */
export async function sweepRemembered(
  db: Queryable,
  {
    nowMs,
    horizonMs,
    rowsMax,
  }: { readonly nowMs: number; readonly horizonMs: number; readonly rowsMax: number },
): Promise<'more' | undefined> {
  await sweepMeters(db, nowMs)
  const swept = [
    await sweepKeys(db, nowMs, rowsMax),
    await forgetEarlierPayloads(db, nowMs - horizonMs, rowsMax),
  ]
  return swept.includes(rowsMax) ? 'more' : undefined
}
