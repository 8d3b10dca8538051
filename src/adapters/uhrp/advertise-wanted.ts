import type { Pool } from 'pg'
import { backOff } from '../../runtime/back-off.ts'
import { type Repeating, repeat } from '../../runtime/repeat.ts'
import { keptText } from '../postgres/kept-text.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { type Adverts, wantLostAgain } from './adverts.ts'

export type AdvertiseDeps = {
  readonly pool: Pool
  readonly adverts: Adverts
  now(): number
  /** Where an object is served. */
  urlOf(sha256: string): string
  onFailure(sha256: string, error: unknown): void
}

/** So long nobody else takes up what is under way. */
const LEASE_MS = 60_000
const AT_ONCE = 8
const IDLE_MS = 1000
/** Between two looks at whether what was advertised still stands. */
const LOST_MS = 60_000

/**
 * Tells the overlay what is written down that it shall be told, until it is stopped. What a process stored or removed
 * and then died over is told by the next one; any number of processes may do so side by side.
 */
export function startAdvertising(deps: AdvertiseDeps): Repeating {
  let lookAgainMs = 0
  const work = async () => {
    const done = await advertiseDue(deps)
    if (deps.now() >= lookAgainMs) {
      lookAgainMs = deps.now() + LOST_MS
      await wantLostAgain({ db: deps.pool, adverts: deps.adverts })
    }
    return done === AT_ONCE ? 'more' : 'all'
  }
  return repeat(work, { everyMs: IDLE_MS, onFailure: error => deps.onFailure('', error) })
}

/** Resolves with how many were taken up. */
export async function advertiseDue(deps: AdvertiseDeps): Promise<number> {
  const { pool, now } = deps
  const { rows } = await pool.query<Due>({
    name: 'uhrp-lease-adverts',
    text: `update uhrp_own_adverts set due_ms = $1::bigint + $2, attempts = attempts + 1
      where sha256 in (
        select sha256 from uhrp_own_adverts where state in ('wanted', 'unwanted') and due_ms <= $1
          order by due_ms, sha256 limit $3 for update skip locked)
      returning encode(sha256, 'hex') as sha256, length, expires_ms as "expiresMs", state, version, advert, attempts`,
    values: [now(), LEASE_MS, AT_ONCE],
  })
  await Promise.all(rows.map(each => tell(each, deps)))
  return rows.length
}

type Due = {
  readonly sha256: string
  readonly length: number
  readonly expiresMs: number
  readonly state: 'wanted' | 'unwanted'
  readonly version: number
  readonly advert: string | null
  readonly attempts: number
}

async function tell(due: Due, deps: AdvertiseDeps): Promise<void> {
  const { pool, now, onFailure } = deps
  try {
    await inTransaction(
      pool,
      db => (due.state === 'wanted' ? advertise(due, db, deps) : withdraw(due, db, deps)),
      { keep: stillDue => stillDue },
    )
  } catch (error) {
    onFailure(due.sha256, error)
    await pool
      .query({
        text: `update uhrp_own_adverts set due_ms = $2, last_error = $3
          where sha256 = decode($1, 'hex') and version = $4 and state = $5`,
        values: [due.sha256, now() + backOff(due.attempts), keptText(String(error)), due.version, due.state],
      })
      // The database does not answer: the lease runs out, and somebody tells it again.
      .catch((again: unknown) => onFailure(due.sha256, again))
  }
}

/**
 * Resolves with whether it is still what shall be told. If not, somebody else has told it, or will tell something
 * else: two adverts in place of the same one would be one too many.
 */
async function advertise(due: Due, db: Queryable, { adverts, now, urlOf }: AdvertiseDeps): Promise<boolean> {
  const { sha256, length, version, advert: earlier } = due
  const advert = await adverts.advertise(
    {
      sha256,
      length,
      version,
      url: urlOf(sha256),
      expirySeconds: Math.floor(due.expiresMs / 1000),
      ...(earlier !== null && { replaces: earlier }),
    },
    db,
  )
  const { rowCount } = await db.query({
    name: 'uhrp-advertised',
    text: `update uhrp_own_adverts set advert = $2, advertised_ms = $3, last_error = null, state = 'advertised'
      where sha256 = decode($1, 'hex') and version = $4 and state = 'wanted' and advert is not distinct from $5`,
    values: [sha256, advert, now(), version, earlier],
  })
  return rowCount === 1
}

async function withdraw(
  { sha256, version, advert }: Due,
  db: Queryable,
  { adverts }: AdvertiseDeps,
): Promise<boolean> {
  if (advert !== null) await adverts.withdraw({ sha256, version, advert }, db)
  const { rowCount } = await db.query({
    name: 'uhrp-withdrawn',
    text: `update uhrp_own_adverts set advert = null, state = 'withdrawn'
      where sha256 = decode($1, 'hex') and version = $2 and state = 'unwanted' and advert is not distinct from $3`,
    values: [sha256, version, advert],
  })
  return rowCount === 1
}
