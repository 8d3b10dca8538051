import type { Pool } from 'pg'
import type { Lease, SealingLog } from '../../packets/ports.ts'
import { together } from '../../runtime/together.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { type End, type Head, lockHeads, markEnds } from './heads.ts'
import { keepLease, leasePartitions, letLeasesGo, SEAL_LEASE_MS } from './leases.ts'
import { beginAs } from './log-role.ts'
import type { PolicyWindows } from './policy-windows.ts'
import { readSealings } from './read-sealing.ts'
import { noteSequences, type SequenceArithmetic } from './source-sequences.ts'
import { readIdle, readUnmade, readUnsealed } from './unsealed.ts'
import { type PacketToWrite, writePackets } from './write-packet.ts'

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
  const mark = together(
    (wishes: readonly Wish[]) => inTransaction(pool, db => markAll(db, wishes), { begin }),
    sharing,
  )
  const read = together((partitionIds: readonly number[]) => readSealings(pool, partitionIds), sharing)
  const write = together(
    (packets: readonly PacketToWrite[]) => inTransaction(pool, db => writePackets(db, packets), { begin }),
    sharing,
  )
  return {
    readUnsealed: () => readUnsealed(pool, sealer),
    readIdle: async () => readIdle(pool, sealer, await windows.inUse()),
    readUnmade: () => readUnmade(pool, sealer),
    lease: (partitionIds, { wait = false } = {}) =>
      leasePartitions(pool, sealer, partitionIds, { leaseMs, wait }),
    keepLease: lease => keepLease(pool, lease, leaseMs),
    letGo: () => letLeasesGo(pool, sealer),
    mark: (lease, decide) => mark({ lease, decide }),
    readSealing: read,
    writePacket: (lease, packet, sequences, nowMs) =>
      sequences.length === 0
        ? write({ lease, packet, nowMs })
        : // Those of one source lock each other out, in no order that several packets could keep.
          inTransaction(
            pool,
            async db => {
              const [written = 'lost'] = await writePackets(db, [{ lease, packet, nowMs }])
              if (written === 'written') await noteSequences(db, sequences, arithmetic, nowMs)
              return written
            },
            { begin },
          ),
  }
}

/** What is done for several partitions costs hardly more than for one, and most partitions are small. */
const sharing = { itemsMax: 32, runsMax: 2, againEach: true }

type Wish = { readonly lease: Lease; readonly decide: Parameters<SealingLog['mark']>[1] }

async function markAll(
  db: Queryable,
  wishes: readonly Wish[],
): Promise<Awaited<ReturnType<SealingLog['mark']>>[]> {
  const locked = await lockHeads(
    db,
    wishes.map(({ lease }) => lease.partitionId),
  )
  const heads = new Map(locked.map(head => [head.partitionId, head]))
  const ends: { head: Head; end: End }[] = []
  const outcomes = wishes.map(({ lease, decide }) => {
    const head = heads.get(lease.partitionId)
    // Under the lock: whoever has taken the lease since has also raised the token.
    if (head?.sealerToken !== lease.token) return 'lost'
    const end = decide(head)
    if (end === undefined) return 'not now'
    ends.push({ head, end })
    return 'marked'
  })
  await markEnds(db, ends)
  return outcomes
}
