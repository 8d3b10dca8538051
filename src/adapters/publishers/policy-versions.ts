import { orThrow } from '../../core/fault.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import type { Queryable } from '../postgres/sql.ts'
import { policyTexts, readPolicyText } from '../registry/stream-rows.ts'

/** A policy set that was in force from some moment on; it may be one that was in force before. */
export type PolicyVersion = {
  readonly number: number
  readonly digest: string
  readonly atMs: number
  readonly who: string
}

// Counted back from the one in force, whose number the stream has.
const versions = `with said as (
    select id, at_ms, who, became ->> 'policyDigest' as digest,
        lag(became ->> 'policyDigest') over (order by id) as before
      from registry_changes where kind = 'stream' and subject = $1
  ), counted as (
    select at_ms as "atMs", who, digest,
        (select policy_no from streams where stream_id = $1) + 1 - row_number() over (order by id desc) as number
      from said where digest is distinct from before
  )
  select number::int, digest, "atMs", who from counted`

/** The newest first, below a number. */
export async function listPolicyVersions(
  db: Queryable,
  streamId: string,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<PolicyVersion[]> {
  const { rows } = await db.query<PolicyVersion>({
    name: 'policy-versions',
    text: `${versions} where number < $2 order by number desc limit $3`,
    values: [streamId, before, limit],
  })
  return rows
}

export async function findPolicyVersion(
  db: Queryable,
  streamId: string,
  number: number,
): Promise<(PolicyVersion & { readonly policy: PolicySet }) | undefined> {
  const { rows } = await db.query<PolicyVersion>({
    name: 'policy-version',
    text: `${versions} where number = $2`,
    values: [streamId, number],
  })
  const [version] = rows
  if (version === undefined) return undefined
  const text = (await policyTexts(db, [version.digest])).get(version.digest)
  if (text === undefined)
    throw new Error(`policy set ${version.digest} was in force and is not in policy_sets`)
  return { ...version, policy: orThrow(readPolicyText(text)) }
}
