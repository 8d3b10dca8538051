import type { Pool } from 'pg'
import { readBeef } from '../../contract/beef.ts'
import { pipelineTransaction } from '../../contract/pipeline-transaction.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { writeTerms } from './conduct.ts'
import { type Evidence, writeEvidence } from './evidence.ts'

/** Of one look; the next one goes on. */
const LOOKED_AT_MAX = 200

/**
 * Takes down agents that answered a seat twice or took its coin elsewhere. From `sinceMs` on; resolves with up to when.
 */
export async function noteDoubleSpends(pool: Pool, sinceMs: number, nowMs: number): Promise<number> {
  const { found, untilMs } = await readDoubleSpends(pool, sinceMs)
  if (found.length === 0) return untilMs
  await inTransaction(pool, async db => {
    const fresh = await writeEvidence(db, found, nowMs)
    const guilty = fresh.flatMap(({ agentKey, operator }) =>
      agentKey === undefined || operator === undefined
        ? []
        : [{ agentKey, operator, term: 'equivocated' as const }],
    )
    // Operators before agents, as everywhere: each waits for the other's rows.
    await countDoubleSpends(
      db,
      guilty.map(({ operator }) => operator),
      nowMs,
    )
    await writeTerms(db, guilty, nowMs)
  })
  return untilMs
}

async function readDoubleSpends(db: Queryable, sinceMs: number) {
  const { rows } = await db.query<{ txid: string; against: string; beef: Buffer; seenMs: number }>({
    name: 'rounds-double-spends',
    text: `select encode(txid, 'hex') as txid, encode(against, 'hex') as against, beef, seen_ms as "seenMs" from double_spends
      where seen_ms >= $1 order by seen_ms limit $2`,
    values: [sinceMs, LOOKED_AT_MAX],
  })
  const found: Evidence[] = []
  for (const { txid, against, beef } of rows) {
    const read = readBeef(Uint8Array.from(beef))
    if (!read.ok) continue
    const { inputs, role } = pipelineTransaction(read.value.subject)
    const isAnswer = role.kind === 'result'
    for (const { isAnsweredByOther, ...seat } of await seatsBehind(db, inputs, against, isAnswer)) {
      found.push({
        kind: isAnswer && isAnsweredByOther ? 'seat-answered-twice' : 'double-spend',
        about: [seat.jobTx, String(seat.vout), ...[txid, against].sort()],
        ...{ operator: seat.operator, agentKey: seat.agentKey, roundId: seat.roundId, stage: seat.stage },
        txids: [against, txid].sort(),
        detail: { seat: `${seat.jobTx}.${seat.vout}` },
      })
    }
  }
  return { found, untilMs: rows.at(-1)?.seenMs ?? sinceMs }
}

type SeatBehind = {
  readonly jobTx: string
  readonly vout: number
  readonly agentKey: string
  readonly operator: string
  readonly roundId: string
  readonly stage: string
  readonly isAnsweredByOther: boolean
}

/**
 * Seats of ours that both have spent. An answer spends nothing but its seat: where one is at odds with something that only
 * the network has, it is over that.
 */
async function seatsBehind(
  db: Queryable,
  inputs: readonly { readonly txid: string; readonly vout: number }[],
  against: string,
  isAnswer: boolean,
): Promise<SeatBehind[]> {
  const { rows } = await db.query<SeatBehind>({
    name: 'rounds-seats-behind',
    text: `select encode(seat.job_tx, 'hex') as "jobTx", seat.vout, encode(seat.agent_key, 'hex') as "agentKey",
        encode(seat.operator, 'hex') as operator, encode(job.round_id, 'hex') as "roundId", seat.stage,
        exists (select from gitdata_jobs where txid = $3 and kind = 'result')
          or exists (select from round_results where txid = $3) as "isAnsweredByOther"
      from unnest($1::bytea[], $2::bigint[]) as input (txid, vout)
      join round_seats as seat on seat.job_tx = input.txid and seat.vout = input.vout
      join round_jobs as job on job.txid = seat.job_tx
      where $4 or exists (select from coins as coin
        where coin.txid = input.txid and coin.vout = input.vout and coin.spender = $3)`,
    values: [
      byteas(inputs.map(({ txid }) => txid)),
      inputs.map(({ vout }) => vout),
      bytea(against),
      isAnswer,
    ],
  })
  return rows
}

async function countDoubleSpends(db: Queryable, operators: readonly string[], nowMs: number): Promise<void> {
  if (operators.length === 0) return
  await db.query({
    name: 'rounds-count-double-spends',
    text: `update operators set double_spends = double_spends + counted.n, changed_ms = $2
      from (select operator, count(*)::integer as n from unnest($1::bytea[]) as seen (operator) group by operator) as counted
      where operators.operator = counted.operator`,
    values: [byteas(operators), nowMs],
  })
}
