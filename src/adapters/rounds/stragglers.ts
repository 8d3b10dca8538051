import type { ResultStatus } from '../../core/rounds/pipeline.ts'
import { type Answer, takeAnswers } from './answers.ts'
import type { RoundStoreDeps } from './deps.ts'

/** After its round an answer is looked for so long: who is later than this is not worth the reading. */
const LOOKED_FOR_MS = 10 * 60_000
/** Of one look; the next one goes on. */
const TAKEN_AT_ONCE = 100

/**
 * Takes down answers that came when their round was over, and gives up waiting for the work of those that came before:
 * neither counts any more, and both speak against their agents.
 */
export async function takeStragglers(deps: RoundStoreDeps): Promise<void> {
  const { rows } = await deps.pool.query<Straggler>({
    name: 'rounds-stragglers',
    text: sql,
    values: [deps.now() - LOOKED_FOR_MS, TAKEN_AT_ONCE],
  })
  if (rows.length === 0) return
  const answers = rows.map(row => ({ ...row, isOfJob: false, isLate: true, spent: false }))
  await takeAnswers(answers, { ...deps, isLastLook: true })
}

type Straggler = Omit<Answer, 'isOfJob' | 'isLate' | 'spent'> & { readonly status: ResultStatus }

const sql = `
  select encode(listed.txid, 'hex') as txid, encode(listed.job_tx, 'hex') as "answeredJob",
      listed.job_vout::integer as vout, encode(listed.agent_key, 'hex') as "agentKey", listed.status,
      encode(listed.leaves, 'hex') as leaves, encode(listed.work_hash, 'hex') as "workHash",
      encode(listed.evidence_hash, 'hex') as "evidenceHash", job.stage, job.members,
      job.output_bytes_max as "outputBytesMax", known.work
    from rounds as round
    join round_jobs as job on job.round_id = round.round_id
    join gitdata_jobs as listed on listed.job_tx = job.txid and listed.kind = 'result'
    left join round_results as known on known.txid = listed.txid
    where round.made_ms >= $1 and round.state = 'over' and (known.txid is null or known.work = 'unchecked')
      and not exists (select from outbox where outbox.txid = listed.txid and outbox.target = 'network')
    order by round.made_ms limit $2`
