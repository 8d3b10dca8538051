import type { Queryable } from '../postgres/sql.ts'
import { identityHolder } from './holder.ts'

export type UploadOf = {
  readonly sha256: string
  readonly length: number
  readonly contentType: string
  readonly retainUntilMs: number
}

/** What this identity keeps here, the latest first; of one object alone where `sha256` says which. */
export async function uploadsOf(
  db: Queryable,
  identityKey: string,
  { nowMs, limit, sha256 }: { nowMs: number; limit: number; sha256?: string },
): Promise<UploadOf[]> {
  const { rows } = await db.query<UploadOf>({
    name: 'uhrp-uploads-of',
    text: `select encode(sha256, 'hex') as sha256, o.length, r.content_type as "contentType",
        r.retain_until_ms as "retainUntilMs"
      from uhrp_retentions r join uhrp_objects o using (sha256)
      where r.holder = $1 and r.retain_until_ms > $2 and o.state = 'held'
        and ($4::text is null or sha256 = decode($4, 'hex'))
      order by r.stored_ms desc, sha256 limit $3`,
    values: [identityHolder(identityKey), nowMs, limit, sha256 ?? null],
  })
  return rows
}
