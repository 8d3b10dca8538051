import type { Pool } from 'pg'
import type { JobEntry, JobsIndex, JobsQuery, ListedJob } from '../../../lookup-services/jobs-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { bytea } from '../postgres/sql.ts'
import { leavesOf } from '../rounds/held-results.ts'
import { byAdmission, conditionsOf } from './conditions.ts'
import { type Resettable, spentOutputWrites } from './output-writes.ts'

export type PostgresJobsIndex = JobsIndex & Resettable

/** Its writes take effect with the admission that is being judged. */
export function postgresJobsIndex(pool: Pool, questions = pool): PostgresJobsIndex {
  return {
    async put(token) {
      const { txid, vout } = token
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...saidBy(token), spent_by: null } })
    },
    ...spentOutputWrites(pool, index, record),
    async find(query) {
      const { rows } = await questions.query<Row>(findStatement(query))
      return rows.map(listed)
    },
  }
}

const index = 'gitdata_jobs'

function saidBy(token: JobEntry) {
  const isResult = token.kind === 'result'
  return {
    kind: token.kind,
    coordinator: token.coordinator,
    round_id: token.roundId,
    template: token.template,
    stage: token.stage,
    level: token.level,
    // A row of an index write has no lists.
    members: `{${token.members.join(',')}}`,
    input_hash: token.inputHash,
    deadline_ms: token.deadlineMs,
    agent_key: token.kind === 'thread' ? null : token.agentKey,
    operator: token.kind === 'seat' ? token.operator : null,
    job_tx: isResult ? token.jobOutpoint.txid : null,
    job_vout: isResult ? token.jobOutpoint.vout : null,
    status: isResult ? token.status : null,
    leaves: isResult ? token.leaves.join('') : null,
    work_hash: isResult ? token.workHash : null,
    evidence_hash: isResult ? token.evidenceHash : null,
  }
}

/**
 * Listing and spending are one statement, whose rows are merged by outpoint first: a job may be admitted and answered
 * within one submission, and two statements that run as one do not see each other's rows. For the same reason a result's
 * operator is that of its seat among these rows, or else of its seat as it is listed. What is listed already is looked
 * at one by one, and only where it is needed: a join would read all of it, where it seems to be little.
 */
const record = `
  insert into gitdata_jobs as listed
    (txid, vout, kind, coordinator, round_id, template, stage, level, members, input_hash, deadline_ms, agent_key, operator,
     job_tx, job_vout, status, leaves, work_hash, evidence_hash, spent_by, admitted_ms)
  select said.txid, said.vout, coalesce(said.kind, known.kind), coalesce(said.coordinator, known.coordinator),
    coalesce(said.round_id, known.round_id), coalesce(said.template, known.template), coalesce(said.stage, known.stage),
    coalesce(said.level, known.level), coalesce(said.members, known.members),
    coalesce(said.input_hash, known.input_hash), coalesce(said.deadline_ms, known.deadline_ms),
    coalesce(said.agent_key, known.agent_key), coalesce(said.operator, known.operator, seat.operator),
    coalesce(said.job_tx, known.job_tx), coalesce(said.job_vout, known.job_vout), coalesce(said.status, known.status),
    coalesce(said.leaves, known.leaves), coalesce(said.work_hash, known.work_hash),
    coalesce(said.evidence_hash, known.evidence_hash), said.spent_by, $now::bigint
  from (
    select decode(txid, 'hex') as txid, vout, max(kind) as kind, decode(max(coordinator), 'hex') as coordinator,
      decode(max(round_id), 'hex') as round_id, max(template) as template, max(stage) as stage, max(level) as level,
      max(members)::integer[] as members, decode(max(input_hash), 'hex') as input_hash, max(deadline_ms) as deadline_ms,
      decode(max(agent_key), 'hex') as agent_key,
      coalesce(decode(max(operator), 'hex'), decode(max(seat_operator), 'hex')) as operator,
      decode(max(job_tx), 'hex') as job_tx, max(job_vout) as job_vout, max(status) as status,
      decode(max(leaves), 'hex') as leaves, decode(max(work_hash), 'hex') as work_hash,
      decode(max(evidence_hash), 'hex') as evidence_hash, decode(max(spent_by), 'hex') as spent_by
    from (
      select given.*, max(operator) over (partition by coalesce(job_tx, txid), coalesce(job_vout, vout)) as seat_operator
      from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, kind text, coordinator text,
        round_id text, template text, stage text, level text, members text, input_hash text, deadline_ms bigint,
        agent_key text, operator text, job_tx text, job_vout bigint, status text, leaves text, work_hash text,
        evidence_hash text, spent_by text)
    ) as given
    group by given.txid, given.vout
  ) as said
  left join lateral (
    select * from gitdata_jobs as listed
      where said.kind is null and listed.txid = said.txid and listed.vout = said.vout limit 1
  ) as known on true
  left join lateral (
    select operator from gitdata_jobs as listed
      where said.kind = 'result' and said.operator is null and listed.txid = said.job_tx and listed.vout = said.job_vout
      limit 1
  ) as seat on true
  where coalesce(said.kind, known.kind) is not null
  order by said.txid, said.vout
  on conflict (txid, vout) do update set spent_by = excluded.spent_by where excluded.spent_by is not null`

