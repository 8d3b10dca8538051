import { keptText } from '../postgres/kept-text.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import type { Answer } from './answer.ts'
import { recordAfterwards, writeTerms } from './conduct.ts'
import { type Evidence, writeEvidence } from './evidence.ts'

/** What an answer's coming says of its agent, whatever is in it. */
export async function noteArrivals(db: Queryable, answers: readonly Answer[], nowMs: number): Promise<void> {
  const late = answers.filter(({ isLate }) => isLate)
  await noteAgainst(
    db,
    late.map(answer => ({ kind: 'late', answer })),
    nowMs,
  )
  // No evidence of anything: that it could not do the work, an agent says itself.
  const failed = answers.filter(({ status, isLate }) => status === 'failed' && !isLate)
  const seats = await readSeats(db, failed)
  const failing = failed.flatMap(({ agentKey, answeredJob, vout }) => {
    const seat = seats.get(`${answeredJob}.${vout}`)
    return seat === undefined ? [] : [{ agentKey, operator: seat.operator, term: 'failed' as const }]
  })
  await writeTerms(db, failing, nowMs)
}

/** Of answers that came when their job was decided: those that say something else than was agreed. */
export async function dissentsIn(db: Queryable, answers: readonly Answer[]): Promise<Against[]> {
  if (answers.length === 0) return []
  const { rows } = await db.query<{ txid: string }>({
    name: 'rounds-dissent-after',
    text: `select encode(result.txid, 'hex') as txid from round_results as result
      where result.txid = any ($1) and result.status = 'completed' and exists (
        select from round_results as other
          join outcomes as agreed on agreed.result_tx = other.txid and agreed.is_agreed
          where other.job_tx = result.job_tx and not exists (select from outcomes as own
            where own.result_tx = result.txid and own.member = agreed.member and own.leaf = agreed.leaf))`,
    values: [byteas(answers.map(({ txid }) => txid))],
  })
  const differing = new Set(rows.map(({ txid }) => txid))
  return answers.flatMap(answer => (differing.has(answer.txid) ? [{ kind: 'dissent', answer }] : []))
}

type Against = { readonly kind: keyof typeof termOf; readonly answer: Answer; readonly why?: string }

const termOf = { late: 'late', 'work-void': 'void', dissent: 'dissenting' } as const

/** Each is kept, and none of them is ever spent. */
export async function noteAgainst(db: Queryable, against: readonly Against[], nowMs: number): Promise<void> {
  if (against.length === 0) return
  const seats = await readSeats(
    db,
    against.map(({ answer }) => answer),
  )
  const found = against.map(({ kind, answer: { txid, agentKey, answeredJob, vout, stage }, why }) => ({
    term: termOf[kind],
    evidence: {
      kind,
      // As of one that was there in time, so that it is written once.
      about: kind === 'dissent' ? [answeredJob, String(vout), txid] : [txid],
      ...{ agentKey, stage, ...seats.get(`${answeredJob}.${vout}`) },
      txids: [answeredJob, txid],
      ...(why !== undefined && { detail: { why: keptText(why) } }),
    } satisfies Evidence,
  }))
  const noted = await writeEvidence(
    db,
    found.map(({ evidence }) => evidence),
    nowMs,
  )
  const fresh = new Set(noted)
  const shown = found.flatMap(({ evidence, term }) => {
    const { agentKey, operator } = evidence
    if (!fresh.has(evidence) || agentKey === undefined || operator === undefined) return []
    return [{ agentKey, operator, term }]
  })
  const dissenting = shown.filter(({ term }) => term === 'dissenting')
  await recordAfterwards(
    db,
    dissenting.map(({ operator }) => operator),
    'dissenting',
    nowMs,
  )
  await writeTerms(db, shown, nowMs)
}

type SeatOf = { readonly operator: string; readonly roundId: string }

async function readSeats(db: Queryable, answers: readonly Answer[]): Promise<Map<string, SeatOf>> {
  const { rows } = await db.query<SeatOf & { readonly seat: string }>({
    name: 'rounds-seats-of',
    text: `select encode(seat.job_tx, 'hex') || '.' || seat.vout as seat, encode(seat.operator, 'hex') as operator,
        encode(job.round_id, 'hex') as "roundId"
      from round_seats as seat join round_jobs as job on job.txid = seat.job_tx where seat.job_tx = any ($1)`,
    values: [byteas(answers.map(({ answeredJob }) => answeredJob))],
  })
  return new Map(rows.map(({ seat, ...of }) => [seat, of]))
}
