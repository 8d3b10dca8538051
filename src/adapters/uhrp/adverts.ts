import type { Queryable } from '../postgres/sql.ts'

/** How the overlay is told what is stored here. Each is asked again after a crash, and must not do it twice. */
export type Adverts = {
  /** Resolves with the advert's name, once it will stand whatever happens: for one version always the same. */
  advertise(advert: WantedAdvert): Promise<string>
  /** Resolves once the advert is taken back, or was before. */
  withdraw(advert: {
    readonly sha256: string
    readonly version: number
    readonly advert: string
  }): Promise<void>
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
        where sha256 = decode($1, 'hex') and o.state = 'held' and r.audience = 'public' and r.retain_until_ms > $2
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
        where o.sha256 = decode($1, 'hex') and o.state = 'held' and r.audience = 'public' and r.retain_until_ms > $2)`,
    values: [sha256, nowMs],
  })
}