export function findStatement(query: JobsQuery): { text: string; values: unknown[] } {
  const { values, given, also, only, onlyBytes, onlySpent, onlyAfter, where } = conditionsOf()
  only('kind', '=', query.kind)
  onlyBytes('round_id', query.roundId)
  onlyBytes('txid', query.txid)
  onlyBytes('agent_key', query.agentKey)
  onlyBytes('operator', query.operator)
  onlyBytes('coordinator', query.coordinator)
  only('template', '=', query.template)
  only('stage', '=', query.stage)
  only('level', '=', query.level)
  only('status', '=', query.status)
  only('admitted_ms', '>=', query.admittedFromMs)
  only('admitted_ms', '<', query.admittedToMs)
  only('deadline_ms', '>=', query.deadlineFromMs)
  only('deadline_ms', '<', query.deadlineToMs)
  onlyBytes('job_tx', query.jobOutpoint?.txid)
  only('job_vout', '=', query.jobOutpoint?.vout)
  if (query.jobTxid !== undefined) {
    const job = given(bytea(query.jobTxid))
    also(`(listed.job_tx = ${job} or listed.txid = ${job} and listed.job_tx is null)`)
  }
  onlySpent(query.spent)
  onlyAfter(query.after, query.order)
  const text = `select encode(txid, 'hex') as txid, vout, kind, encode(coordinator, 'hex') as coordinator,
    encode(round_id, 'hex') as "roundId", template, stage, level, members, encode(input_hash, 'hex') as "inputHash",
    deadline_ms as "deadlineMs", encode(agent_key, 'hex') as "agentKey", encode(operator, 'hex') as operator,
    encode(job_tx, 'hex') as "jobTx", job_vout as "jobVout", status, encode(leaves, 'hex') as leaves,
    encode(work_hash, 'hex') as "workHash", encode(evidence_hash, 'hex') as "evidenceHash",
    encode(spent_by, 'hex') as "spentBy", admitted_ms as "admittedMs"
    from gitdata_jobs as listed ${where()} order by ${byAdmission(query.order)} limit ${given(query.limit)}`
  return { text, values }
}

type Row = Omit<ListedJob, 'jobOutpoint' | 'leaves'> & {
  readonly jobTx: string | null
  readonly jobVout: number | null
  readonly leaves: string | null
}

function listed({ jobTx, jobVout, leaves, ...row }: Row): ListedJob {
  return {
    ...row,
    jobOutpoint: jobTx === null || jobVout === null ? null : { txid: jobTx, vout: jobVout },
    leaves: leaves === null ? null : leavesOf(leaves),
  }
}
