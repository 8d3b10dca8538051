import type { WindowReach } from '../../packets/window-reach.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readStoredBounds } from '../registry/read-stored-bounds.ts'

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
  const learn = async (digests: readonly string[]) => {
    const unknown = digests.filter(digest => !known.has(digest))
    for (const [digest, { windows }] of await readStoredBounds(db, unknown)) {
      known.set(digest, windows)
      if (windows !== undefined) windowed.set(digest, windows)
    }
  }
  let lookMs = Number.NEGATIVE_INFINITY
  return {
    async windowOf(policyDigest) {
      await learn([policyDigest])
      return known.get(policyDigest)
    },
    async inUse() {
      if (nowMs() >= lookMs) {
        const { rows } = await db.query<{ digest: string }>({
          name: 'policy-windows-in-use',
          text: `select distinct encode(policy_digest, 'hex') as digest from partition_heads where policy_digest is not null`,
          values: [],
        })
        await learn(rows.map(({ digest }) => digest))
        lookMs = nowMs() + LOOK_MS
      }
      return windowed
    },
  }
}
