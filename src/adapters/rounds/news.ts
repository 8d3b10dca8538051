import type { ResultStatus } from '../../core/rounds/pipeline.ts'
import type { RoundLease, RoundNews } from '../../jobs/ports.ts'
import { byteas, numbers, type Queryable } from '../postgres/sql.ts'
import type { Answer } from './answer.ts'
import { takeAnswers } from './answers.ts'
import type { RoundStoreDeps } from './deps.ts'
import { readHeldResults } from './held-results.ts'

/** What was told last of each round that is ours, under this lease: whoever takes it again has heard nothing yet. */
type Told = { readonly token: number; readonly said: string }
export type ToldNews = Map<string, Told>

/**
 * One statement where nothing has changed. An answer is taken down once the network has it, with the work behind it; and
 * one whose work is not here yet is looked at again with each look.
 */
export async function readNews(
  leases: readonly RoundLease[],
  told: ToldNews,
  deps: RoundStoreDeps,
): Promise<RoundNews[]> {
  const ours = new Set(leases.map(({ roundId }) => roundId))
  for (const roundId of told.keys()) if (!ours.has(roundId)) told.delete(roundId)
  if (leases.length === 0) return []

  const rounds = await look(deps.pool, leases)
  const unread = rounds.flatMap(({ answers }) =>
    answers.filter(({ work }) => work === null || work === 'unchecked'),
  )
  const held = unread.length === 0 ? new Set<string>() : await takeAnswers(unread, deps)

  const news: { readonly round: Looked; readonly said: string }[] = []
  for (const round of rounds) {
    const usable = round.answers.filter(answer => isUsable(answer, held)).map(({ txid }) => txid)
    const said = JSON.stringify([round.last, round.jobTx, round.threadUnspent, usable.sort()])
    const before = told.get(round.roundId)
    if (before?.said !== said || before.token !== round.token) news.push({ round, said })
  }
  const jobs = news.flatMap(({ round }) =>
    round.jobTx !== null && round.answers.length > 0 ? [round.jobTx] : [],
  )
  const results = await readHeldResults(deps.pool, jobs)
  return news.map(({ round: { roundId, token, last, jobTx, threadUnspent }, said }) => {
    const spendable = results.get(jobTx ?? '') ?? []
    told.set(roundId, { token, said })
    return { roundId, last, results: spendable, threadUnspent }
  })
}

function isUsable({ work, isOfJob, spent, txid }: Answer, held: ReadonlySet<string>): boolean {
  return isOfJob && !spent && (work === 'held' || held.has(txid))
}

type Looked = RoundLease & {
  readonly last: RoundNews['last']
  readonly jobTx: string | null
  readonly threadUnspent: boolean
  readonly answers: readonly Answer[]
}

async function look(db: Queryable, leases: readonly RoundLease[]): Promise<Looked[]> {
  const { rows } = await db.query<LookRow>({
    name: 'rounds-look',
    text: lookAt,
    values: [byteas(leases.map(({ roundId }) => roundId)), numbers(leases.map(({ token }) => token))],
  })
  const rounds = new Map<string, Looked & { readonly answers: Answer[] }>()
  for (const { roundId, token, last, jobTx, threadUnspent, ...answer } of rows) {
    let round = rounds.get(roundId)
    if (round === undefined) {
      round = { roundId, token, last, jobTx, threadUnspent, answers: [] }
      rounds.set(roundId, round)
    }
    if (answer.txid !== null) round.answers.push({ ...answer, txid: answer.txid })
  }
  return [...rounds.values()]
}

type LookRow = Omit<Looked, 'answers'> &
  Omit<Answer, 'txid'> & { readonly txid: string | null; readonly status: ResultStatus }

// A result is spent by a step of ours as soon as the overlay has that, and by its agent when it takes its word back.
const lookAt = `
  select encode(round.round_id, 'hex') as "roundId", round.lease_token as token, coalesce(sent.state, 'dead') as last,
      encode(round.job_tx, 'hex') as "jobTx",
      coalesce(asked.state, 'dead') <> 'dead' and (thread.spender is null or spending.state is not distinct from 'dead') as "threadUnspent",
      encode(answer.txid, 'hex') as txid, encode(answer.job_tx, 'hex') as "answeredJob", answer.vout,
      encode(answer.agent_key, 'hex') as "agentKey", answer.status, encode(answer.leaves, 'hex') as leaves,
      encode(answer.work_hash, 'hex') as "workHash", encode(answer.evidence_hash, 'hex') as "evidenceHash",
      answer.stage, answer.members, answer.output_bytes_max as "outputBytesMax", answer.work,
      answer.job_tx = round.job_tx as "isOfJob", answer.admitted_ms as "arrivedMs", answer.is_late as "isLate",
      answer.is_after_decision as "isAfterDecision", answer.spent
    from unnest($1::bytea[], $2::bigint[]) as ours (round_id, token)
    join rounds as round on round.round_id = ours.round_id and round.lease_token = ours.token
    left join fuel_transactions as sent on sent.txid = round.last_tx
    left join fuel_transactions as asked on asked.txid = round.job_tx
    left join coins as thread on thread.txid = round.job_tx
      and thread.vout = (select count(*) from round_seats where job_tx = round.job_tx)
    left join fuel_transactions as spending on spending.txid = thread.spender
    left join lateral (
      select listed.txid, listed.job_tx, listed.job_vout::integer as vout, listed.agent_key, listed.status, listed.leaves,
          listed.work_hash, listed.evidence_hash, job.stage, job.members, job.output_bytes_max, known.work,
          coin.spender is not null and gone.state is distinct from 'dead' as spent,
          listed.admitted_ms, listed.admitted_ms > job.deadline_ms as is_late, job.decided_ms is not null as is_after_decision
        from round_jobs as job
        join gitdata_jobs as listed on listed.job_tx = job.txid and listed.kind = 'result'
        left join round_results as known on known.txid = listed.txid
        left join coins as coin on coin.txid = listed.txid and coin.vout = 0
        left join fuel_transactions as gone on gone.txid = coin.spender
        where job.round_id = round.round_id
          and (known.txid is null or (job.txid = round.job_tx and known.work <> 'void'))
          and not exists (select from outbox where outbox.txid = listed.txid and outbox.target = 'network')
      ) as answer on true
    where round.state <> 'over'`
