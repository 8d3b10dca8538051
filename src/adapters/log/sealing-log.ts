import type { Pool } from 'pg'
import type { Lease, SealingLog } from '../../packets/ports.ts'
import { openInTurn } from '../../runtime/in-turn.ts'
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
  const mark = (wishes: readonly Wish[], which: 'all' | 'free') =>
    inTransaction(pool, db => markAll(db, wishes, which), { begin })
  const markFree = together((wishes: readonly Wish[]) => mark(wishes, 'free'), sharing)
  const read = together((partitionIds: readonly number[]) => readSealings(pool, partitionIds), sharing)
  const write = together(
    (packets: readonly PacketToWrite[]) => inTransaction(pool, db => writePackets(db, packets), { begin }),
    sharing,
  )
  const waitingInTurn = openInTurn(WAITING_AT_ONCE)
  const countingInTurn = openInTurn(COUNTING_AT_ONCE)
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
      const outcome = await markFree(wish)
      if (outcome !== 'not free') return outcome
      const [waited] = await waitingInTurn(() => mark([wish], 'all'))
      return waited === undefined || waited === 'not free' ? 'lost' : waited
    },
    readSealing: read,
    writePacket: (lease, packet, sequences, nowMs) => {
      const each = { lease, packet, nowMs }
      if (sequences.length === 0) return write(each)
      // Sequences of one source lock each other out, in no order that several packets could keep.
      const writeCounted = async (db: Queryable) => {
        const [written = 'lost'] = await writePackets(db, [each])
        if (written === 'written') await noteSequences(db, sequences, arithmetic, nowMs)
        return written
      }
      return countingInTurn(() => inTransaction(pool, writeCounted, { begin }))
    },
  }
}

/** What is done for several partitions costs hardly more than for one, and most partitions are small. */
const sharing = { itemsMax: 16, runsMax: 2, againEach: true }
/** What waits for others has a connection meanwhile, and leaves some for everybody else. */
const WAITING_AT_ONCE = 2
const COUNTING_AT_ONCE = 4

type Wish = { readonly lease: Lease; readonly decide: Parameters<SealingLog['mark']>[1] }

/** `not free`: an append has it just now, and the others do not wait for that. */
async function markAll(
  db: Queryable,
  wishes: readonly Wish[],
  which: 'all' | 'free',
): Promise<(Awaited<ReturnType<SealingLog['mark']>> | 'not free')[]> {
  const ids = wishes.map(({ lease }) => lease.partitionId)
  const locked = await lockHeads(db, ids, which)
  const heads = new Map(locked.map(head => [head.partitionId, head]))
  const ends: { head: Head; end: End }[] = []
  const outcomes = wishes.map(({ lease, decide }) => {
    const head = heads.get(lease.partitionId)
    if (head === undefined) return 'not free'
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
