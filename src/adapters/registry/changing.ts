import type { Pool } from 'pg'
import { type Outcome, type Refusal, refused } from '../../core/fault.ts'
import type { Level } from '../../core/level.ts'
import type { PolicyDefaults } from '../../core/registry/stream-policy.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import type { Actor } from './record-change.ts'

export type ChangeDeps = {
  readonly pool: Pool
  /** 32 bytes; seals secrets and keys of streams. */
  readonly masterKey: Uint8Array
  now(): number
  readonly defaults: PolicyDefaults
  /** Of streams that name none. */
  readonly levelByDefault: Level
  /** Whom the node lists (EVENT_OPERATORS): agents of nobody else are asked, and no topic admits them. None: anybody. */
  readonly operators: readonly string[]
}

/** One change of the registry under way, in its transaction. */
export type Changing = Omit<ChangeDeps, 'pool' | 'now'> & { readonly db: Queryable; readonly by: Actor }

/** What became of something that was put: putting the same again does nothing. */
export type Put<T> = { readonly did: 'created' | 'changed' | 'nothing'; readonly value: T }

/** All of it, or nothing where it is refused. One change at a time: what a stream is depends on its sources. */
export function changing<T>(
  { pool, now, ...deps }: ChangeDeps,
  who: string,
  work: (change: Changing) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  return inTransaction(pool, db => work({ ...deps, db, by: { who, atMs: now() } }), {
    begin: "begin; select pg_advisory_xact_lock(hashtextextended('assay: registry', 0))",
    keep: outcome => outcome.ok,
  })
}

export function cannot(detail: string, pointer?: string): Refusal {
  return refused('registration-invalid', detail, pointer)
}
