import type { Pool } from 'pg'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { identityHolder } from './holder.ts'
import { isToken, newToken, tokenHash } from './token.ts'

/** Leave to upload one object, once, for whoever has the token. */
export type UploadLeave = {
  readonly identityKey: string
  readonly length: number
  readonly retainMs: number
}

export type UploadUrlBounds = {
  /** Of all that one identity keeps here, and may still upload. */
  readonly quotaBytes: number
  readonly objectBytesMax: number
  readonly urlMsMax: number
  /** So many at a time of one identity. */
  readonly urlsMax: number
}

export const uploadUrlBounds = { urlMsMax: 15 * 60_000, urlsMax: 100 }

/** The token that an upload URL holds; what it allows counts as used until it has expired, or its upload has ended. */
export function issueUpload(
  pool: Pool,
  leave: UploadLeave,
  bounds: UploadUrlBounds,
  nowMs: number,
): Promise<Outcome<string>> {
  const { identityKey, length, retainMs } = leave
  if (length > bounds.objectBytesMax)
    return Promise.resolve(
      refused(
        'content-too-large',
        `an object may have ${bounds.objectBytesMax} bytes here; send smaller parts`,
      ),
    )
  return inTransaction(pool, async db => {
    // One at a time of this identity, or several would be given the same room.
    await db.query(`select pg_advisory_xact_lock(hashtextextended('assay: uhrp quota ' || $1, 0))`, [
      identityKey,
    ])
    const { kept, urls } = await readUse(db, identityKey, nowMs)
    if (urls >= bounds.urlsMax)
      return refused('content-too-large', `${urls} uploads are open already; use them, or let them expire`)
    if (kept + length > bounds.quotaBytes)
      return refused(
        'content-too-large',
        `${bounds.quotaBytes} bytes are this identity's here, ${kept} of them are in use, and this object needs ${length}; let others expire first`,
      )
    const token = newToken()
    await db.query({
      text: `insert into uhrp_upload_urls (token_hash, holder, length, retain_ms, expires_ms) values ($1, $2, $3, $4, $5)`,
      values: [tokenHash(token), identityHolder(identityKey), length, retainMs, nowMs + bounds.urlMsMax],
    })
    return accepted(token)
  })
}

export type Redeemed =
  | { readonly kind: 'leave'; readonly leave: UploadLeave }
  | { readonly kind: 'used' | 'expired' | 'unknown' }

/**
 * Uses the token up: whatever becomes of the upload, the URL is good for no other. Its room stays taken while the bytes
 * come, for `uploadMsMax` at most, or one identity could begin more uploads than it has room for.
 */
export async function redeemUpload(
  db: Queryable,
  token: string,
  nowMs: number,
  uploadMsMax: (length: number) => number,
): Promise<Redeemed> {
  if (!isToken(token)) return { kind: 'unknown' }
  type Row = { holder: string; length: number; retainMs: number; expiresMs: number; used: boolean }
  const { rows } = await db.query<Row>({
    name: 'uhrp-redeem-upload',
    text: `update uhrp_upload_urls u set used = true
      from (select token_hash, used from uhrp_upload_urls where token_hash = $1 for update) before
      where u.token_hash = before.token_hash
      returning u.holder, u.length, u.retain_ms as "retainMs", u.expires_ms as "expiresMs", before.used`,
    values: [tokenHash(token)],
  })
  const [row] = rows
  if (row === undefined) return { kind: 'unknown' }
  if (row.used) return { kind: 'used' }
  if (row.expiresMs <= nowMs) return { kind: 'expired' }
  const { holder, length, retainMs } = row
  await db.query({
    text: 'update uhrp_upload_urls set expires_ms = greatest(expires_ms, $2) where token_hash = $1',
    values: [tokenHash(token), nowMs + uploadMsMax(length)],
  })
  return { kind: 'leave', leave: { identityKey: holder.slice('identity '.length), length, retainMs } }
}

/** What was stored is counted as such from now on, and what was not takes no room. */
export async function endUpload(db: Queryable, token: string): Promise<void> {
  await db.query({
    name: 'uhrp-end-upload',
    text: 'update uhrp_upload_urls set length = 0 where token_hash = $1 and used',
    values: [tokenHash(token)],
  })
}

async function readUse(
  db: Queryable,
  identityKey: string,
  nowMs: number,
): Promise<{ kept: number; urls: number }> {
  const { rows } = await db.query<{ kept: number; urls: number }>({
    text: `select coalesce(sum(length), 0)::bigint as kept, count(*) filter (where is_url) as urls from (
        select o.length, false as is_url from uhrp_retentions r join uhrp_objects o using (sha256)
          where r.holder = $1 and r.retain_until_ms > $2
        union all
        select length, not used from uhrp_upload_urls where holder = $1 and expires_ms > $2) mine`,
    values: [identityHolder(identityKey), nowMs],
  })
  return rows[0] ?? { kept: 0, urls: 0 }
}
