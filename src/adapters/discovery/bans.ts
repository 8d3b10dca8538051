import type { Queryable } from '../postgres/sql.ts'

export const banTypes = ['domain', 'outpoint'] as const
export type BanType = (typeof banTypes)[number]

export type Ban = {
  readonly type: BanType
  /** A base URL, or a host for all of its ports and schemes; or <txid>.<index of an output>. */
  readonly value: string
  readonly reason: string | null
  readonly bannedMs: number
}

/** In the one spelling that bans are kept under; undefined where it names no such thing. */
export function readBanned(type: BanType, text: string): string | undefined {
  return type === 'domain' ? readDomain(text) : readOutpoint(text)
}

/** The last reason counts. */
export async function ban(db: Queryable, { type, value, reason, bannedMs }: Ban): Promise<void> {
  await db.query(
    `insert into bans (type, value, reason, banned_ms) values ($1, $2, $3, $4)
      on conflict (type, value) do update set reason = excluded.reason, banned_ms = excluded.banned_ms`,
    [type, value, reason, bannedMs],
  )
}

/** Resolves with whether it was banned. */
export async function unban(db: Queryable, type: BanType, value: string): Promise<boolean> {
  const { rowCount } = await db.query('delete from bans where type = $1 and value = $2', [type, value])
  return rowCount === 1
}

/** The newest first. */
export async function listBans(
  db: Queryable,
  {
    type,
    offset,
    limit,
  }: { readonly type?: BanType | undefined; readonly offset: number; readonly limit: number },
): Promise<{ readonly bans: readonly Ban[]; readonly total: number }> {
  const values = [type ?? null]
  const counted = await db.query<{ count: number }>(
    'select count(*) from bans where $1::text is null or type = $1',
    values,
  )
  const { rows } = await db.query<Ban>(
    `select type, value, reason, banned_ms as "bannedMs" from bans where $1::text is null or type = $1
      order by banned_ms desc, type, value offset $2 limit $3`,
    [...values, offset, limit],
  )
  return { bans: rows, total: counted.rows[0]?.count ?? 0 }
}

const DOMAIN_CHARS_MAX = 255

function readDomain(text: string): string | undefined {
  const base = text.toLowerCase().replace(/\/$/, '')
  return base.length <= DOMAIN_CHARS_MAX &&
    /^(?:[a-z][a-z0-9+.-]*:\/\/)?(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/.test(base)
    ? base
    : undefined
}

function readOutpoint(text: string): string | undefined {
  const [, txid = '', index = ''] = /^([0-9a-f]{64})\.(\d{1,10})$/i.exec(text) ?? []
  return txid !== '' && Number(index) <= 0xffff_ffff ? `${txid.toLowerCase()}.${Number(index)}` : undefined
}
