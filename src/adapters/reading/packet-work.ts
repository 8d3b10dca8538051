import type { Pool } from 'pg'
import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { readPacketHeader } from '../../core/log/packet-header.ts'
import { stages } from '../../core/rounds/template.ts'
import type {
  PacketCertificate,
  PacketConflict,
  PacketWork,
  ReadPacketLines,
  ReadPacketWork,
  RoundEntry,
  ShownState,
  StageWork,
} from '../../serve/packet-work.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'

/** Of one moment: what it says of stages, certificates and conflicts fits together. */
const asOfNow = { begin: 'begin isolation level repeatable read read only' }

/** What tells the lines of its events, and nothing else: events are asked for again and again. */
export function openReadPacketLines(pool: Pool): ReadPacketLines {
  return packetId =>
    inTransaction(
      pool,
      async db => {
        const packet = await readPacket(db, packetId)
        if (packet === undefined) return undefined
        const { roundId, header, shown } = packet
        // Before anything is shown of it, nothing was agreed that counts.
        const stages = roundId === null || shown === null ? [] : await readStages(db, packetId, roundId)
        return { header, shown, stages }
      },
      asOfNow,
    )
}

export function openReadPacketWork(pool: Pool): ReadPacketWork {
  return packetId =>
    inTransaction(
      pool,
      async db => {
        const packet = await readPacket(db, packetId)
        if (packet === undefined) return undefined
        const { roundId, ...known } = packet
        return {
          packetId,
          ...known,
          rounds: await readRounds(db, packetId),
          stages: roundId === null ? [] : await readStages(db, packetId, roundId),
          certificates: await readCertificates(db, packetId),
          conflicts: await readConflicts(db, packetId),
        }
      },
      asOfNow,
    )
}

/** Of a packet that is tried again and again; the newest of more. */
const ROUNDS_SHOWN_MAX = 64

type PacketRow = {
  readonly header: string
  readonly because: string
  readonly sealedMs: number
  readonly shown: ShownState | null
  readonly roundId: string | null
}

type KnownPacket = Omit<PacketWork, 'packetId' | 'rounds' | 'stages' | 'certificates' | 'conflicts'>

async function readPacket(
  db: Queryable,
  packetId: string,
): Promise<(KnownPacket & { readonly roundId: string | null }) | undefined> {
  const { rows } = await db.query<PacketRow>({
    name: 'reading-packet',
    text: `select packet.header, mark.because, packet.sealed_ms as "sealedMs",
        case when became.state is not null then jsonb_build_object('state', became.state,
          'orchestration', became.orchestration, 'contentHash', encode(became.content_hash, 'hex'),
          'versionId', encode(became.version_id, 'hex'), 'processedMs', ${msOf('became.processed_at')},
          'certifiedMs', ${msOf('became.certified_at')}, 'changedMs', ${msOf('became.changed_at')}) end as shown,
        (select encode(member.round_id, 'hex') from round_members as member join rounds using (round_id)
          left join lateral (
            select max(case when state in ('anchored', 'proven') then 2 else 1 end) as rank from certificates
              where certificates.round_id = member.round_id and certificates.packet_id = packet.packet_id
                and anchored_ms is not null) as certificate on true
          where member.packet_id = packet.packet_id
          order by coalesce(certificate.rank, 0) desc, rounds.made_ms desc, member.round_id limit 1) as "roundId"
      from packets as packet join seal_marks as mark using (partition_id, packet_no)
        left join packet_states as became using (partition_id, packet_no)
      where packet.packet_id = $1`,
    values: [bytea(packetId)],
  })
  const [row] = rows
  if (row === undefined) return undefined
  const { header, because, ...known } = row
  return {
    ...known,
    header: orThrow(readPacketHeader(orThrow(parseJson(header)))),
    sealedBecause: because,
  }
}

async function readRounds(db: Queryable, packetId: string): Promise<RoundEntry[]> {
  const { rows } = await db.query<RoundEntry>({
    name: 'reading-packet-rounds',
    text: `select encode(round.round_id, 'hex') as "roundId", round.attempt, round.state, round.made_ms as "madeMs",
        round.over_ms as "overMs", member.index as member, member.left_why as "leftWhy", member.left_ms as "leftMs"
      from round_members as member join rounds as round using (round_id) where member.packet_id = $1
      order by round.made_ms desc, round.round_id limit ${ROUNDS_SHOWN_MAX}`,
    values: [bytea(packetId)],
  })
  return rows.reverse()
}

