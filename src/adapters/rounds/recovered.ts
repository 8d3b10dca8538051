import { readTransaction } from '../../contract/transaction.ts'
import type { Fault } from '../../core/fault.ts'
import { orThrow } from '../../core/fault.ts'
import type { PacketStanding } from '../../core/rounds/coordinating/standing.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import type { Recovered, RoundLease, Written } from '../../jobs/ports.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { adoptCertificate } from './adopt-certificate.ts'
import { writeAggregateStanding } from './aggregate-standings.ts'
import type { RoundStoreDeps } from './deps.ts'
import { inRound, type LockedRound } from './in-round.ts'
import { movePackets } from './packet-states.ts'
import { type MovedStanding, readMembers, writeStandings } from './standing-rows.ts'
import { endRound } from './steps.ts'

/** The round and its packets stand as its recovery says; its next transactions have a number of their own. */
export async function writeRecovered(
  lease: RoundLease,
  recovered: Recovered,
  deps: RoundStoreDeps,
): Promise<Written> {
  return inRound<Written>(lease, deps, async (db, round) => {
    const { recovery, end, nowMs } = recovered
    const rebuild = round.rebuild + 1
    const refused = await writeRevocations(db, round, recovered, rebuild, deps)
    if (refused !== undefined) return { kind: 'refused', fault: refused }
    const close = recovered.close
    const paid =
      close && (await deps.fuel.write({ subject: lease.roundId, stage: 'close', rebuild }, close, db))
    if (paid?.ok === false) return { kind: 'refused', fault: paid.fault }

    await movePacketsTo(db, round, recovery.packets, nowMs)
    await buryJobs(db, lease.roundId)
    if (end?.role.kind === 'certificate') await adoptCertificate(db, lease.roundId, end.txid, nowMs)
    await db.query({
      name: 'rounds-recovered',
      text: `update rounds set rebuild = $2, last_tx = $3, decision = null, last_error = null where round_id = $1`,
      values: [bytea(lease.roundId), rebuild, end === undefined ? null : bytea(end.txid)],
    })
    if (recovery.next === 'resume' && end !== undefined)
      await resumeAt(db, lease.roundId, end.txid, recovered)
    if (recovery.next === 'over') await endRound(db, lease.roundId, nowMs)
    if (paid !== undefined && end !== undefined) await closeAt(db, lease.roundId, end.txid, paid.value.txid)
    deps.at('rounds.recovery-written')
    return { kind: 'written', transaction: paid?.value }
  })
}

/** Each token once, as long as what spends it is not dead: it is named until the network has that. */
async function writeRevocations(
  db: Queryable,
  { roundId }: LockedRound,
  { revocations }: Recovered,
  rebuild: number,
  { fuel }: Pick<RoundStoreDeps, 'fuel'>,
): Promise<Fault | undefined> {
  if (revocations.length === 0) return undefined
  const spent = await revokedAlready(db, roundId)
  for (const { index, unpaid } of revocations) {
    if (unpaid.spends.some(spend => spent.has(nameOf(spend)))) continue
    const paid = await fuel.write({ subject: roundId, stage: `revoke-${index}`, rebuild }, unpaid, db)
    if (!paid.ok) return paid.fault
    await db.query({
      name: 'rounds-revoked',
      text: `update certificates set state = 'revoked', revoked_by = $2
        where txid = $1 and index = $3`,
      values: [bytea(unpaid.spends[0]?.txid ?? ''), bytea(paid.value.txid), index],
    })
  }
  return undefined
}

async function revokedAlready(db: Queryable, roundId: string): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ raw: Buffer }>({
    name: 'rounds-revocations',
    text: `select raw from fuel_transactions where subject = $1 and stage like 'revoke-%' and state <> 'dead'`,
    values: [bytea(roundId)],
  })
  return new Set(rows.flatMap(({ raw }) => orThrow(readTransaction(raw)).inputs.map(nameOf)))
}

function nameOf({ txid, vout }: Outpoint): string {
  return `${txid}.${vout}`
}

/**
 * Only packets that are in this round now, or that nobody else has and that its certificate is of: the others have gone on
 * since they left, and what this round remembers of them is old.
 */
async function movePacketsTo(
  db: Queryable,
  { roundId, template }: LockedRound,
  packets: readonly PacketStanding[],
  nowMs: number,
): Promise<void> {
  if (template === 'aggregate') {
    for (const standing of packets) await writeAggregateStanding(db, standing, 0)
    return
  }
  const current = (await readMembers(db, [roundId])).get(roundId) ?? []
  const moved: MovedStanding[] = packets.flatMap((standing, index) => {
    const now = current[index]
    if (now === undefined) return []
    const isFree = now.roundId === null && now.certificate === null && now.version !== null
    const isOurs = now.roundId === roundId || (standing.status === 'certified' && isFree)
    return isOurs ? [{ standing, retryMs: 0 }] : []
  })
  await writeStandings(db, moved, nowMs)
  const freed = moved.filter(({ standing }) => standing.status === 'sealed')
  await movePackets(
    db,
    freed.map(({ standing }) => standing.packetId),
    { cause: 'leave-round', nowMs },
  )
}

async function buryJobs(db: Queryable, roundId: string): Promise<void> {
  await db.query({
    name: 'rounds-bury-jobs',
    text: `with dead as (
        update round_jobs as job set outcome = 'dead', decided_ms = coalesce(job.decided_ms, sent.written_ms)
          from fuel_transactions as sent
          where job.round_id = $1 and sent.txid = job.txid and sent.state = 'dead' returning job.txid
      )
      update round_seats as seat set state = 'dead', last_error = 'its job is dead: the network does not have it'
        from dead where seat.job_tx = dead.txid`,
    values: [bytea(roundId)],
  })
}

/** Seats that have not answered may, until the new deadline; answers that are there count as they did. */
async function resumeAt(
  db: Queryable,
  roundId: string,
  jobTx: string,
  { deadlineMs, nowMs }: Recovered,
): Promise<void> {
  await db.query({
    name: 'rounds-resume',
    text: `with job as (
        update round_jobs set deadline_ms = $3::bigint, decided_ms = null, outcome = null,
            seen_ms = coalesce(seen_ms, $4::bigint) where txid = $2::bytea
      ), seats as (
        update round_seats set conduct = null, completed_ms = null, last_error = null, is_reserve = false,
            state = case when result_tx is null then 'queued' else 'running' end,
            -- Nobody has been asked with this deadline yet.
            offered_ms = case when result_tx is null then null else offered_ms end,
            next_run_ms = case when result_tx is null then $4::bigint else next_run_ms end
          where job_tx = $2::bytea
      ), disagreed as (
        update outcomes set is_agreed = false from round_results as result
          where result.txid = outcomes.result_tx and result.job_tx = $2::bytea and outcomes.is_agreed
      )
      update rounds set state = 'open', job_tx = $2::bytea, in_flight = false where round_id = $1`,
    values: [bytea(roundId), bytea(jobTx), deadlineMs, nowMs],
  })
}

async function closeAt(db: Queryable, roundId: string, jobTx: string, closeTx: string): Promise<void> {
  await db.query({
    name: 'rounds-close-at',
    text: `update rounds set state = 'closing', job_tx = $2, last_tx = $3, in_flight = true where round_id = $1`,
    values: [bytea(roundId), bytea(jobTx), bytea(closeTx)],
  })
}
