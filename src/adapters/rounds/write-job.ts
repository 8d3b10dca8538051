import type { Transaction } from '../../contract/transaction.ts'
import type { SentJob } from '../../core/rounds/coordinating/thread.ts'
import { isTemplate, type Stage, stages } from '../../core/rounds/template.ts'
import type { HeldJob, UnpaidJob } from '../../jobs/ports.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/** Seats of a job that the network has not taken yet are nobody's to offer. */
export const NEVER_MS = Number.MAX_SAFE_INTEGER

/** The rows of a job whose transaction was stored in the same database transaction. */
export async function writeJob(
  db: Queryable,
  roundId: string,
  job: UnpaidJob,
  transaction: Transaction,
  nowMs: number,
): Promise<HeldJob> {
  const { facts, seats, fanOut, purpose } = job
  const { template, level, members, inputRoot, deadlineMs, outputBytesMax } = facts
  const stage = stageOf(facts.stage)
  if (!isTemplate(template)) throw new Error(`a job of the unknown template ${template} cannot be stored`)
  const rows = seats.map((seat, vout) => ({
    vout,
    agent_key: seat.agentKey,
    operator: seat.operator,
    endpoints: seat.endpoints,
    satoshis: seat.satoshis,
    is_reserve: seat.isReserve,
  }))
  await db.query({
    name: 'rounds-write-job',
    text: `with job as (
        insert into round_jobs (txid, round_id, template, stage, level, members, input_root, rebuild, deadline_ms,
            output_bytes_max, fan_out, made_ms)
          values ($1::bytea, $2::bytea, $3, $4::text, $5, $6::integer[], $7::bytea, $8, $9, $10, $11, $12::bigint)
      )
      insert into round_seats (job_tx, vout, stage, agent_key, operator, endpoints, satoshis, is_reserve, next_run_ms,
          made_ms)
        select $1::bytea, seat.vout, $4::text, decode(seat.agent_key, 'hex'), decode(seat.operator, 'hex'),
            array(select jsonb_array_elements_text(seat.endpoints)), seat.satoshis, seat.is_reserve, $14::bigint,
            $12::bigint
          from jsonb_to_recordset($13::jsonb) as seat (vout integer, agent_key text, operator text, endpoints jsonb,
            satoshis bigint, is_reserve boolean)`,
    values: [
      ...[bytea(transaction.txid), bytea(roundId), template, stage, level, [...members], bytea(inputRoot)],
      ...[purpose.rebuild, deadlineMs, outputBytesMax, fanOut, nowMs, JSON.stringify(rows), NEVER_MS],
    ],
  })
  return {
    sent: sentJob(job, transaction),
    transaction,
    stage,
    deadlineMs,
    fanOut,
    seenMs: null,
    reserveOffered: !seats.some(seat => seat.isReserve),
    results: [],
  }
}

/** As its bytes say it too: they were made from the same facts. */
function sentJob({ facts, seats }: UnpaidJob, { txid, inputs }: Transaction): SentJob {
  return {
    txid,
    inputs: inputs.map(input => ({ txid: input.txid, vout: input.vout })),
    role: { kind: 'job', facts, seats: seats.map(({ agentKey, operator }) => ({ agentKey, operator })) },
  }
}

export function stageOf(text: string): Stage {
  const stage = stages.find(each => each === text)
  if (stage === undefined) throw new Error(`there is no stage ${text}: it is one of ${stages.join(', ')}`)
  return stage
}