async function readStages(db: Queryable, packetId: string, roundId: string): Promise<StageWork[]> {
  const { rows } = await db.query<StageWork>({
    name: 'reading-packet-stages',
    // A job that died was decided again, under the next number.
    text: `select distinct on (job.stage) job.stage, encode(job.txid, 'hex') as txid,
        encode(job.round_id, 'hex') as "roundId", job.template, job.level, member.index as member,
        encode(round.input_hash, 'hex') as "inputHash", encode(job.input_root, 'hex') as "inputRoot", job.rebuild,
        job.deadline_ms as "deadlineMs", job.made_ms as "madeMs", job.seen_ms as "seenMs",
        job.decided_ms as "decidedMs", job.outcome, seats.list as seats
      from round_members as member join rounds as round using (round_id)
        join round_jobs as job on job.round_id = member.round_id and member.index = any (job.members)
        cross join lateral (
          select coalesce(jsonb_agg(jsonb_build_object('vout', seat.vout, 'agentKey', encode(seat.agent_key, 'hex'),
              'operator', encode(seat.operator, 'hex'), 'independence', coalesce((select operators.independence from operators
                where operators.operator = seat.operator), 'claimed'), 'state', seat.state, 'conduct', seat.conduct,
              'isReserve', seat.is_reserve, 'attempts', seat.attempts, 'offeredMs', seat.offered_ms,
              'acknowledgedMs', seat.acknowledged_ms, 'answers', answers.list) order by seat.vout), '[]') as list
            from round_seats as seat cross join lateral (${answersOfSeat}) as answers
            where seat.job_tx = job.txid) as seats
      where member.packet_id = $1 and member.round_id = $2
      order by job.stage, (job.outcome is distinct from 'dead') desc, job.rebuild desc, job.made_ms desc`,
    values: [bytea(packetId), bytea(roundId)],
  })
  return stages.flatMap(stage => rows.find(row => row.stage === stage) ?? [])
}

const answersOfSeat = `
  select coalesce(jsonb_agg(jsonb_build_object('txid', encode(result.txid, 'hex'), 'status', result.status,
      'leaf', encode(substring(result.leaves from 32 * array_position(job.members, member.index) - 31 for 32), 'hex'),
      'workHash', encode(result.work_hash, 'hex'), 'evidenceHash', encode(result.evidence_hash, 'hex'),
      'arrivedMs', result.arrived_ms, 'isLate', result.is_late, 'work', result.work,
      'outputHash', encode(outcome.output_hash, 'hex'), 'stateOut', encode(outcome.state_out, 'hex'),
      'isAgreed', coalesce(outcome.is_agreed, false),
      'output', case when outcome.member is not null and result.work_object is not null then jsonb_build_object(
        'sha256', encode(result.work_object, 'hex'), 'at', outcome.output_at, 'length', outcome.output_bytes) end)
    order by result.arrived_ms, result.txid), '[]') as list
  from round_results as result
    left join outcomes as outcome on outcome.result_tx = result.txid and outcome.member = member.index
  where result.job_tx = seat.job_tx and result.vout = seat.vout`

async function readCertificates(db: Queryable, packetId: string): Promise<PacketCertificate[]> {
  const { rows } = await db.query<PacketCertificate>({
    name: 'reading-packet-certificates',
    // Whoever lists it hears first that it was spent.
    text: `select encode(certificate.txid, 'hex') as txid, certificate.vout, encode(certificate.round_id, 'hex') as "roundId",
        certificate.index as member, certificate.level, encode(certificate.version_id, 'hex') as "versionId",
        version.manifest,
        case when listed.spent_by is not null and certificate.state in ('anchored', 'proven') then 'revoked'
          else certificate.state end as state, certificate.block_height as "blockHeight",
        encode(certificate.block_hash, 'hex') as "blockHash", certificate.written_ms as "writtenMs",
        certificate.anchored_ms as "anchoredMs", certificate.proven_ms as "provenMs", certificate.dead_ms as "deadMs",
        encode(coalesce(certificate.revoked_by, listed.spent_by), 'hex') as "revokedBy",
        case when certificate.state = 'proven' then encode(fuel.proof, 'hex') end as bump,
        coalesce(fuel.topics, '{}') as topics, certificate_host_count(certificate.txid) as hosts
      from certificates as certificate join dlm_versions as version using (version_id)
        left join fuel_transactions as fuel on fuel.txid = certificate.txid
        left join gitdata_certificates as listed on listed.txid = certificate.txid and listed.vout = certificate.vout
      where certificate.packet_id = $1 order by certificate.written_ms, certificate.txid`,
    values: [bytea(packetId)],
  })
  return rows
}

async function readConflicts(db: Queryable, packetId: string): Promise<PacketConflict[]> {
  const { rows } = await db.query<PacketConflict>({
    name: 'reading-packet-conflicts',
    text: `select encode(job_tx, 'hex') as "jobTxid", stage, decision, encode(leaf, 'hex') as leaf, reason,
        decided_ms as "decidedMs"
      from conflicts where packet_id = $1 order by id limit ${ROUNDS_SHOWN_MAX}`,
    values: [bytea(packetId)],
  })
  return rows
}

/** Milliseconds since the epoch, of a column with a time. */
function msOf(column: string): string {
  return `round(extract(epoch from ${column}) * 1000)::bigint`
}
