import type { Pool } from 'pg'
import type { SealingLog } from '../../packets/ports.ts'
import { inTransaction } from '../postgres/sql.ts'
import { lockHeads, markEnd } from './heads.ts'
import { keepLease, leasePartitions, letLeasesGo, SEAL_LEASE_MS } from './leases.ts'
import { beginAs } from './log-role.ts'
import type { PolicyWindows } from './policy-windows.ts'
import { readSealing } from './read-sealing.ts'
import { noteSequences, type SequenceArithmetic } from './source-sequences.ts'
import { readIdle, readUnmade, readUnsealed } from './unsealed.ts'
import { writePacket } from './write-packet.ts'

export type SealingLogOptions = {
  readonly pool: Pool
  /** Tells this process from every other, also from those before it. */
  readonly sealer: string
  readonly windows: PolicyWindows
  readonly arithmetic: SequenceArithmetic
  /** What transactions that write the log run as. */
  readonly role?: string | undefined
  readonly leaseMs?: number
}

/** The log in PostgreSQL, as sealing sees it. */
export function openSealingLog(options: SealingLogOptions): SealingLog {
  const { pool, sealer, windows, arithmetic, role, leaseMs = SEAL_LEASE_MS } = options
  const begin = beginAs(role)
  return {
    readUnsealed: () => readUnsealed(pool, sealer),
    readIdle: async () => readIdle(pool, sealer, await windows.inUse()),
    readUnmade: () => readUnmade(pool, sealer),
    lease: (partitionIds, { wait = false } = {}) =>
      leasePartitions(pool, sealer, partitionIds, { leaseMs, wait }),
    keepLease: lease => keepLease(pool, lease, leaseMs),
    letGo: () => letLeasesGo(pool, sealer),
    mark: ({ partitionId, token }, decide) =>
      inTransaction(
        pool,
        async db => {
          const [head] = await lockHeads(db, [partitionId])
          // Under the lock: whoever has taken the lease since has also raised the token.
          if (head?.sealerToken !== token) return 'lost'
          const wish = decide(head)
          if (wish === undefined) return 'not now'
          await markEnd(db, head, wish)
          return 'marked'
        },
        { begin },
      ),
    readSealing: partitionId => readSealing(pool, partitionId),
    writePacket: (lease, packet, sequences, nowMs) =>
      inTransaction(
        pool,
        async db => {
          const written = await writePacket(db, lease, packet, nowMs)
          if (written === 'written') await noteSequences(db, sequences, arithmetic, nowMs)
          return written
        },
        { begin },
      ),
  }
}
