import { utf8 } from '../../core/bytes.ts'
import type { KnownPayloads } from '../../core/event/identity.ts'
import { bytea, byteas, hexOf, type Queryable } from '../postgres/sql.ts'

export type NativeKey = { readonly sourceId: string; readonly nativeId: string }

type NativeClaim = NativeKey & { readonly first: KnownPayloads['latest'] }

/** What was known of the keys, locked until the transaction ends; those not known before are taken with `first`. */
export async function claimNativeIds(
  db: Queryable,
  claims: readonly NativeClaim[],
  nowMs: number,
): Promise<(KnownPayloads | undefined)[]> {
  if (claims.length === 0) return []
  const { rows } = await db.query<{ taken: number[] | null }>({
    name: 'claim-native-ids',
    text: `with fresh as (
        insert into native_ids (source_id, native_id, latest_digest, latest_event_id, latest_ms, first_ms)
          select source_id, native_id, digest, digest, latest_ms, $5
          from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[])
            as given (source_id, native_id, digest, latest_ms)
          order by source_id, native_id
          on conflict do nothing returning source_id, native_id)
      select case when count(*) = $6 then null else array(
        select place::int from unnest($1::text[], $2::bytea[]) with ordinality as given (source_id, native_id, place)
          where not exists (select 1 from fresh where fresh.source_id = given.source_id
            and fresh.native_id = given.native_id)) end as taken
      from fresh`,
    values: [
      claims.map(({ sourceId }) => sourceId),
      claims.map(({ nativeId }) => Buffer.from(utf8(nativeId))),
      byteas(claims.map(({ first }) => first.payloadDigest)),
      claims.map(({ first }) => first.timeMs),
      nowMs,
      claims.length,
    ],
  })
  const known: (KnownPayloads | undefined)[] = claims.map(() => undefined)
  const taken = rows[0]?.taken ?? []
  if (taken.length > 0) await readTaken(db, claims, taken, known, nowMs)
  return known
}

async function readTaken(
  db: Queryable,
  claims: readonly NativeClaim[],
  places: readonly number[],
  known: (KnownPayloads | undefined)[],
  nowMs: number,
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
  for (const row of rows) known[row.place - 1] = asKnown(row)
  if (rows.length === places.length) return

  // Swept between the two statements: then nothing is known of them, and they are taken like any other.
  const found = new Set(rows.map(({ place }) => place))
  const gone = places.filter(place => !found.has(place))
  const again = await claimNativeIds(
    db,
    gone.flatMap(place => claims[place - 1] ?? []),
    nowMs,
  )
  for (const [i, place] of gone.entries()) known[place - 1] = again[i]
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
): Promise<void> {
  for (const { sourceId, nativeId, known } of changes)
    await db.query({
      name: 'write-native-id',
      text: `update native_ids set latest_digest = $3, latest_event_id = $4, latest_ms = $5, earlier = $6,
        forgotten = $7 where source_id = $1 and native_id = $2`,
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
      ],
    })
}

/** Lets go of ids that came first before the horizon. */
export async function sweepNativeIds(db: Queryable, beforeMs: number, rowsMax: number): Promise<number> {
  const { rowCount } = await db.query(
    // Those that an append has locked it still needs, and they are there the next time.
    `delete from native_ids where ctid = any(array(
      select ctid from native_ids where first_ms < $1 limit $2 for update skip locked))`,
    [beforeMs, rowsMax],
  )
  return rowCount ?? 0
}
