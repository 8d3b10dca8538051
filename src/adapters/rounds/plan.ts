import type { HeldRound, Opening, Planned, RoundLease, RoundStore } from '../../jobs/ports.ts'
import { serverMs } from '../log/leases.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { writeAggregateStanding } from './aggregate-standings.ts'
import { readCandidates } from './candidates.ts'
import type { RoundStoreDeps } from './deps.ts'
import { readDueAggregates } from './due-aggregates.ts'
import { writeNewStandings } from './new-standings.ts'
import { writeStandings } from './standing-rows.ts'
import { writeJob } from './write-job.ts'

type Choose = Parameters<RoundStore['plan']>[0]

/** Opens rounds, all in one transaction with their first jobs. */
export async function planRounds(choose: Choose, deps: RoundStoreDeps): Promise<Planned> {
  return inTransaction(deps.pool, db => plan(db, choose, deps), {
    // What is read here is found by the same indexes whatever it is asked for; PostgreSQL takes as long to find that out as
    // to read it.
    begin: 'begin; set local plan_cache_mode = force_generic_plan',
    keep: ({ kind }) => kind !== 'busy',
  })
}

async function plan(db: Queryable, choose: Choose, deps: RoundStoreDeps): Promise<Planned> {
  const nowMs = deps.now()
  const rotation = await beAlone(db)
  if (rotation === undefined) return { kind: 'busy' }
  await writeNewStandings(db, nowMs)
  deps.at('rounds.standing')

  const packets = await readCandidates(db, { ...deps, nowMs })
  const aggregates = await readDueAggregates(db, { nowMs, operators: deps.operators })
  const { openings } = choose({ packets, aggregates, rotation, nowMs })

  const opened: HeldRound[] = []
  for (const opening of openings) {
    const { purpose, unpaid } = opening.job
    const paid = await deps.fuel.write(purpose, unpaid, db)
    // What is refused here is refused to the next ones too.
    if (!paid.ok) return { kind: 'planned', opened: await counted(db, opened), fault: paid.fault }
    const roundId = opening.plan.roundId
    const operators = operatorsOf(opening, { packets, aggregates })
    const token = await writeRound(db, opening, paid.value.txid, { ...deps, nowMs })
    const job = await writeJob(db, roundId, opening.job, paid.value, nowMs)
    opened.push(openedRound(opening, { roundId, token }, job, operators))
    deps.at('rounds.opened')
  }
  return { kind: 'planned', opened: await counted(db, opened) }
}

/** Undefined: somebody else is planning. */
async function beAlone(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ rotation: number }>({
    name: 'rounds-be-alone',
    text: 'select rotation from round_planning for update skip locked',
  })
  return rows[0]?.rotation
}

async function counted(db: Queryable, opened: HeldRound[]): Promise<HeldRound[]> {
  if (opened.length > 0)
    await db.query({
      name: 'rounds-count',
      text: 'update round_planning set rotation = rotation + $1',
      values: [opened.length],
    })
  return opened
}

/** Its token. The round of an aggregate is asked for again under the same name, and is one row with all its jobs. */
async function writeRound(
  db: Queryable,
  { template, plan: { roundId, attempt, packets }, document, rosterDigest, job }: Opening,
  txid: string,
  {
    coordinator,
    leaseMs,
    nowMs,
  }: Pick<RoundStoreDeps, 'coordinator' | 'leaseMs'> & { readonly nowMs: number },
): Promise<number> {
  const [first] = packets
  if (first === undefined) throw new Error(`round ${roundId} was planned without a packet`)
  const isOfPackets = template === 'packet'
  const { rows } = await db.query<{ token: number }>({
    name: 'rounds-open',
    text: `with opened as (
        insert into rounds as round (round_id, template, level, audience, attempt, document, input_hash, roster_digest, state,
            made_ms, first_job, last_tx, in_flight, job_tx, coordinator, lease_token, lease_until_ms, rebuild)
          values ($1::bytea, $2::text, $3, $4, $5, $6, $7, $8, 'open', $9, $10, $10, true, $10, $11, 1,
            ${serverMs} + $12, $14)
          on conflict (round_id) do update set attempt = excluded.attempt, state = 'open', made_ms = excluded.made_ms,
              first_job = excluded.first_job, last_tx = excluded.last_tx, in_flight = true, job_tx = excluded.job_tx,
              decision = null, decided_ms = null, over_ms = null, last_error = null, coordinator = excluded.coordinator,
              lease_token = round.lease_token + 1, lease_until_ms = excluded.lease_until_ms, rebuild = excluded.rebuild
            where round.template = 'aggregate' and round.state = 'over'
          returning lease_token
      ), members as (
        insert into round_members (round_id, index, packet_id)
          select $1::bytea, place - 1, packet_id from unnest($13::bytea[]) with ordinality as member (packet_id, place)
      )
      select lease_token as token from opened`,
    values: [
      ...[bytea(roundId), template, first.level, first.audience, attempt, document],
      ...[bytea(job.facts.inputHash), bytea(rosterDigest), nowMs, bytea(txid), coordinator, leaseMs],
      byteas(isOfPackets ? packets.map(({ packetId }) => packetId) : []),
      job.purpose.rebuild,
    ],
  })
  const [opened] = rows
  if (opened === undefined) throw new Error(`round ${roundId} was opened before, and is none to open again`)
  if (isOfPackets)
    await writeStandings(
      db,
      packets.map(standing => ({ standing, retryMs: 0 })),
      nowMs,
    )
  else await writeAggregateStanding(db, first, 0)
  return opened.token
}

type Offered = {
  readonly packets: readonly {
    readonly standing: { readonly packetId: string }
    readonly operators: readonly string[]
  }[]
  readonly aggregates: readonly {
    readonly standing: { readonly packetId: string }
    readonly operators: readonly string[]
  }[]
}

function operatorsOf({ plan }: Opening, { packets, aggregates }: Offered): readonly string[] {
  const first = plan.packets[0]?.packetId
  return [...packets, ...aggregates].find(({ standing }) => standing.packetId === first)?.operators ?? []
}

function openedRound(
  { template, plan: { packets }, job: { purpose } }: Opening,
  lease: RoundLease,
  job: NonNullable<HeldRound['job']>,
  operators: readonly string[],
): HeldRound {
  const { level = 'basic', audience = 'public' } = packets[0] ?? {}
  return {
    lease,
    ...{ template, level, audience, operators },
    state: 'open',
    rebuild: purpose.rebuild,
    firstJob: job.sent,
    last: job.sent.txid,
    inFlight: true,
    job,
    packets,
  }
}
