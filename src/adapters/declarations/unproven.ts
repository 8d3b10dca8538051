import { bytea, type Queryable } from '../postgres/sql.ts'

/** What is kept of declarations that nothing proves: they cost their senders nothing. */
export type UnprovenBounds = {
  /** So long there is to prove one. */
  readonly keptMs: number
  readonly all: Share
  readonly perNetwork: Share
}

export type Share = { readonly count: number; readonly bytes: number }

export const unprovenBounds: UnprovenBounds = {
  keptMs: 7 * 86_400_000,
  all: { count: 10_000, bytes: 256 * 1024 * 1024 },
  perNetwork: { count: 500, bytes: 16 * 1024 * 1024 },
}

/** What has a proof, or is admitted by now, stays for good; the rest goes once its time is over, with what it declared. */
export async function letGoUnproven(db: Queryable, nowMs: number): Promise<void> {
  await db.query({
    name: 'declarations-keep',
    text: `update declarations set expires_ms = null where expires_ms <= $1 and ${known('declarations.txid')}`,
    values: [nowMs],
  })
  const { rows } = await db.query<{ version: Buffer }>({
    name: 'declarations-let-go',
    text: 'delete from declarations where expires_ms <= $1 returning version_id as version',
    values: [nowMs],
  })
  if (rows.length === 0) return
  await db.query({
    name: 'declarations-let-go-versions',
    text: `with gone as (
        select version_id from dlm_versions as version where version_id = any ($1) and standing = 'declared'
          and not exists (select from declarations where declarations.version_id = version.version_id) for update
      ), links as (delete from dlm_parents using gone where dlm_parents.version_id = gone.version_id)
      delete from dlm_versions using gone where dlm_versions.version_id = gone.version_id`,
    values: [rows.map(({ version }) => version)],
  })
}

/** The end of what is written now: null where it needs none, `full` where there is no room for it before `againMs`. */
export async function endOf(
  db: Queryable,
  { txid, network, bytes }: { readonly txid: string; readonly network: string; readonly bytes: number },
  bounds: UnprovenBounds,
  nowMs: number,
): Promise<number | null | { readonly againMs: number }> {
  const { rows } = await db.query<Room>({
    name: 'declarations-room',
    text: `select ${known('$1')} as "isKnown", exists (select from declarations where txid = $1) as "isHere",
        count(*)::int as count, coalesce(sum(bytes), 0)::bigint as bytes, min(expires_ms) as "endsMs",
        (count(*) filter (where network = $2))::int as "theirCount",
        coalesce(sum(bytes) filter (where network = $2), 0)::bigint as "theirBytes",
        min(expires_ms) filter (where network = $2) as "theirEndsMs"
      from declarations where expires_ms is not null`,
    values: [bytea(txid), network],
  })
  const [room] = rows
  if (room === undefined || room.isKnown) return null
  // It takes no more room than it does already.
  if (room.isHere) return nowMs + bounds.keptMs
  const has = (share: Share, count: number, taken: number) =>
    count < share.count && taken + bytes <= share.bytes
  if (!has(bounds.perNetwork, room.theirCount, room.theirBytes))
    return { againMs: room.theirEndsMs ?? nowMs + bounds.keptMs }
  if (!has(bounds.all, room.count, room.bytes)) return { againMs: room.endsMs ?? nowMs + bounds.keptMs }
  return nowMs + bounds.keptMs
}

type Room = {
  readonly isKnown: boolean
  readonly isHere: boolean
  readonly count: number
  readonly bytes: number
  readonly endsMs: number | null
  readonly theirCount: number
  readonly theirBytes: number
  readonly theirEndsMs: number | null
}

/** Admitted here, or ours. */
function known(txid: string): string {
  return `(exists (select from transactions where transactions.txid = ${txid})
    or exists (select from fuel_transactions as ours where ours.txid = ${txid}))`
}
