import type { IdentifiedEvent } from '../../core/event/identity.ts'
import { qualityFlags } from '../../core/event/quality-flags.ts'
import { hexOf, numbers, type Queryable } from '../postgres/sql.ts'

/** What an eventId stands under in the table: something that is inside the id, so that a repetition has the same. */
export type EventIdKey = { readonly eventId: string; readonly ordering: string | number }

export function orderingOf(
  { eventTimeMs, flags }: IdentifiedEvent,
  sourceSeq: string | undefined,
  index: number,
): string | number {
  if (sourceSeq !== undefined) return signed(sourceSeq)
  return (flags & qualityFlags.ARRIVAL_TIME) === 0 ? eventTimeMs : index
}

const EXACT_DIGITS = 15

/** An unsigned 64-bit number in the column's signed one: any one-to-one way does. */
function signed(digits: string): string | number {
  return digits.length <= EXACT_DIGITS ? Number(digits) : String(BigInt.asIntN(64, BigInt(digits)))
}

/** Takes them, where none of them was taken before; else it fails with a violation of `event_ids_pkey`. */
export async function takeEventIds(db: Queryable, keys: readonly EventIdKey[]): Promise<void> {
  if (keys.length === 0) return
  await db.query({
    name: 'take-event-ids',
    text: `insert into event_ids (ordering, event_id)
      select ordering, substring($2::bytea from (32 * (place - 1) + 1)::int for 32)
      from unnest($1::bigint[]) with ordinality as given (ordering, place)`,
    values: [orderings(keys), idBytes(keys)],
  })
}

/** Takes those that nobody has taken: the eventIds that were taken before. */
export async function claimEventIds(
  db: Queryable,
  keys: readonly EventIdKey[],
): Promise<ReadonlySet<string>> {
  if (keys.length === 0) return new Set()
  const { rows } = await db.query<{ fresh: Uint8Array | null }>({
    name: 'claim-event-ids',
    // Nearly always all of them are new, and then nothing is sent back.
    text: `with fresh as (
        insert into event_ids (ordering, event_id)
          select ordering, substring($2::bytea from (32 * (place - 1) + 1)::int for 32)
          from unnest($1::bigint[]) with ordinality as given (ordering, place)
          on conflict do nothing returning event_id)
      select case when count(*) = $3 then null else coalesce(string_agg(event_id, ''), '') end as fresh from fresh`,
    values: [orderings(keys), idBytes(keys), keys.length],
  })
  const fresh = rows[0]?.fresh
  if (fresh === null || fresh === undefined) return new Set()
  const taken = new Set(keys.map(({ eventId }) => eventId))
  const hex = hexOf(fresh)
  for (let at = 0; at < hex.length; at += 64) taken.delete(hex.slice(at, at + 64))
  return taken
}

function orderings(keys: readonly EventIdKey[]): string {
  return numbers(keys.map(({ ordering }) => ordering))
}

function idBytes(keys: readonly EventIdKey[]): Buffer {
  return Buffer.from(keys.map(({ eventId }) => eventId).join(''), 'hex')
}
