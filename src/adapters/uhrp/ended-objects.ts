import type { Pool } from 'pg'
import { bytea } from '../postgres/sql.ts'

/** Goes on where it was the last time, and resolves once it has gone through all that ended by then, or is stopped. */
export type EndedObjects = (
  untilMs: number,
  work: (sha256: string) => Promise<void>,
  stop: AbortSignal,
) => Promise<void>

/** Whose end was not seen yet; or of which a row alone is left, that remembers them. */
export type EndedState = 'unexpired' | 'expired'

/**
 * The objects that nobody keeps since then, in the order in which that ended. Most retentions that have ended are of objects
 * that others keep: each is looked at once by a process.
 */
export function openEndedObjects(pool: Pool, of: EndedState, pageRows = PAGE_ROWS): EndedObjects {
  let next: Place = { ms: 0, sha256: '' }
  return async (untilMs, work, stop) => {
    let failed: { readonly error: unknown; readonly place: Place } | undefined
    for (let place = next; !stop.aborted; ) {
      const { ended, last } = await readPage(pool, { of, place, untilMs, pageRows })
      for (const sha256 of ended) {
        if (stop.aborted) break
        try {
          await work(sha256)
        } catch (error) {
          // Those behind it do not wait for it, and it is met again the next time.
          failed ??= { error, place }
        }
      }
      if (stop.aborted) break
      if (last !== null) place = last
      else if (place.ms > untilMs - OVERLAP_MS) place = { ms: untilMs - OVERLAP_MS, sha256: '' }
      next = failed === undefined || place.ms < failed.place.ms ? place : failed.place
      if (last === null) break
    }
    if (failed !== undefined) throw failed.error
  }
}

type Place = { readonly ms: number; readonly sha256: string }

/** Some tens of milliseconds of the database. */
const PAGE_ROWS = 20_000
/** What another process says has ended may be written a moment later, by another clock. */
const OVERLAP_MS = 600_000

async function readPage(
  pool: Pool,
  { of, place, untilMs, pageRows }: { of: EndedState; place: Place; untilMs: number; pageRows: number },
): Promise<{ ended: string[]; last: Place | null }> {
  const { rows } = await pool.query<{ ended: string[]; last: Place | null }>({
    name: 'uhrp-ended',
    text: `with page as materialized (
        select retain_until_ms as ms, sha256 from uhrp_retentions
          where (retain_until_ms, sha256) > ($1::bigint, $2::bytea) and retain_until_ms <= $3
          order by retain_until_ms, sha256 limit $4)
      select array(
          select encode(page.sha256, 'hex') from page join uhrp_objects as object using (sha256)
            where (object.state = 'expired') = $5
              and not exists (select from uhrp_retentions as other
                where other.sha256 = page.sha256 and other.retain_until_ms > $3)
            group by page.sha256 order by min(page.ms), page.sha256) as ended,
        (select json_build_object('ms', ms, 'sha256', encode(sha256, 'hex')) from page
          order by ms desc, sha256 desc limit 1) as last`,
    values: [place.ms, bytea(place.sha256), untilMs, pageRows, of === 'expired'],
  })
  return rows[0] ?? { ended: [], last: null }
}
