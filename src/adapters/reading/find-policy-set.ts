import type { Pool } from 'pg'
import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { readPolicySet } from '../../core/policy/read-policy-set.ts'
import { POLICY_CHARS_MAX } from '../../core/schema.ts'
import type { FindPolicySet } from '../../serve/packet-work.ts'
import { bytea } from '../postgres/sql.ts'

export function openFindPolicySet(pool: Pool): FindPolicySet {
  return async digest => {
    const { rows } = await pool.query<{ policy: string }>({
      name: 'reading-policy-set',
      text: 'select policy from policy_sets where digest = $1',
      values: [bytea(digest)],
    })
    const [row] = rows
    return row === undefined
      ? null
      : orThrow(readPolicySet(orThrow(parseJson(row.policy, 4 * POLICY_CHARS_MAX))))
  }
}
