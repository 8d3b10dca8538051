import { pipelineTransaction } from '../../contract/pipeline-transaction.ts'
import { readTransaction, type Transaction } from '../../contract/transaction.ts'
import type { Audience } from '../../core/audience.ts'
import { orThrow } from '../../core/fault.ts'
import type { Level } from '../../core/level.ts'
import { acceptedOperators } from '../../core/log/roster.ts'
import { isJob, type SentJob } from '../../core/rounds/coordinating/thread.ts'
import type { Template } from '../../core/rounds/template.ts'
import type { FanOut, HeldJob, HeldRound, RoundLease } from '../../jobs/ports.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import { readAggregateStandings } from './aggregate-standings.ts'
import { readHeldResults } from './held-results.ts'
import { readMembers } from './standing-rows.ts'
import { stageOf } from './write-job.ts'

/** Rounds as whoever takes them over has to know them. */
export async function readHeldRounds(
  db: Queryable,
  leases: readonly RoundLease[],
  { operators }: { readonly operators: readonly string[] },
): Promise<HeldRound[]> {
  if (leases.length === 0) return []
  const roundIds = leases.map(({ roundId }) => roundId)
  const { rows } = await db.query<RoundRow>({
    name: 'rounds-held',
    text: heldRounds,
    values: [byteas(roundIds)],
  })
  const members = await readMembers(db, idsOf(rows, 'packet'))
  const aggregates = await readAggregateStandings(db, idsOf(rows, 'aggregate'))
  const txids = [...new Set(rows.flatMap(({ firstJob, jobTx }) => [firstJob, jobTx].filter(isThere)))]
  const sent = await readOurs(db, txids)
  const results = await readHeldResults(db, rows.map(({ jobTx }) => jobTx).filter(isThere))
  return rows.flatMap(row => {
    const lease = leases.find(({ roundId }) => roundId === row.roundId)
    if (lease === undefined) return []
    const first = row.firstJob === null ? undefined : sent.get(row.firstJob)
    const asked = row.jobTx === null ? undefined : sent.get(row.jobTx)
    const aggregate = aggregates.get(row.roundId)
    return [
      {
        lease,
        ...{ template: row.template, level: row.level, audience: row.audience, state: row.state },
        operators: acceptedOperators(row.operators ?? [], operators),
        rebuild: row.rebuild,
        firstJob: first && sentJobOf(first),
        last: row.last ?? undefined,
        inFlight: row.inFlight,
        job: asked && row.state === 'open' ? heldJob(row, asked, results.get(asked.txid) ?? []) : undefined,
        packets: aggregate === undefined ? (members.get(row.roundId) ?? []) : [aggregate],
      },
    ]
  })
}

function idsOf(rows: readonly RoundRow[], wanted: Template): string[] {
  return rows.flatMap(({ roundId, template }) => (template === wanted ? [roundId] : []))
}

type RoundRow = {
  readonly roundId: string
  readonly template: Template
  readonly level: Level
  readonly audience: Audience
  readonly state: 'open' | 'closing' | 'lost'
  readonly rebuild: number
  readonly firstJob: string | null
  readonly last: string | null
  readonly inFlight: boolean
  readonly jobTx: string | null
  readonly stage: string | null
  readonly deadlineMs: number | null
  readonly fanOut: FanOut | null
  readonly seenMs: number | null
  readonly reserves: boolean
  readonly operators: readonly string[] | null
}

const heldRounds = `
  select encode(round.round_id, 'hex') as "roundId", round.template, round.level, round.audience, round.state,
      round.rebuild, encode(round.first_job, 'hex') as "firstJob", encode(round.last_tx, 'hex') as last,
      round.in_flight as "inFlight", encode(round.job_tx, 'hex') as "jobTx", job.stage, job.deadline_ms as "deadlineMs",
      job.fan_out as "fanOut", job.seen_ms as "seenMs",
      exists (select from round_seats where job_tx = round.job_tx and is_reserve) as reserves, owner.operators
    from rounds as round
    left join round_jobs as job on job.txid = round.job_tx
    left join lateral (
      select stream.operators from streams as stream
        join partitions as opened on opened.stream_id = stream.stream_id
        where opened.id = coalesce(
          (select partition_id from round_members as member join packet_standings using (packet_id)
            where member.round_id = round.round_id and member.index = 0),
          (select partition_id from aggregates where aggregate_id = round.round_id))) as owner on true
    where round.round_id = any ($1) and round.state in ('open', 'closing', 'lost')`

function heldJob(row: RoundRow, transaction: Transaction, results: HeldJob['results']): HeldJob {
  return {
    sent: sentJobOf(transaction),
    transaction,
    stage: stageOf(row.stage ?? ''),
    deadlineMs: row.deadlineMs ?? 0,
    fanOut: row.fanOut ?? 'all',
    seenMs: row.seenMs,
    reserveOffered: !row.reserves,
    results,
  }
}

export function sentJobOf(transaction: Transaction): SentJob {
  const read = pipelineTransaction(transaction)
  if (!isJob(read)) throw new Error(`${transaction.txid} was stored as a job, and it is ${read.role.kind}`)
  return read
}

/** Of our own, dead ones too. */
async function readOurs(db: Queryable, txids: readonly string[]): Promise<Map<string, Transaction>> {
  const { rows } = await db.query<{ raw: Buffer }>({
    name: 'rounds-ours',
    text: 'select raw from fuel_transactions where txid = any ($1)',
    values: [byteas(txids)],
  })
  return new Map(
    rows.map(({ raw }) => {
      const transaction = orThrow(readTransaction(Uint8Array.from(raw)))
      return [transaction.txid, transaction]
    }),
  )
}

function isThere(txid: string | null): txid is string {
  return txid !== null
}
