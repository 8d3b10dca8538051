import type { Pool } from 'pg'
import { byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { recordAfterwards, writeTerms } from './conduct.ts'
import { writeEvidence } from './evidence.ts'

/**
 * Takes down who had taken a seat of these jobs, with so much time left, and has said nothing by the deadline, though the
 * job was decided without it.
 */
export async function nameSilent(
  pool: Pool,
  jobTxs: readonly string[],
  fairMs: number,
  nowMs: number,
): Promise<void> {
  await inTransaction(pool, async db => {
    const silent = await markSilent(db, jobTxs, fairMs, nowMs)
    const found = silent.map(({ jobTx, vout, ...seat }) => ({
      kind: 'silent' as const,
      // As of one that was silent when its job was decided, so that it is written once.
      ...{ ...seat, about: [jobTx, String(vout), ''], txids: [jobTx] },
    }))
    const fresh = await writeEvidence(db, found, nowMs)
    await recordAfterwards(
      db,
      fresh.flatMap(({ operator }) => operator ?? []),
      'silent',
      nowMs,
    )
    const shown = fresh.flatMap(({ agentKey, operator }) =>
      agentKey === undefined || operator === undefined
        ? []
        : [{ agentKey, operator, term: 'silent' as const }],
    )
    await writeTerms(db, shown, nowMs)
  })
}

type SilentSeat = {
  readonly jobTx: string
  readonly vout: number
  readonly stage: string
  readonly agentKey: string
  readonly operator: string
  readonly roundId: string
}

/** Not where anything of it was heard, or its job is no more, or waits for answers again. */
async function markSilent(
  db: Queryable,
  jobTxs: readonly string[],
  fairMs: number,
  nowMs: number,
): Promise<SilentSeat[]> {
  const { rows } = await db.query<SilentSeat>({
    name: 'rounds-mark-silent',
    text: `update round_seats as seat set conduct = 'silent',
          last_error = 'it had taken its seat, and no answer had come by the deadline'
        from (select owing.job_tx, owing.vout from round_seats as owing join round_jobs as job on job.txid = owing.job_tx
            where owing.job_tx = any ($1) and job.decided_ms is not null and job.outcome <> 'dead'
              and exists (select from fuel_transactions as sent where sent.txid = job.txid and sent.state <> 'dead')
              and job.deadline_ms <= $3::bigint and owing.conduct = 'unheard' and owing.result_tx is null
              and owing.acknowledged_ms <= job.deadline_ms - $2::bigint
              and not exists (select from gitdata_jobs as listed where listed.job_tx = owing.job_tx
                and listed.job_vout = owing.vout and listed.kind = 'result')
              and not exists (select from round_results as result where result.job_tx = owing.job_tx
                and result.vout = owing.vout)
            order by owing.job_tx, owing.vout for update of owing) as silent
          join round_jobs as job on job.txid = silent.job_tx
        where seat.job_tx = silent.job_tx and seat.vout = silent.vout
        returning encode(seat.job_tx, 'hex') as "jobTx", seat.vout, seat.stage,
          encode(seat.agent_key, 'hex') as "agentKey", encode(seat.operator, 'hex') as operator,
          encode(job.round_id, 'hex') as "roundId"`,
    values: [byteas(jobTxs), Math.round(fairMs), nowMs],
  })
  return rows
}
