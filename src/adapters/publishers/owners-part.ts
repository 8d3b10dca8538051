import { canonicalJson, type Json } from '../../core/canonical-json.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { PolicyVersion } from './policy-versions.ts'

/**
 * What the owner of a stream has said of its policy, of the set that was in force: without what sources said themselves at that time,
 * which is theirs to change, and theirs to put back.
 */
export async function ownersPart(
  db: Queryable,
  { policy, atMs }: Pick<PolicyVersion, 'atMs'> & { readonly policy: PolicySet },
): Promise<PolicySet> {
  const { rows } = await db.query<{ sourceId: string; said: Json | null }>({
    name: 'policies-said-then',
    text: `select named.source_id as "sourceId",
        (select became -> 'policy' from registry_changes
          where kind = 'source' and subject = named.source_id and at_ms <= $2 order by id desc limit 1) as said
      from unnest($1::text[]) as named (source_id)`,
    values: [Object.keys(policy.sources), atMs],
  })
  const said = new Map(rows.map(row => [row.sourceId, row.said]))
  const own = Object.entries(policy.sources).filter(
    ([sourceId, its]) => canonicalJson(its as unknown as Json) !== canonicalJson(said.get(sourceId) ?? null),
  )
  return { ...policy, sources: Object.fromEntries(own) }
}
