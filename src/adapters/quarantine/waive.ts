import type { Pool } from 'pg'
import type { HeldItem } from '../../ingest/release.ts'
import { appendCounts } from '../log/append-counts.ts'
import { lockHeads } from '../log/heads.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { noteStep } from './note-step.ts'
import { findHeld } from './read-quarantine.ts'
import { recordDecision } from './record-decision.ts'

export type Waive = {
  readonly id: number
  readonly who: string
  /** And `who` is its identity key. */
  readonly byPublisher?: boolean
  readonly why: string
  readonly nowMs: number
}

/** `isNow`: by this, and not by what somebody has decided before. */
export type Waived = { readonly item: HeldItem; readonly isNow: boolean }

/**
 * Gives a held item up for good, with the reason. Resolves with it as it is then: also where it had been waived or
 * released before, which stands. Undefined where there is no such item.
 */
export async function waive(
  pool: Pool,
  { id, who, byPublisher = false, why, nowMs }: Waive,
): Promise<Waived | undefined> {
  const isNow = await inTransaction(pool, async db => {
    // What is held is locked before heads are, as an append does it that lets something go.
    const partitionId = await giveUp(db, id, nowMs)
    if (partitionId === undefined) return false
    const [head] = await lockHeads(db, [partitionId])
    if (head === undefined)
      throw new Error(`partition ${partitionId} has no head; \`assay doctor\` says more`)
    await appendCounts(db, head, { quarantined: -1, waived: 1 }, nowMs)
    const step = { who, byPublisher, atMs: nowMs }
    await noteStep(db, id, { action: 'waived', detail: why, ...step })
    await recordDecision(db, { quarantineId: String(id), what: 'waived', ...step, became: { why } })
    return true
  })
  const item = await findHeld(pool, id)
  return item && { item, isNow }
}

async function giveUp(db: Queryable, id: number, nowMs: number): Promise<number | undefined> {
  const { rows } = await db.query<{ partitionId: number }>(
    `update quarantine set state = 'waived', decided_ms = $2 where id = $1 and state = 'held'
      returning partition_id as "partitionId"`,
    [id, nowMs],
  )
  return rows[0]?.partitionId
}
