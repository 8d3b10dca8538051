import type { ItemAnswer } from '../../ingest/arrived.ts'
import type { Queryable } from '../postgres/sql.ts'
import { isOpen, partitionFor, type Work } from './group-work.ts'
import { claimReleases, type Holding, holdEvents, takeOut } from './holdings.ts'
import { claimKeys, giveKeyBack } from './idempotency.ts'
import { takeShares } from './meters.ts'

export async function settleKeys(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const keyed = works.flatMap(work => {
    const { idempotency } = work.member.offer
    return idempotency === undefined ? [] : [{ work, idempotency }]
  })
  const verdicts = await claimKeys(
    db,
    keyed.map(({ idempotency }) => idempotency),
    nowMs,
  )
  for (const [i, { work }] of keyed.entries()) {
    const verdict = verdicts[i]
    if (verdict === 'reused') work.outcome = { kind: 'refused', refusal: { why: 'key-reused' } }
    else if (verdict !== undefined && verdict !== 'new')
      work.outcome = { kind: 'answered', items: verdict.answered, replayed: true }
  }
}

export async function settleReleases(db: Queryable, works: readonly Work[]): Promise<void> {
  const open = works.filter(isOpen)
  const outcomes = await claimReleases(
    db,
    open.flatMap(({ member, items }) =>
      items.flatMap(item =>
        item.countsAs === 'rejected' ? [] : (member.offer.releases?.[item.index] ?? []),
      ),
    ),
  )
  for (const { member, items } of open)
    for (const item of items) {
      const release = member.offer.releases?.[item.index]
      if (release === undefined) continue
      item.letGo = item.countsAs === 'rejected' ? { kind: 'kept' } : outcomes.get(release.quarantineId)
      if (item.letGo?.kind === 'kept') item.countsAs = undefined
      if (item.letGo?.kind !== 'gone') continue
      const { eventId } = item.letGo
      item.countsAs = undefined
      item.answer =
        eventId === null || release.once === true
          ? {
              status: 'rejected',
              code: 'not-held',
              detail: 'it was given up, or set aside again, and cannot be released',
            }
          : { status: 'duplicate', of: eventId }
    }
}

export async function settleShares(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const open = works.filter(isOpen)
  const refusals = await takeShares(
    db,
    open.map(({ member }) => member.offer),
    nowMs,
  )
  for (const [i, work] of open.entries()) {
    const refusal = refusals[i]
    if (refusal === undefined) continue
    work.outcome = { kind: 'refused', refusal }
    const { idempotency } = work.member.offer
    if (idempotency !== undefined) await giveKeyBack(db, idempotency)
  }
}

/** Takes out of quarantine what leaves it. What would be held again stays as it is, so that no try leaves another one behind. */
export async function settleLeaving(db: Queryable, works: readonly Work[], nowMs: number): Promise<void> {
  const leaving: string[] = []
  for (const { member, items } of works.filter(isOpen)) {
    const { releases } = member.offer
    if (releases === undefined) continue
    for (const item of items) {
      const release = releases[item.index]
      if (release === undefined || item.letGo?.kind !== 'released') continue
      if (item.held === undefined) leaving.push(release.quarantineId)
      else {
        item.letGo = { kind: 'kept' }
        item.answer = heldAnswer(release.quarantineId, item.held)
      }
    }
  }
  await takeOut(db, leaving, nowMs)
}

export async function settleHeld(db: Queryable, works: readonly Work[]): Promise<void> {
  const held = works.filter(isOpen).flatMap(({ member, items }) =>
    items.flatMap(item => {
      if (item.held === undefined || item.answer !== undefined) return []
      const { source, stream, authenticated, receivedMs } = member.offer
      const holding: Holding = {
        partitionId: partitionFor(item).id,
        streamId: stream.streamId,
        sourceId: source.sourceId,
        ...(source.tenantId !== undefined && { tenantId: source.tenantId }),
        authenticated,
        receivedMs,
        item: item.held,
      }
      return [{ item, holding }]
    }),
  )
  const heldAs = await holdEvents(
    db,
    held.map(({ holding }) => holding),
  )
  for (const [i, { item, holding }] of held.entries()) {
    const { quarantineId = '', again = false } = heldAs[i] ?? {}
    item.answer = heldAnswer(quarantineId, holding.item)
    item.countsAs = again ? 'duplicate' : 'quarantined'
  }
}

function heldAnswer(quarantineId: string, { reason, detail, nativeId }: Holding['item']): ItemAnswer {
  return {
    status: 'quarantined',
    ...{ quarantineId, reason, detail },
    ...(nativeId !== undefined && { nativeId }),
  }
}
