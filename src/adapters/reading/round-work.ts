import type { Pool } from 'pg'
import type {
  FindRoundOfJob,
  ReadRoundWork,
  RoundCertificate,
  RoundJob,
  RoundMember,
  RoundWork,
} from '../../serve/round-work.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'

export function openReadRoundWork(pool: Pool): ReadRoundWork {
  return roundId =>
    inTransaction(
      pool,
      async db => {
        const round = await readRound(db, roundId)
        if (round === undefined) return undefined
        return {
          ...round,
          members: await readMembers(db, roundId),
          jobs: await readJobs(db, roundId),
          certificates: await readCertificates(db, roundId),
        }
      },
      { begin: 'begin isolation level repeatable read read only' },
    )
}

export function openFindRoundOfJob(pool: Pool): FindRoundOfJob {
  return async txid => {
    const { rows } = await pool.query<{ roundId: string }>({
      name: 'reading-round-of-job',
      text: `select encode(round_id, 'hex') as "roundId" from round_jobs where txid = $1`,
      values: [bytea(txid)],
    })
    return rows[0]?.roundId
  }
}

async function readRound(
  db: Queryable,
  roundId: string,
): Promise<Omit<RoundWork, 'members' | 'jobs' | 'certificates'> | undefined> {
  const { rows } = await db.query<Omit<RoundWork, 'members' | 'jobs' | 'certificates'>>({
    name: 'reading-round',
    text: `select encode(round.round_id, 'hex') as "roundId", round.template, round.level, round.audience,
        round.attempt, round.state, encode(round.input_hash, 'hex') as "inputHash", round.rebuild,
        round.made_ms as "madeMs", round.decided_ms as "decidedMs", round.over_ms as "overMs",
        coalesce((select encode(opened.log, 'hex') from round_members as member join packets using (packet_id)
            join partitions as opened on opened.id = packets.partition_id
            where member.round_id = round.round_id limit 1),
          (select encode(opened.log, 'hex') from aggregates join partitions as opened on opened.id = partition_id
            where aggregate_id = round.round_id)) as coordinator
      from rounds as round where round.round_id = $1`,
    values: [bytea(roundId)],
  })
  return rows[0]
}

const streamJson = `jsonb_build_object('streamId', stream.stream_id, 'audience', stream.audience,
  'published', stream.published, 'tenantId', stream.tenant_id, 'readers', stream.readers) as stream`

async function readMembers(db: Queryable, roundId: string): Promise<RoundMember[]> {
  const { rows } = await db.query<RoundMember>({
    name: 'reading-round-members',
    text: `select member.index, ${streamJson}, encode(member.packet_id, 'hex') as "packetId", opened.partition,
          packet.packet_no as "firstPacket", packet.packet_no as "lastPacket", packet.count as events,
          standing.status, member.left_why as "leftWhy", member.left_ms as "leftMs"
        from round_members as member join packets as packet using (packet_id)
          join packet_standings as standing using (packet_id)
          join partitions as opened on opened.id = packet.partition_id
          join streams as stream on stream.stream_id = opened.stream_id
        where member.round_id = $1
      union all
      select 0, ${streamJson}, encode(aggregate.aggregate_id, 'hex'), opened.partition, aggregate.first_packet,
          aggregate.last_packet, null, aggregate.state, null, null
        from aggregates as aggregate join partitions as opened on opened.id = aggregate.partition_id
          join streams as stream on stream.stream_id = opened.stream_id
        where aggregate.aggregate_id = $1
      order by 1`,
    values: [bytea(roundId)],
  })
  return rows
}

/** A round that goes on and on makes a job at every rebuild; the newest of more. */
const JOBS_SHOWN_MAX = 64

async function readJobs(db: Queryable, roundId: string): Promise<RoundJob[]> {
  const { rows } = await db.query<RoundJob>({
    name: 'reading-round-jobs',
    text: `select encode(job.txid, 'hex') as txid, job.stage, job.rebuild, job.members,
        encode(job.input_root, 'hex') as "inputRoot", job.made_ms as "madeMs", job.seen_ms as "seenMs",
        job.deadline_ms as "deadlineMs", job.decided_ms as "decidedMs", job.outcome,
        (select coalesce(jsonb_agg(jsonb_build_object('vout', seat.vout, 'agentKey', encode(seat.agent_key, 'hex'),
            'operator', encode(seat.operator, 'hex'), 'state', seat.state, 'conduct', seat.conduct,
            'attempts', seat.attempts, 'nextRunMs', seat.next_run_ms, 'offeredMs', seat.offered_ms,
            'acknowledgedMs', seat.acknowledged_ms, 'completedMs', seat.completed_ms, 'madeMs', seat.made_ms,
            'results', (${resultsOfSeat})) order by seat.vout), '[]')
          from round_seats as seat where seat.job_tx = job.txid) as seats
      from round_jobs as job where job.round_id = $1
      order by job.made_ms desc, job.rebuild desc, job.txid limit ${JOBS_SHOWN_MAX}`,
    values: [bytea(roundId)],
  })
  return rows.reverse()
}

const resultsOfSeat = `
  select coalesce(jsonb_agg(jsonb_build_object('txid', encode(result.txid, 'hex'), 'status', result.status,
      'leaves', encode(result.leaves, 'hex'), 'workHash', encode(result.work_hash, 'hex'),
      'evidenceHash', encode(result.evidence_hash, 'hex'), 'arrivedMs', result.arrived_ms, 'isLate', result.is_late,
      'work', result.work, 'outputs', (
        select coalesce(jsonb_agg(jsonb_build_object('member', outcome.member,
            'outputHash', encode(outcome.output_hash, 'hex')) order by outcome.member), '[]')
          from outcomes as outcome where outcome.result_tx = result.txid))
    order by result.arrived_ms, result.txid), '[]')
  from round_results as result where result.job_tx = seat.job_tx and result.vout = seat.vout`

async function readCertificates(db: Queryable, roundId: string): Promise<RoundCertificate[]> {
  const { rows } = await db.query<RoundCertificate>({
    name: 'reading-round-certificates',
    text: `select encode(txid, 'hex') as txid, vout, index as member, encode(version_id, 'hex') as "versionId", state,
        block_height as "blockHeight"
      from certificates where round_id = $1 order by written_ms, txid, index`,
    values: [bytea(roundId)],
  })
  return rows
}
