import type { VersionCertificate } from '../../serve/known-version.ts'
import { notBanned } from '../indexes/not-banned.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'

/** A host that says it keeps some content. */
export type Mirror = {
  readonly url: string
  readonly hostIdentityKey: string
  readonly expiresAt: number
}

/** Mirrors that are named of one content, those first that keep it longest. */
export const MIRRORS_SHOWN_MAX = 8

/** By the hash of the content; what nobody advertises has no entry. */
export async function mirrorsOf(
  db: Queryable,
  hashes: readonly string[],
  nowMs: number,
): Promise<Map<string, Mirror[]>> {
  const mirrors = new Map<string, Mirror[]>()
  if (hashes.length === 0) return mirrors
  const { rows } = await db.query<Mirror & { readonly hash: Uint8Array }>({
    name: 'mirrors-of',
    text: `select wanted.hash, advert.url, encode(advert.host_identity_key, 'hex') as "hostIdentityKey",
        advert.expires_s as "expiresAt"
      from unnest($1::bytea[]) as wanted (hash)
      cross join lateral (
        select * from uhrp_adverts as listed
          where listed.hash = wanted.hash and listed.expires_s >= $2 and ${notBanned('listed', ['listed.origin'])}
          order by listed.expires_s desc, listed.txid desc, listed.vout desc limit ${MIRRORS_SHOWN_MAX}) as advert`,
    values: [byteas([...new Set(hashes)]), Math.floor(nowMs / 1000)],
  })
  for (const { hash, ...mirror } of rows) {
    const key = hexOf(hash)
    mirrors.set(key, [...(mirrors.get(key) ?? []), mirror])
  }
  return mirrors
}

/** By version: the certificate that counts, else the last one. */
export async function certificatesOf(
  db: Queryable,
  versionIds: readonly string[],
): Promise<Map<string, VersionCertificate>> {
  const certificates = new Map<string, VersionCertificate>()
  if (versionIds.length === 0) return certificates
  const { rows } = await db.query<VersionCertificate & { readonly versionId: string }>({
    name: 'certificates-of',
    text: `select encode(wanted.version_id, 'hex') as "versionId", encode(mine.txid, 'hex') as txid, mine.vout, mine.state,
        mine.level, mine.block_height as "blockHeight", encode(mine.revoked_by, 'hex') as "revokedBy"
      from unnest($1::bytea[]) as wanted (version_id)
      cross join lateral (select * from certificates where version_id = wanted.version_id
        order by state in ('anchored', 'proven') desc, written_ms desc, txid limit 1) as mine`,
    values: [byteas([...new Set(versionIds)])],
  })
  for (const { versionId, ...certificate } of rows) certificates.set(versionId, certificate)
  return certificates
}
