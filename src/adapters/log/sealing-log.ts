import type { Pool } from 'pg'
import type { Lease, SealingLog } from '../../packets/ports.ts'
import type { SequenceSeen } from '../../packets/source-sequences.ts'
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
  const mark = (wishes: readonly Wish[]) => inTransaction(pool, db => markAll(db, wishes), { begin })
  const markTogether = together(mark, sharing)
  const markAlone = together(mark, alone)
  const read = together((partitionIds: readonly number[]) => readSealings(pool, partitionIds), sharing)
  const write = together(
    (packets: readonly PacketToWrite[]) => inTransaction(pool, db => writePackets(db, packets), { begin }),
    sharing,
  )
  // Sequences of one source lock each other out, in no order that several packets could keep.
  const writeWithSequences = together(
    ([each]: readonly (PacketToWrite & { sequences: readonly SequenceSeen[] })[]) =>
      inTransaction(
        pool,
        async db => {
          if (each === undefined) return []
          const written = await writePackets(db, [each])
          if (written[0] === 'written') await noteSequences(db, each.sequences, arithmetic, each.nowMs)
          return written
        },
        { begin },
      ),
    { ...alone, runsMax: 4 },
  )
  return {
    readUnsealed: () => readUnsealed(pool, sealer),
    readIdle: async () => readIdle(pool, sealer, await windows.inUse()),
    readUnmade: () => readUnmade(pool, sealer),
    lease: (partitionIds, { wait = false } = {}) =>
      leasePartitions(pool, sealer, partitionIds, { leaseMs, wait }),
    keepLease: lease => keepLease(pool, lease, leaseMs),
    letGo: () => letLeasesGo(pool, sealer),
    async mark(lease, decide) {
      const wish = { lease, decide }
      const outcome = await markTogether(wish)
      if (outcome !== 'locked') return outcome
      const waited = await markAlone(wish)
      return waited === 'locked' ? 'lost' : waited
    },
    readSealing: read,
    writePacket: (lease, packet, sequences, nowMs) =>
      sequences.length === 0
        ? write({ lease, packet, nowMs })
        : writeWithSequences({ lease, packet, nowMs, sequences }),
  }
}

/** What is done for several partitions costs hardly more than for one, and most partitions are small. */
const sharing = { itemsMax: 16, runsMax: 2, againEach: true }

/** What may have to wait for others: a few at a time, so that connections are left for everybody else. */
const alone = { itemsMax: 1, runsMax: 2, againEach: false }

type Wish = { readonly lease: Lease; readonly decide: Parameters<SealingLog['mark']>[1] }

/** `locked`: of several, one that an append has just now, and that the others do not wait for. */
async function markAll(
  db: Queryable,
  wishes: readonly Wish[],
): Promise<(Awaited<ReturnType<SealingLog['mark']>> | 'locked')[]> {
  const ids = wishes.map(({ lease }) => lease.partitionId)
  const locked = await lockHeads(db, ids, wishes.length > 1 ? 'free' : 'all')
  const heads = new Map(locked.map(head => [head.partitionId, head]))
  const ends: { head: Head; end: End }[] = []
  const outcomes = wishes.map(({ lease, decide }) => {
    const head = heads.get(lease.partitionId)
    if (head === undefined) return wishes.length > 1 ? 'locked' : 'lost'
    // Under the lock: whoever has taken the lease since has also raised the token.
    if (head.sealerToken !== lease.token) return 'lost'
    const end = decide(head)
    if (end === undefined) return 'not now'
    ends.push({ head, end })
    return 'marked'
  })
  await markEnds(db, ends)
  return outcomes
}
