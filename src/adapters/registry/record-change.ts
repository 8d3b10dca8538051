import type { Json } from '../../core/canonical-json.ts'
import type { Queryable } from '../postgres/sql.ts'

export const CHANNEL = 'assay_registry'

/** What nodes keep in memory, and so have to be told of. */
const changeKinds = ['source', 'stream', 'secret'] as const
export type ChangeKind = (typeof changeKinds)[number]

/** Of a secret, `subject` is its source, and neither side ever says what it is. */
export type Change = {
  readonly kind: ChangeKind | 'publisher'
  readonly subject: string
  readonly what: 'created' | 'changed' | 'added' | 'ends' | 'revoked'
  readonly was?: Json
  readonly became?: Json
}

/** Who changes something, and when. */
export type Actor = { readonly who: string; readonly atMs: number }

/** Writes it down, and tells every node once it is committed. */
export async function recordChange(db: Queryable, change: Change, { who, atMs }: Actor): Promise<void> {
  const { kind, subject, what, was, became } = change
  await db.query({
    text: `with recorded as (
        insert into registry_changes (at_ms, who, kind, subject, what, was, became)
          values ($1, $2, $3, $4, $5, $6, $7))
      select pg_notify('${CHANNEL}', $8) where $3 <> 'publisher'`,
    values: [atMs, who, kind, subject, what, jsonb(was), jsonb(became), `${kind} ${subject}`],
  })
}

export function readNotice(
  payload: string,
): { readonly kind: ChangeKind; readonly subject: string } | undefined {
  const space = payload.indexOf(' ')
  const kind = changeKinds.find(each => each === payload.slice(0, space))
  return kind && { kind, subject: payload.slice(space + 1) }
}

function jsonb(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
