import type { WindowReach } from '../../packets/window-reach.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/** The windows of policy sets, which never change; each is read once. */
export type PolicyWindows = {
  windowOf(policyDigest: string): Promise<WindowReach | undefined>
  /** Those that have windows, of all policy sets that partitions ended under a moment ago. */
  inUse(): Promise<ReadonlyMap<string, WindowReach>>
}

/** What another process has sealed under a policy that we have not met is found so often. */
const LOOK_MS = 10_000

export function openPolicyWindows(db: Queryable, nowMs = () => performance.now()): PolicyWindows {
  const known = new Map<string, WindowReach | undefined>()
  const windowed = new Map<string, WindowReach>()
  const learn = (rows: readonly PolicyRow[]) => {
    for (const { digest, windowMs, latenessMs } of rows) {
      const reach = windowMs === null || latenessMs === null ? undefined : { windowMs, latenessMs }
      known.set(digest, reach)
      if (reach !== undefined) windowed.set(digest, reach)
    }
  }
  let lookMs = Number.NEGATIVE_INFINITY
  return {
    async windowOf(policyDigest) {
      if (!known.has(policyDigest)) {
        const { rows } = await db.query<PolicyRow>({
          name: 'policy-windows-one',
          text: `select ${columns} from policy_sets where digest = $1`,
          values: [bytea(policyDigest)],
        })
        learn(rows)
      }
      return known.get(policyDigest)
    },
    async inUse() {
      if (nowMs() >= lookMs) {
        const { rows } = await db.query<PolicyRow>({
          name: 'policy-windows-all',
          text: `select ${columns} from policy_sets where digest in (select policy_digest from partition_heads)`,
        })
        learn(rows)
        lookMs = nowMs() + LOOK_MS
      }
      return windowed
    },
  }
}

type PolicyRow = {
  readonly digest: string
  readonly windowMs: number | null
  readonly latenessMs: number | null
}

const columns = `encode(digest, 'hex') as digest, (policy::json -> 'fusion' ->> 'windowMs')::bigint as "windowMs",
  (policy::json -> 'fusion' ->> 'latenessMs')::bigint as "latenessMs"`
