import { utf8 } from '../../core/bytes.ts'
import type { IdentifiedEvent, KnownPayloads } from '../../core/event/identity.ts'
import { bytea, hexOf, numbers, type Queryable, texts } from '../postgres/sql.ts'

export type NativeKey = { readonly sourceId: string; readonly nativeId: string }

/** `first`: what it is taken as, where nothing is known of it. */
export type NativeClaim = NativeKey & { readonly first: Pick<IdentifiedEvent, 'eventId' | 'eventTimeMs'> }

/** Takes them with `first`, where nothing was known of any; else it fails with a violation of `native_ids_pkey`. */
export async function takeNativeIds(
  db: Queryable,
  claims: readonly NativeClaim[],
  nowMs: number,
): Promise<void> {
  if (claims.length === 0) return
  await db.query({
    name: 'take-native-ids',
    text: `insert into native_ids (source_id, native_id, latest_digest, latest_event_id, latest_ms, first_ms)
      select source_id, native_id, digest, digest, latest_ms, $7 from (${given}) as given
        order by source_id, native_id`,
    values: [texts(claims.map(({ sourceId }) => sourceId)), ...idBytes(claims), nowMs],
  })
}

const given = `select source_id, substring($2::bytea from start for length) as native_id,
    substring($3::bytea from (32 * (place - 1) + 1)::int for 32) as digest, latest_ms, place
  from unnest($1::text[], $4::int[], $5::int[], $6::bigint[]) with ordinality
    as named (source_id, start, length, latest_ms, place)`

/**
 * What was known of the keys, by their places, locked until the transaction ends; those not known before are taken with
 * `first`.
 */
export async function claimNativeIds(
  db: Queryable,
  claims: readonly NativeClaim[],
  nowMs: number,
): Promise<Map<number, KnownPayloads>> {
  const known = new Map<number, KnownPayloads>()
  if (claims.length === 0) return known
  const { rows } = await db.query<{ taken: number[] | null }>({
    name: 'claim-native-ids',
    text: `with given as materialized (${given}), fresh as (
        insert into native_ids (source_id, native_id, latest_digest, latest_event_id, latest_ms, first_ms)
          select source_id, native_id, digest, digest, latest_ms, $7 from given order by source_id, native_id
          on conflict do nothing returning source_id, native_id)
      select case when count(*) = $8 then null else array(
        select place::int from given
          where not exists (select 1 from fresh where fresh.source_id = given.source_id
            and fresh.native_id = given.native_id)) end as taken
      from fresh`,
    values: [texts(claims.map(({ sourceId }) => sourceId)), ...idBytes(claims), nowMs, claims.length],
  })
  const taken = rows[0]?.taken ?? []
  if (taken.length > 0) await readTaken(db, claims, taken, known)
  return known
}

/** Ids and digests one after the other, with the places of the ids: a parameter each would cost more than they do. */
function idBytes(claims: readonly NativeClaim[]): [Buffer, Buffer, string, string, string] {
  const ids = claims.map(({ nativeId }) => Buffer.from(nativeId))
  const starts: number[] = []
  let start = 1
  for (const { length } of ids) {
    starts.push(start)
    start += length
  }
  return [
    Buffer.concat(ids),
    Buffer.from(claims.map(({ first }) => first.eventId).join(''), 'hex'),
    numbers(starts),
    numbers(ids.map(({ length }) => length)),
    numbers(claims.map(({ first }) => first.eventTimeMs)),
  ]
}

async function readTaken(
  db: Queryable,
  claims: readonly NativeClaim[],
  places: readonly number[],
  known: Map<number, KnownPayloads>,
): Promise<void> {
  const asked = places.flatMap(place => claims[place - 1] ?? [])
  const { rows } = await db.query<KnownRow>({
    name: 'lock-native-ids',
    text: `select given.place, held.latest_digest as digest, held.latest_event_id as "eventId",
        held.latest_ms as "timeMs", held.earlier, held.forgotten
      from unnest($1::text[], $2::bytea[], $3::int[]) as given (source_id, native_id, place)
      join native_ids as held on held.source_id = given.source_id and held.native_id = given.native_id
      order by held.source_id, held.native_id for update of held`,
    values: [
      asked.map(({ sourceId }) => sourceId),
      asked.map(({ nativeId }) => Buffer.from(utf8(nativeId))),
      places,
    ],
  })
  for (const row of rows) known.set(row.place - 1, asKnown(row))
  if (rows.length < places.length) throw new Error('ids of sources have gone while they were claimed')
}

type KnownRow = {
  readonly place: number
  readonly digest: Uint8Array
  readonly eventId: Uint8Array
  readonly timeMs: number
  readonly earlier: readonly (readonly [string, string, number])[] | null
  readonly forgotten: boolean
}

function asKnown({ digest, eventId, timeMs, earlier, forgotten }: KnownRow): KnownPayloads {
  return {
    latest: { payloadDigest: hexOf(digest), eventId: hexOf(eventId), timeMs },
    earlier: (earlier ?? []).map(([payloadDigest, id, ms]) => ({ payloadDigest, eventId: id, timeMs: ms })),
    forgotten,
  }
}

export async function writeNativeIds(
  db: Queryable,
  changes: readonly (NativeKey & { readonly known: KnownPayloads })[],
  nowMs: number,
): Promise<void> {
  for (const { sourceId, nativeId, known } of changes)
    await db.query({
      name: 'write-native-id',
      text: `update native_ids set latest_digest = $3, latest_event_id = $4, latest_ms = $5, earlier = $6,
        forgotten = $7, changed_ms = $8 where source_id = $1 and native_id = $2`,
      values: [
        sourceId,
        Buffer.from(utf8(nativeId)),
        bytea(known.latest.payloadDigest),
        bytea(known.latest.eventId),
        known.latest.timeMs,
        known.earlier.length === 0
          ? null
          : JSON.stringify(
              known.earlier.map(({ payloadDigest, eventId, timeMs }) => [payloadDigest, eventId, timeMs]),
            ),
        known.forgotten,
        nowMs,
      ],
    })
}

/** Of ids that nothing new has come of since, only the latest payload is kept; resolves with how many those were. */
export async function forgetEarlierPayloads(
  db: Queryable,
  beforeMs: number,
  rowsMax: number,
): Promise<number> {
  const { rowCount } = await db.query(
    // Those that an append has locked are in use.
    `update native_ids set earlier = null, forgotten = true where ctid = any(array(
      select ctid from native_ids where earlier is not null and coalesce(changed_ms, first_ms) < $1
        order by coalesce(changed_ms, first_ms) limit $2 for update skip locked))`,
    [beforeMs, rowsMax],
  )
  return rowCount ?? 0
}
