import type { Pool } from 'pg'
import type { Audience } from '../../core/audience.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { errorCode } from '../../runtime/error-code.ts'
import { byteas, inTransaction, type Queryable, texts } from '../postgres/sql.ts'
import { wantAdvert } from './adverts.ts'
import type { Folder } from './folder.ts'
import type { Holder } from './holder.ts'
import type { Received } from './receive-content.ts'

/** Why an object is kept. */
export type Retention = {
  readonly holder: Holder
  readonly retainUntilMs: number
  readonly audience: Audience
  /** Identity keys, in hex, that may read it where it is restricted. */
  readonly readers: readonly string[]
  /** Whose events it is made of: then who may read one of these streams may read it, and nobody else. */
  readonly streams: readonly string[]
  readonly contentType: string
  /** Whether the overlay is told of it where it is public. */
  readonly advertise: boolean
}

type KeepDeps = { readonly pool: Pool; readonly folder: Folder; readonly nowMs: number }

/** An object that came for a seat or an identity, which may be refused. */
export async function keepObject(
  received: Received,
  retention: Retention,
  { pool, folder, nowMs }: KeepDeps,
): Promise<Outcome<true>> {
  const { sha256 } = received
  try {
    return await underLocks(pool, [sha256], async db => {
      await folder.settle(received.incoming, received.sha256)
      await writeIn(db, received, retention, nowMs)
      return accepted(true)
    })
  } catch (error) {
    // A seat has room for one object, and another one was here first; no row names our file, so the sweep removes it.
    if (errorCode(error) === uniqueViolation) return seatTaken
    throw error
  }
}

export type OwnToKeep = { readonly received: Received; readonly retention: Retention; readonly nowMs: number }

/** What the node keeps of its own accord, and nobody refuses: one transaction for all of it, or nothing. */
export function keepOwn(
  toKeep: readonly OwnToKeep[],
  { pool, folder }: Omit<KeepDeps, 'nowMs'>,
): Promise<void> {
  const hashes = toKeep.map(({ received }) => received.sha256)
  return underLocks(pool, hashes, async db => {
    // All of them have ended by the time that the locks go, however they end.
    const named = await Promise.allSettled(
      toKeep.map(({ received }) => folder.settle(received.incoming, received.sha256)),
    )
    for (const each of named) if (each.status === 'rejected') throw each.reason
    for (const { received, retention, nowMs } of toKeep) await writeIn(db, received, retention, nowMs)
  })
}

async function writeIn(
  db: Queryable,
  { sha256, length }: Received,
  retention: Retention,
  nowMs: number,
): Promise<void> {
  await writeRows(db, sha256, length, retention, nowMs)
  if (retention.audience === 'public' && retention.advertise) await wantAdvert(db, sha256, nowMs)
}

/**
 * Runs `work` in a transaction that nobody else adds or removes these objects in. A received file gets its name, also over
 * one that is there, as its bytes are the right ones whatever has become of that, and then the row that names it; nobody
 * sees the one without the other.
 */
export function underLocks<T>(
  pool: Pool,
  hashes: readonly string[],
  work: (db: Queryable) => Promise<T>,
): Promise<T> {
  if (!hashes.every(sha256 => /^[0-9a-f]{64}$/.test(sha256)))
    throw new Error('an object is named by 64 lower-case hex digits')
  // In one order, so that no two transactions wait for each other.
  const names = [...new Set(hashes)].sort().map(sha256 => `'assay: uhrp ${sha256}'`)
  const begin = `begin; select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest(array[${names}]) as name`
  return inTransaction(pool, work, { begin })
}

export const seatTaken = refused(
  'upload-taken',
  'another object is stored for this outpoint already, and it has room for one; nothing was changed',
)

const uniqueViolation = '23505'

async function writeRows(
  db: Queryable,
  sha256: string,
  length: number,
  { holder, audience, readers, streams, contentType, retainUntilMs, advertise }: Retention,
  nowMs: number,
): Promise<void> {
  await db.query({
    name: 'uhrp-write-object',
    // What was shared with more, or for longer, stays so: to store it again takes nothing back.
    text: `with object as (
        insert into uhrp_objects (sha256, length, state, checked_ms) values (decode($1, 'hex'), $9, 'held', $6)
          on conflict (sha256) do update set state = 'held', checked_ms = $6)
      insert into uhrp_retentions as r
        (sha256, holder, audience, readers, content_type, stored_ms, retain_until_ms, advertise, streams)
        values (decode($1, 'hex'), $2, $3, $4, $5, $6, $7, $8, $10)
      on conflict (sha256, holder) do update set
        audience = case when r.audience = 'public' then r.audience else excluded.audience end,
        readers = array(select distinct unnest(r.readers || excluded.readers)),
        streams = case when excluded.streams <@ r.streams then r.streams
          else array(select distinct unnest(r.streams || excluded.streams)) end,
        content_type = excluded.content_type,
        advertise = r.advertise or excluded.advertise,
        retain_until_ms = greatest(r.retain_until_ms, excluded.retain_until_ms)`,
    values: [
      ...[sha256, holder, audience, byteas(readers), contentType, nowMs, retainUntilMs, advertise, length],
      texts(streams),
    ],
  })
}
