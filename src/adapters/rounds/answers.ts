import type { Pool } from 'pg'
import { keptText } from '../postgres/kept-text.ts'
import { byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import type { Answer } from './answer.ts'
import type { CheckedWork } from './check-work.ts'
import type { RoundStoreDeps } from './deps.ts'
import { leavesOf } from './held-results.ts'
import { dissentsIn, noteAgainst, noteArrivals } from './note-answers.ts'
import { stageOf } from './write-job.ts'

/** How much of a new answer's time goes into the smoothed one. */
const LATENCY_WEIGHT = 0.2

/** Takes down what is new, and looks at the work behind each: those whose work is what they vote for. */
export async function takeAnswers(answers: readonly Answer[], deps: TakeDeps): Promise<ReadonlySet<string>> {
  const { pool, now } = deps
  const fresh = answers.filter(({ work }) => work === null)
  if (fresh.length > 0) await takeDown(pool, fresh, now(), deps)
  deps.at('rounds.answered')
  const known = await readWorks(answers, deps)
  if (known.length > 0) await writeChecked(pool, known, now(), deps)
  deps.at('rounds.checked')
  return new Set(known.flatMap(({ answer, work }) => (work.kind === 'held' ? [answer.txid] : [])))
}

type TakeDeps = RoundStoreDeps & { readonly isLastLook?: boolean }

/** Of those whose work says something; the others stay unchecked, and are looked at again as long as anybody asks. */
async function readWorks(answers: readonly Answer[], deps: TakeDeps): Promise<Checked[]> {
  const jobTxs = [...new Set(answers.map(({ answeredJob }) => answeredJob))]
  const subjects = await readSubjects(deps.pool, jobTxs)
  const read = answers.map(async (answer): Promise<Checked[]> => {
    const about = subjects.get(answer.answeredJob) ?? []
    const work = await readOne(answer, about, deps)
    return work === undefined ? [] : [{ answer, work, subjects: about }]
  })
  return (await Promise.all(read)).flat()
}

/** Undefined where it says nothing yet. A file that our disk does not give back holds up its own answer, and no other. */
async function readOne(
  answer: Answer,
  subjects: readonly string[],
  { checkWork, isLastLook, onUnreadable }: TakeDeps,
): Promise<KnownWork | undefined> {
  const { txid, answeredJob, vout, agentKey, status, workHash, outputBytesMax } = answer
  try {
    const work = await checkWork({
      jobOutpoint: { txid: answeredJob, vout },
      ...{ agentKey, status, workHash, outputBytesMax, subjects },
      stage: stageOf(answer.stage),
      leaves: leavesOf(answer.leaves),
    })
    if (work.kind === 'unreadable') throw new Error(work.why)
    if (work.kind === 'missing') return isLastLook === true ? neverStored : undefined
    return work
  } catch (error) {
    // Never held against its agent, also at the last look: what it has stored is ours to keep.
    onUnreadable?.(error, txid)
    return undefined
  }
}

const neverStored: KnownWork = { kind: 'void', why: 'no work was stored for it while its round went on' }

/** With what their coming says of their agents: nobody looks at it again. */
async function takeDown(
  pool: Pool,
  answers: readonly Answer[],
  nowMs: number,
  { at }: Pick<TakeDeps, 'at'>,
): Promise<void> {
  // Most of them say nothing, and need no transaction.
  if (!answers.some(({ isLate, status }) => isLate || status === 'failed'))
    return void (await writeAnswers(pool, answers, nowMs))
  await inTransaction(pool, async db => {
    const taken = await writeAnswers(db, answers, nowMs)
    at('rounds.taken-down')
    await noteArrivals(
      db,
      answers.filter(({ txid }) => taken.has(txid)),
      nowMs,
    )
  })
}

/** Resolves with those that nobody had taken down. */
async function writeAnswers(
  db: Queryable,
  answers: readonly Answer[],
  nowMs: number,
): Promise<ReadonlySet<string>> {
  const rows = answers.map(answer => ({
    txid: answer.txid,
    job_tx: answer.answeredJob,
    vout: answer.vout,
    status: answer.status,
    leaves: answer.leaves,
    work_hash: answer.workHash,
    evidence_hash: answer.evidenceHash,
    arrived_ms: answer.arrivedMs,
    is_late: answer.isLate,
  }))
  const { rows: taken } = await db.query<{ txid: string }>({
    name: 'rounds-take-down',
    text: `with given as (
        select decode(txid, 'hex') as txid, decode(job_tx, 'hex') as job_tx, vout, status, decode(leaves, 'hex') as leaves,
            decode(work_hash, 'hex') as work_hash, decode(evidence_hash, 'hex') as evidence_hash, arrived_ms, is_late
          from jsonb_to_recordset($1::jsonb) as given (txid text, job_tx text, vout integer, status text, leaves text,
            work_hash text, evidence_hash text, arrived_ms bigint, is_late boolean)
      ), taken as (
        insert into round_results (txid, job_tx, vout, agent_key, operator, status, leaves, work_hash, evidence_hash,
            arrived_ms, is_late)
          select given.txid, seat.job_tx, seat.vout, seat.agent_key, seat.operator, given.status, given.leaves,
              given.work_hash, given.evidence_hash, given.arrived_ms, given.is_late
            from given join round_seats as seat on seat.job_tx = given.job_tx and seat.vout = given.vout
          on conflict (txid) do nothing
          returning txid, job_tx, vout, arrived_ms
      ), answered as (
        update round_seats as seat set result_tx = taken.txid, answered_ms = coalesce(answered_ms, taken.arrived_ms)
          from taken join round_jobs as job on job.txid = taken.job_tx
          where seat.job_tx = taken.job_tx and seat.vout = taken.vout
          -- An answer may be here before it is noted that its agent was asked: that was soon after its job was there.
          returning seat.agent_key, seat.operator,
            case when coalesce(seat.offered_ms, job.seen_ms) is not null
              then greatest(taken.arrived_ms - coalesce(seat.offered_ms, job.seen_ms), 0) end as latency
      ), known as (
        insert into operators (operator, first_ms, changed_ms)
          select distinct operator, $2::bigint, $2::bigint from answered order by operator on conflict do nothing
      ), timed as (
        select agent_key, min(operator) as operator, avg(latency) as latency, count(*) as answers
          from answered group by agent_key order by agent_key
      ), recorded as (
        insert into agent_records as record (agent_key, operator, as_of_ms, latency_ms, answers, last_answer_ms)
          select agent_key, operator, $2::bigint, latency, answers, $2::bigint from timed
          on conflict (agent_key) do update set answers = record.answers + excluded.answers,
            last_answer_ms = excluded.last_answer_ms,
            latency_ms = case when record.latency_ms is null then excluded.latency_ms
              when excluded.latency_ms is null then record.latency_ms
              else record.latency_ms + $3::double precision * (excluded.latency_ms - record.latency_ms) end
      )
      select encode(txid, 'hex') as txid from taken`,
    values: [JSON.stringify(rows), nowMs, LATENCY_WEIGHT],
  })
  return new Set(taken.map(({ txid }) => txid))
}

/** Of each job, in the order of its members: the packet, or the aggregate. */
async function readSubjects(db: Queryable, jobTxs: readonly string[]): Promise<Map<string, string[]>> {
  const { rows } = await db.query<{ txid: string; subject: string }>({
    name: 'rounds-subjects',
    text: `select encode(job.txid, 'hex') as txid, encode(coalesce(member.packet_id, job.round_id), 'hex') as subject
      from round_jobs as job
      cross join unnest(job.members) with ordinality as listed (index, place)
      left join round_members as member on member.round_id = job.round_id and member.index = listed.index
      where job.txid = any ((select $1::bytea[])::bytea[]) order by job.txid, listed.place`,
    values: [byteas(jobTxs)],
  })
  const subjects = new Map<string, string[]>()
  for (const { txid, subject } of rows) subjects.set(txid, [...(subjects.get(txid) ?? []), subject])
  return subjects
}

type KnownWork = Extract<CheckedWork, { kind: 'held' | 'void' }>
type Checked = { readonly answer: Answer; readonly work: KnownWork; readonly subjects: readonly string[] }

/** With what it says of their agents: nothing of it is looked at again, as what was stored for a seat stays. */
async function writeChecked(
  pool: Pool,
  checked: readonly Checked[],
  nowMs: number,
  { at }: Pick<TakeDeps, 'at'>,
): Promise<void> {
  const voids = checked.flatMap(({ answer, work }) =>
    work.kind === 'void' ? [{ kind: 'work-void' as const, answer, why: work.why }] : [],
  )
  const after = checked.flatMap(({ answer, work }) =>
    work.kind === 'held' && answer.isAfterDecision ? [answer] : [],
  )
  if (voids.length + after.length === 0) return writeWorks(pool, checked)
  await inTransaction(pool, async db => {
    await writeWorks(db, checked)
    at('rounds.work-written')
    await noteAgainst(db, [...voids, ...(await dissentsIn(db, after))], nowMs)
  })
}

async function writeWorks(db: Queryable, checked: readonly Checked[]): Promise<void> {
  const works = checked.map(({ answer: { txid }, work }) => ({
    txid,
    work: work.kind,
    void_why: work.kind === 'void' ? keptText(work.why) : null,
    work_object: work.kind === 'held' ? work.sha256 : null,
    work_bytes: work.kind === 'held' ? work.bytes : null,
  }))
  const outcomes = checked.flatMap(({ answer, work, subjects }) =>
    work.kind === 'held'
      ? work.outcomes.map(outcome => ({
          result_tx: answer.txid,
          member: answer.members[outcome.member],
          leaf: outcome.leaf,
          packet_id: subjects[outcome.member],
          stage: answer.stage,
          output_hash: outcome.outputHash,
          state_out: outcome.stateOut,
          output_at: outcome.outputAt,
          output_bytes: outcome.outputBytes,
          state_at: outcome.stateAt,
          state_bytes: outcome.stateBytes,
        }))
      : [],
  )
  await db.query({
    name: 'rounds-write-work',
    text: `with checked as (
        update round_results as result set work = given.work, void_why = given.void_why,
            work_object = decode(given.work_object, 'hex'), work_bytes = given.work_bytes
          from jsonb_to_recordset($1::jsonb) as given (txid text, work text, void_why text, work_object text,
            work_bytes bigint)
          where result.txid = decode(given.txid, 'hex') and result.work = 'unchecked'
      )
      insert into outcomes (result_tx, member, leaf, packet_id, stage, output_hash, state_out, output_at, output_bytes,
          state_at, state_bytes)
        select decode(result_tx, 'hex'), member, decode(leaf, 'hex'), decode(packet_id, 'hex'), stage,
            decode(output_hash, 'hex'), decode(state_out, 'hex'), output_at, output_bytes, state_at, state_bytes
          from jsonb_to_recordset($2::jsonb) as given (result_tx text, member integer, leaf text, packet_id text,
            stage text, output_hash text, state_out text, output_at bigint, output_bytes bigint, state_at bigint,
            state_bytes bigint)
        on conflict do nothing`,
    values: [JSON.stringify(works), JSON.stringify(outcomes)],
  })
}
