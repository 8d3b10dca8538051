import type { Pool } from 'pg'
import { readBeef } from '../../contract/beef.ts'
import { pipelineTransaction } from '../../contract/pipeline-transaction.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { writeTerms } from './conduct.ts'
import { type Evidence, writeEvidence } from './evidence.ts'

/** Of one page; a look goes on to the last of them. */
const PAGE = 200

/**
 * Takes down agents that answered a seat twice or took its coin elsewhere, where that was seen from `sinceMs` on. Each once,
 * however often it is looked at.
 */
export async function noteDoubleSpends(pool: Pool, sinceMs: number, nowMs: number): Promise<void> {
  let after: Place = { seenMs: sinceMs, txid: '' }
  for (let seen = PAGE; seen === PAGE; ) {
    const page = await readPage(pool, after)
    await takeDown(pool, await seatsSpentIn(pool, page), nowMs)
    after = page.at(-1) ?? after
    seen = page.length
  }
}

async function takeDown(pool: Pool, found: readonly Evidence[], nowMs: number): Promise<void> {
  if (found.length === 0) return
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
}

type Place = { readonly seenMs: number; readonly txid: string }
type DoubleSpend = Place & { readonly against: string; readonly beef: Buffer }

async function readPage(db: Queryable, { seenMs, txid }: Place): Promise<DoubleSpend[]> {
  const { rows } = await db.query<DoubleSpend>({
    name: 'rounds-double-spends',
    text: `select encode(txid, 'hex') as txid, encode(against, 'hex') as against, beef, seen_ms as "seenMs" from double_spends
      where (seen_ms, txid) > ($1::bigint, $2::bytea) order by double_spends.seen_ms, double_spends.txid limit $3`,
    values: [seenMs, bytea(txid), PAGE],
  })
  return rows
}

async function seatsSpentIn(db: Queryable, page: readonly DoubleSpend[]): Promise<Evidence[]> {
  const found: Evidence[] = []
  for (const { txid, against, beef } of page) {
    const read = readBeef(Uint8Array.from(beef))
    if (!read.ok) continue
    const { inputs, role } = pipelineTransaction(read.value.subject)
    const isAnswer = role.kind === 'result'
    for (const { isAnsweredByOther, ...seat } of await seatsBehind(db, inputs, [txid, against], isAnswer)) {
      found.push({
        kind: isAnswer && isAnsweredByOther ? 'seat-answered-twice' : 'double-spend',
        about: [seat.jobTx, String(seat.vout), ...[txid, against].sort()],
        ...{ operator: seat.operator, agentKey: seat.agentKey, roundId: seat.roundId, stage: seat.stage },
        txids: [against, txid].sort(),
        detail: { seat: `${seat.jobTx}.${seat.vout}` },
      })
    }
  }
  return found
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
 * Seats of ours that both have spent, and of which nobody has taken that down. An answer spends nothing but its seat: where
 * one is at odds with something that only the network has, it is over that.
 */
async function seatsBehind(
  db: Queryable,
  inputs: readonly { readonly txid: string; readonly vout: number }[],
  [txid, against]: readonly [txid: string, against: string],
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
      where ($4 or exists (select from coins as coin
          where coin.txid = input.txid and coin.vout = input.vout and coin.spender = $3))
        -- What it is called by depends on what is here of the other one, which may have come since.
        and not exists (select from evidence as known where known.agent_key = seat.agent_key
          and known.kind in ('seat-answered-twice', 'double-spend') and known.txids @> $5::bytea[]
          and known.detail ->> 'seat' = encode(seat.job_tx, 'hex') || '.' || seat.vout)`,
    values: [
      byteas(inputs.map(({ txid }) => txid)),
      inputs.map(({ vout }) => vout),
      bytea(against),
      isAnswer,
      byteas([txid, against]),
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
