import { accepted, type Outcome } from '../../core/fault.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type ChangeDeps, type Changing, changing } from '../registry/changing.ts'

export type PublisherDeps = {
  readonly changes: ChangeDeps
  /** Changes of one identity in a day: each is kept for good. */
  readonly changesPerDayMax: number
}

/** Why nothing was changed although nothing was wrong with what was asked. */
export type NotChanged =
  /** There is none that is the caller's. */
  | { readonly did: 'not-found' }
  /** Somebody has changed it since it was read. */
  | { readonly did: 'overtaken'; readonly version: string }
  | {
      readonly did: 'full'
      readonly why: 'feeds' | 'all-feeds' | 'streams' | 'all-streams' | 'changes' | 'publishers'
      readonly max: number
    }

export type Edit<T> = { readonly did: 'done'; readonly value: T } | NotChanged

const DAY_MS = 86_400_000

/** A change that a publisher asks for, recorded under its identity key. */
export function publisherChange<T>(
  { changes, changesPerDayMax }: PublisherDeps,
  identityKey: string,
  work: (change: Changing) => Promise<Outcome<Edit<T>>>,
): Promise<Outcome<Edit<T>>> {
  return changing(changes, identityKey, async (change): Promise<Outcome<Edit<T>>> => {
    if ((await changesSince(change.db, identityKey, change.by.atMs - DAY_MS)) >= changesPerDayMax)
      return accepted({ did: 'full', why: 'changes', max: changesPerDayMax })
    return work(change)
  })
}

async function changesSince(db: Queryable, who: string, sinceMs: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'publisher-changes',
    // Decisions over what was held are as many as that was.
    text: `select count(*)::int as count from registry_changes
      where who = $1 and at_ms > $2 and kind <> 'quarantine'`,
    values: [who, sinceMs],
  })
  return rows[0]?.count ?? 0
}

export const notFound = accepted({ did: 'not-found' } as const)

export function overtaken(version: string): Outcome<NotChanged> {
  return accepted({ did: 'overtaken', version })
}

export function done<T>(value: T): Outcome<Edit<T>> {
  return accepted({ did: 'done', value })
}
