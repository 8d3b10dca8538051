import type { Queryable } from '../postgres/sql.ts'

/** Until when an enabled source that signs with HMAC has a secret: null for ever, 0 where it has none. */
export type SecretStanding = { readonly sourceId: string; readonly untilMs: number | null }

export async function readSecretStanding(db: Queryable): Promise<SecretStanding[]> {
  const { rows } = await db.query<SecretStanding>({
    name: 'read-secret-standing',
    text: `select source.source_id as "sourceId",
        case when count(secret.number) = 0 then 0
          when bool_or(secret.until_ms is null) then null
          else max(secret.until_ms) end::bigint as "untilMs"
      from overlay_event_sources as source
      left join source_secrets as secret on secret.source_id = source.source_id and secret.revoked_ms is null
      where source.enabled and source.configuration ->> 'authentication' = 'hmac'
      group by 1 order by 1`,
  })
  return rows
}
