import type { ResultStatus } from '../../core/rounds/pipeline.ts'
import { bytea } from '../postgres/sql.ts'
import type { Answer } from './answer.ts'
import { takeAnswers } from './answers.ts'
import type { RoundStoreDeps } from './deps.ts'

/** After its round an answer is looked for so long: who is later than this is not worth the reading. */
const LOOKED_FOR_MS = 10 * 60_000
/** Of one page; a look goes on to the last of them. */
const PAGE = 100

/**
 * Takes down answers that came when their round was over, and gives up waiting for the work of those that came before.
 * Neither counts any more; what is wrong with it speaks against its agent all the same.
 */
export async function takeStragglers(deps: RoundStoreDeps): Promise<void> {
  // What stays unread is not come back to before the next look.
  let after: readonly [madeMs: number, txid: string] = [deps.now() - LOOKED_FOR_MS, '']
  for (let found = PAGE; found === PAGE; ) {
    const { rows } = await deps.pool.query<Straggler>({
      name: 'rounds-stragglers',
      text: sql,
      values: [after[0], bytea(after[1]), PAGE],
    })
    const answers = rows.map(({ madeMs: _, ...row }) => ({ ...row, isOfJob: false, spent: false }))
    if (answers.length > 0) await takeAnswers(answers, { ...deps, isLastLook: true })
    const last = rows.at(-1)
    if (last !== undefined) after = [last.madeMs, last.txid]
    found = rows.length
  }
}

type Straggler = Omit<Answer, 'isOfJob' | 'spent'> & {
  readonly status: ResultStatus
  readonly madeMs: number
}

const sql = `
  select encode(listed.txid, 'hex') as txid, encode(listed.job_tx, 'hex') as "answeredJob",
      listed.job_vout::integer as vout, encode(listed.agent_key, 'hex') as "agentKey", listed.status,
      encode(listed.leaves, 'hex') as leaves, encode(listed.work_hash, 'hex') as "workHash",
      encode(listed.evidence_hash, 'hex') as "evidenceHash", job.stage, job.members,
      job.output_bytes_max as "outputBytesMax", known.work, round.made_ms as "madeMs",
      listed.admitted_ms as "arrivedMs", listed.admitted_ms > job.deadline_ms as "isLate", job.decided_ms is not null as "isAfterDecision"
    from rounds as round
    join round_jobs as job on job.round_id = round.round_id
    join gitdata_jobs as listed on listed.job_tx = job.txid and listed.kind = 'result'
    left join round_results as known on known.txid = listed.txid
    where round.made_ms >= $1 and (round.made_ms, listed.txid) > ($1, $2) and round.state = 'over' and (known.txid is null or known.work = 'unchecked')
      and not exists (select from outbox where outbox.txid = listed.txid and outbox.target = 'network')
    order by round.made_ms, listed.txid limit $3`
