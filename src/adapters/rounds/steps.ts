import type { Unpaid } from '../../contract/unpaid.ts'
import { canonicalJson } from '../../core/canonical-json.ts'
import type { Decided, RoundLease, UnpaidJob, Written } from '../../jobs/ports.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { writeDecided } from './decided.ts'
import { readLeaving, writeDepartures } from './departures.ts'
import type { RoundStoreDeps } from './deps.ts'
import { inRound, type LockedRound, lost, written } from './in-round.ts'
import { writeJob } from './write-job.ts'

/** The decision, and the next job with the transaction that asks for it. */
export async function writeAdvance(
  lease: RoundLease,
  decided: Decided<'advance'>,
  next: UnpaidJob,
  deps: RoundStoreDeps,
): Promise<Written> {
  return inRound<Written>(lease, deps, async (db, round) => {
    if (!isOf(round, decided)) return lost
    const paid = await deps.fuel.write(next.purpose, next.unpaid, db)
    if (!paid.ok) return { kind: 'refused', fault: paid.fault }
    const { txid } = paid.value
    await writeDecided(db, round, decided, 'advanced', deps)
    await writeDepartures(db, round, decided.job.txid, decided.decision.leaving, decided.nowMs, deps)
    await writeJob(db, lease.roundId, next, paid.value, decided.nowMs)
    await db.query({
      name: 'rounds-advance',
      text: `update rounds set job_tx = $2, last_tx = $2, in_flight = true, decision = null, decided_ms = $3, last_error = null
        where round_id = $1`,
      values: [bytea(lease.roundId), bytea(txid), decided.nowMs],
    })
    deps.at('rounds.advance-written')
    return { kind: 'written', transaction: paid.value }
  })
}

/** What is to be certified, for whoever makes certificates. */
export async function writeCertify(
  lease: RoundLease,
  decided: Decided<'certify'>,
  deps: RoundStoreDeps,
): Promise<'written' | 'lost'> {
  const { kind } = await inRound(lease, deps, async (db, round) => {
    if (!isOf(round, decided)) return lost
    await writeDecided(db, round, decided, 'certified', deps)
    await writeDepartures(db, round, decided.job.txid, decided.decision.leaving, decided.nowMs, deps)
    await db.query({
      name: 'rounds-certify',
      text: `update rounds set state = 'certifying', decision = $2, decided_ms = $3, in_flight = false, coordinator = null,
          lease_until_ms = 0, last_error = null where round_id = $1`,
      values: [bytea(lease.roundId), textOf(decided.decision), decided.nowMs],
    })
    deps.at('rounds.hand-over-written')
    return written
  })
  return kind
}

/** The decision and the transaction that ends the thread. Who leaves stays until the network has that. */
export async function writeClose(
  lease: RoundLease,
  decided: Decided<'close'> | undefined,
  unpaid: Unpaid,
  deps: RoundStoreDeps,
): Promise<Written> {
  return inRound<Written>(lease, deps, async (db, round) => {
    if (decided !== undefined && !isOf(round, decided)) return lost
    const purpose = { subject: lease.roundId, stage: 'close', rebuild: round.rebuild }
    const paid = await deps.fuel.write(purpose, unpaid, db)
    if (!paid.ok) return { kind: 'refused', fault: paid.fault }
    if (decided !== undefined) await writeDecided(db, round, decided, 'closed', deps)
    await db.query({
      name: 'rounds-close',
      text: `update rounds set state = 'closing', last_tx = $2, in_flight = true, decision = $3, decided_ms = $4,
          last_error = null where round_id = $1`,
      values: [
        bytea(lease.roundId),
        bytea(paid.value.txid),
        decided === undefined ? null : textOf(decided.decision),
        decided?.nowMs ?? deps.now(),
      ],
    })
    deps.at('rounds.close-written')
    return { kind: 'written', transaction: paid.value }
  })
}

/** Its thread has ended, and whoever was in it is free. */
export async function writeClosed(lease: RoundLease, deps: RoundStoreDeps): Promise<'written' | 'lost'> {
  const nowMs = deps.now()
  const { kind } = await inRound(lease, deps, async (db, round) => {
    if (round.state !== 'closing') return lost
    await writeDepartures(db, round, round.jobTx, readLeaving(round.decision), nowMs, deps)
    await endRound(db, lease.roundId, nowMs)
    deps.at('rounds.end-written')
    return written
  })
  return kind
}

export async function endRound(db: Queryable, roundId: string, nowMs: number): Promise<void> {
  await db.query({
    name: 'rounds-end',
    text: `update rounds set state = 'over', over_ms = $2, in_flight = false, coordinator = null, lease_until_ms = 0
      where round_id = $1`,
    values: [bytea(roundId), nowMs],
  })
}

function isOf(round: LockedRound, { job }: Pick<Decided<'close'>, 'job'>): boolean {
  return round.state === 'open' && round.jobTx === job.txid
}

function textOf(decision: Decided<'certify' | 'close'>['decision']): string {
  return canonicalJson(decision)
}
