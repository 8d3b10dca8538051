import type { Queryable } from '../postgres/sql.ts'

/** How the overlay is told what is stored here, in the transaction of whoever writes down that it was. */
export type Adverts = {
  /** Resolves with the advert's name, once it will stand as soon as `db` commits. */
  advertise(advert: WantedAdvert, db: Queryable): Promise<string>
  /** Resolves once the advert is taken back as soon as `db` commits, or was before. */
  withdraw(
    advert: { readonly sha256: string; readonly version: number; readonly advert: string },
    db: Queryable,
  ): Promise<void>
  /** Which of these will never stand after all. */
  lost(adverts: readonly string[]): Promise<readonly string[]>
}

export type WantedAdvert = {
  readonly sha256: string
  /** Where the bytes are served. */
  readonly url: string
  readonly length: number
  readonly expirySeconds: number
  /** Rises whenever something else has to be said of the same bytes. */
  readonly version: number
  /** The earlier advert, which this one takes the place of. */
  readonly replaces?: string
}

/** So often one object may be advertised anew: an advert costs money, and a renewal nothing. */
export const ADVERT_PAUSE_MS = 60_000

/**
 * Writes down, with the change that it follows from, what the overlay shall be told of an object: an advert up to its last public
 * retention, or none.
 */
export async function wantAdvert(db: Queryable, sha256: string, nowMs: number): Promise<void> {
  await db.query({
    name: 'uhrp-want-advert',
    text: `with public as (
        select o.length, max(r.retain_until_ms) as until
        from uhrp_objects o join uhrp_retentions r using (sha256)
        where sha256 = decode($1, 'hex') and o.state = 'held' and r.audience = 'public' and r.advertise
          and r.retain_until_ms > $2
        group by o.length)
      insert into uhrp_own_adverts as a (sha256, length, expires_ms, state, due_ms)
        select decode($1, 'hex'), length, until, 'wanted', $2 from public
      on conflict (sha256) do update
        set length = excluded.length, expires_ms = excluded.expires_ms, state = 'wanted', attempts = 0,
          -- One that was never tried has not been said yet.
          version = a.version + (case when a.state = 'wanted' and a.attempts = 0 then 0 else 1 end),
          due_ms = greatest($2, coalesce(a.advertised_ms, 0) + $3)
        where a.state in ('unwanted', 'withdrawn') or a.expires_ms <> excluded.expires_ms`,
    values: [sha256, nowMs, ADVERT_PAUSE_MS],
  })
  await db.query({
    name: 'uhrp-unwant-advert',
    text: `update uhrp_own_adverts set state = 'unwanted', attempts = 0, due_ms = $2
      where sha256 = decode($1, 'hex') and state in ('wanted', 'advertised') and not exists (
        select from uhrp_objects o join uhrp_retentions r using (sha256)
        where o.sha256 = decode($1, 'hex') and o.state = 'held' and r.audience = 'public' and r.advertise
          and r.retain_until_ms > $2)`,
    values: [sha256, nowMs],
  })
}

const PAGE = 1000
/** So long after an advert its object is not advertised again because that one was lost: what refused it may last. */
export const LOST_PAUSE_MS = 10 * 60_000

/** What was advertised, and the network would not have, is wanted again. Resolves with how many are. */
export async function wantLostAgain({
  db,
  adverts,
}: {
  readonly db: Queryable
  readonly adverts: Pick<Adverts, 'lost'>
}): Promise<number> {
  let count = 0
  for (let after = ''; ; ) {
    const { rows } = await db.query<{ sha256: string; advert: string }>({
      name: 'uhrp-advertised-page',
      text: `select encode(sha256, 'hex') as sha256, advert from uhrp_own_adverts
        where state = 'advertised' and advert is not null and sha256 > decode($1, 'hex') order by sha256 limit $2`,
      values: [after, PAGE],
    })
    const last = rows.at(-1)
    if (last === undefined) return count
    after = last.sha256
    const lost = await adverts.lost(rows.map(({ advert }) => advert))
    const wanted = await db.query({
      name: 'uhrp-want-lost',
      text: `update uhrp_own_adverts
        set state = 'wanted', version = version + 1, advert = null, attempts = 0, due_ms = advertised_ms + $2
        where state = 'advertised' and advert = any ($1)`,
      values: [lost, LOST_PAUSE_MS],
    })
    count += wanted.rowCount ?? 0
  }
}
