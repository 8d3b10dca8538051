import { levels } from '../../core/level.ts'
import { carriesState, stages } from '../../core/rounds/template.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { seatHolder } from '../uhrp/holder.ts'
import { stateIsHere } from './state-is-here.ts'

const buildOnState = stages.flatMap(stage =>
  levels.filter(level => carriesState(stage, level)).map(level => `('${stage}', '${level}')`),
)

/**
 * Seats without an answer that counts, where that is up to us. What is held against an agent stands for ever, so it must
 * not depend on whether this node, its network and its disk were there.
 */
export async function readExcused(
  db: Queryable,
  jobTx: string,
  { askedByMs, nowMs }: { readonly askedByMs: number; readonly nowMs: number },
): Promise<ReadonlySet<number>> {
  const { rows } = await db.query<{ vout: number }>({
    name: 'rounds-excused',
    text: `select seat.vout from round_seats as seat join round_jobs as job on job.txid = seat.job_tx
      where seat.job_tx = $1 and (
        seat.offered_ms is null or seat.offered_ms > $2
        -- What it is about cannot be had from us.
        or (job.stage, job.level) in (${buildOnState.join(', ')}) and exists (select from rounds as round
          cross join jsonb_array_elements(round.document::jsonb -> 'partitions') as start
          where round.round_id = job.round_id and not ${stateIsHere(`decode(start ->> 'stateIn', 'hex')`, '$4::bigint')})
        -- It was here in time, and the network does not have it yet.
        or exists (select from gitdata_jobs as listed
          where listed.job_tx = seat.job_tx and listed.job_vout = seat.vout and listed.kind = 'result'
            and listed.admitted_ms <= job.deadline_ms
            and not exists (select from round_results as known where known.txid = listed.txid))
        or exists (select from round_results as result
          where result.job_tx = seat.job_tx and result.vout = seat.vout and not result.is_late and case result.work
            -- What it has stored is there, and could not be read.
            when 'unchecked' then exists (select from uhrp_retentions where holder = $3::text || seat.vout)
            -- Its work was given up by us: where that is its own doing, there is evidence of it.
            when 'void' then not exists (select from evidence
              where evidence.round_id = job.round_id and evidence.kind = 'work-void' and result.txid = any (evidence.txids))
            else false end))`,
    values: [bytea(jobTx), askedByMs, seatHolder({ txid: jobTx, vout: 0 }).slice(0, -1), nowMs],
  })
  return new Set(rows.map(({ vout }) => vout))
}
