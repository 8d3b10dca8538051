import { canonicalJson } from '../../core/canonical-json.ts'
import type { OfferedItem } from '../../ingest/append.ts'
import type { Release } from '../../ingest/arrived.ts'
import type { HeldState } from '../../ingest/release.ts'
import { sayable } from '../postgres/kept-text.ts'
import { bytea, hexOf, type Queryable } from '../postgres/sql.ts'
import { findHeldIds } from '../quarantine/held-batches.ts'
import { noteStep } from '../quarantine/note-step.ts'
import { recordDecision } from '../quarantine/record-decision.ts'

export type Holding = {
  readonly partitionId: number
  readonly streamId: string
  readonly sourceId: string
  readonly tenantId?: string
  readonly authenticated: string
  readonly receivedMs: number
  readonly item: Extract<OfferedItem, { kind: 'held' }>
}

export type HeldAs = {
  readonly quarantineId: string
  /** It was held already, and this is a repetition. */
  readonly again: boolean
}

/** Sets events aside, each once. */
export async function holdEvents(db: Queryable, holdings: readonly Holding[]): Promise<HeldAs[]> {
  if (holdings.length === 0) return []
  const { rows: numbers } = await db.query<{ id: number }>(
    `select nextval(pg_get_serial_sequence('quarantine', 'id')) as id from generate_series(1, $1)`,
    [holdings.length],
  )
  const ids = numbers.map(({ id }) => Number(id))
  const column = <T>(read: (holding: Holding) => T) => holdings.map(read)
  const { rows } = await db.query<{ id: number }>(
    `with held as (
      insert into quarantine (id, partition_id, stream_id, source_id, tenant_id, reason, detail, held, fingerprint,
          native_id, authenticated, received_ms)
        overriding system value
        select * from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
          $8::text[], $9::bytea[], $10::text[], $11::text[], $12::bigint[])
          as given (id, partition_id, stream_id, source_id, tenant_id, reason, detail, held, fingerprint, native_id,
            authenticated, received_ms)
          order by source_id, fingerprint, id
        on conflict do nothing returning id, received_ms, reason),
    noted as (
      insert into quarantine_steps (quarantine_id, at_ms, action, who, detail)
        select id, received_ms, 'held', 'ingest', reason from held)
    select id from held`,
    [
      ids,
      column(({ partitionId }) => partitionId),
      column(({ streamId }) => streamId),
      column(({ sourceId }) => sourceId),
      column(({ tenantId }) => tenantId ?? null),
      column(({ item }) => item.reason),
      // What was sent stands in the JSON beside it, unchanged.
      column(({ item }) => sayable(item.detail)),
      column(({ item }) => canonicalJson(item.held)),
      column(({ item }) => (item.fingerprint === undefined ? null : bytea(item.fingerprint))),
      column(({ item }) => (item.nativeId === undefined ? null : sayable(item.nativeId))),
      column(({ authenticated }) => authenticated),
      column(({ receivedMs }) => receivedMs),
    ],
  )
  const fresh = new Set(rows.map(({ id }) => Number(id)))
  const repeated = holdings.filter((_, i) => !fresh.has(ids[i] ?? -1))
  const heldIds = await findHeldIds(
    db,
    repeated.map(({ sourceId, item }) => ({ sourceId, fingerprint: item.fingerprint ?? '' })),
  )
  const known = new Map(repeated.map((holding, i) => [holding, heldIds[i]]))
  return holdings.map((holding, i) => {
    const id = ids[i] ?? -1
    if (fresh.has(id)) return { quarantineId: String(id), again: false }
    return { quarantineId: String(known.get(holding) ?? ''), again: true }
  })
}

export type LetGo =
  /** It leaves quarantine with this transaction. */
  | { readonly kind: 'released'; readonly partitionId: number }
  /** It had left before: as this event, or waived. */
  | { readonly kind: 'gone'; readonly eventId: string | null }
  /** It stays there: what was made of it is no event, or would be held again. */
  | { readonly kind: 'kept' }

/** Locks what shall leave quarantine, as long as the transaction lasts; what a second release finds is what the first one did. */
export async function claimReleases(
  db: Queryable,
  releases: readonly Release[],
): Promise<Map<string, LetGo>> {
  if (releases.length === 0) return new Map()
  const { rows } = await db.query<Claimed>(
    `select id, partition_id as "partitionId", state, event_id as "eventId" from quarantine
      where id = any($1::bigint[]) order by id for update`,
    [releases.map(({ quarantineId }) => quarantineId)],
  )
  return new Map(rows.map(row => [String(row.id), letGoOf(row)]))
}

type Claimed = {
  readonly id: number
  readonly partitionId: number
  readonly state: HeldState
  readonly eventId: Uint8Array | null
}

function letGoOf({ partitionId, state, eventId }: Claimed): LetGo {
  return state === 'held'
    ? { kind: 'released', partitionId }
    : { kind: 'gone', eventId: eventId === null ? null : hexOf(eventId) }
}

/** Takes out what was claimed, once it is known that it does not stay. */
export async function takeOut(db: Queryable, ids: readonly string[], nowMs: number): Promise<void> {
  if (ids.length === 0) return
  await db.query(`update quarantine set state = 'released', decided_ms = $2 where id = any($1::bigint[])`, [
    ids,
    nowMs,
  ])
}

export async function noteReleases(
  db: Queryable,
  releases: readonly Released[],
  nowMs: number,
): Promise<void> {
  for (const release of releases) await noteRelease(db, release, nowMs)
}

export type Released = Release & { readonly streamId: string; readonly eventId: string }

/** What is done with it, step by step and in the record of changes. */
async function noteRelease(db: Queryable, release: Released, nowMs: number): Promise<void> {
  const { quarantineId, who, byPublisher = false, override = false, edit, streamId, eventId } = release
  await db.query('update quarantine set event_id = $2 where id = $1', [quarantineId, bytea(eventId)])
  const step = { who, byPublisher, atMs: nowMs }
  if (edit !== undefined)
    await noteStep(db, Number(quarantineId), { ...step, action: 'edited', detail: edit })
  const where = { streamId, ...(override && { override }) }
  await noteStep(db, Number(quarantineId), { ...step, action: 'released', detail: canonicalJson(where) })
  await recordDecision(db, {
    quarantineId,
    what: 'released',
    ...step,
    became: { ...where, eventId, ...(edit !== undefined && { edit }) },
  })
}
