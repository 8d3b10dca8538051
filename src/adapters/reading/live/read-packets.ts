import type { Pool } from 'pg'
import * as z from 'zod'
import type { Json } from '../../../core/canonical-json.ts'
import type { LineConstants } from '../../../core/event/line.ts'
import { hasLines, liveStages, type TrackStage, trackStages } from '../../../core/live/track.ts'
import type { PacketFacts, Piece, Wanted } from '../../../serve/live/piece.ts'
import { numbers } from '../../postgres/sql.ts'
import { readConstants } from '../../projections/read-segments.ts'
import { bytesEach, EVENT_OVERHEAD_BYTES, TRACK_ROWS_MAX } from './bounds.ts'

/** A packet that has reached the stage, or one that is passed by, in the order of its partition. */
export type PacketStep =
  | { readonly kind: 'reached'; readonly packet: ReadPacket }
  | { readonly kind: 'gap'; readonly piece: Piece }

export type ReadPacket = {
  readonly facts: PacketFacts
  readonly constants: LineConstants
  readonly sinceMs: number
}

type PacketRow = {
  readonly turn: number
  readonly packetNo: number
  readonly packetId: string
  readonly header: string
  readonly firstSeq: number
  readonly count: number
  readonly bytesUpTo: number
  readonly isReached: boolean
  readonly isSplit: boolean
  /** A later one has gone on without it, for long enough. */
  readonly isPassedBy: boolean
  readonly versionId: string | null
  readonly contentHash: string | null
  readonly certifiedMs: number | null
  readonly changedMs: number | null
  readonly evidence: Json
  readonly agents: readonly string[] | null
  readonly orchestration: 'quorum' | 'local' | null
  /** Agent key, and the transaction of its result. */
  readonly certifier: readonly [string, string] | null
}

/** Certificates come into blocks in any order, so one that waits for its block is waited for so long. */
export const PROOF_PATIENCE_MS = 10_000

/**
 * Packets of a partition at one state, by their numbers. Said as a range, so that the index by state is the only one in that
 * order: the planner takes any state for a frequent one, and would read a partition without any from end to end.
 */
export const packetsAt = (partition: string, state: string) => `packet_states as known
  where known.partition_id = ${partition} and known.state >= ${state} and known.state <= ${state}`
export const lastFirst = 'order by known.state desc, known.packet_no desc limit 1'

/** Up to where packets have reached a stage or never will: what is not there below has been passed by. */
const topOf = (partition: string, rank: string) => `(select max(last.packet_no)
  from unnest(array[${['split', ...liveStages.slice(1)].map(state => `'${state}'`).join(', ')}]) as at (state)
  cross join lateral (select packet_no from ${packetsAt(partition, 'at.state')} ${lastFirst}) as last
  where at.state = 'split' or packet_rank(at.state) >= ${rank})`
/** The same for proofs, as it was when the patience for others began. */
const oldTopOf = (
  partition: string,
  since: string,
) => `(select packet_no from ${packetsAt(partition, "'proven'")}
    and known.changed_at < to_timestamp(${since}::bigint / 1000.0) ${lastFirst})`
const PROVEN = liveStages.indexOf('proven') + 1
const CERTIFIED = liveStages.indexOf('certified') + 1

const packetsSql = `
  select reach.turn, there.* from unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[]) with ordinality
      as reach (partition_id, rank, from_at, until_at, turn)
    cross join lateral (select coalesce(${topOf('reach.partition_id', 'reach.rank')}, -1) as packet_no) as top
    cross join lateral (select case when reach.rank = ${PROVEN}
      then coalesce(${oldTopOf('reach.partition_id', '$6')}, -1) else top.packet_no end as packet_no) as old
    cross join lateral (
      select packet.packet_no as "packetNo", encode(packet.packet_id, 'hex') as "packetId", packet.header,
          packet.first_seq as "firstSeq", packet.count, sum(packet.bytes) over (order by packet.packet_no) as "bytesUpTo",
          sum(packet.bytes) over (order by packet.packet_no) - packet.bytes as "bytesBefore",
          coalesce(packet_rank(became.state) >= reach.rank, false) as "isReached",
          coalesce(became.state = 'split', false) as "isSplit",
          packet.packet_no < old.packet_no or (packet.packet_no < top.packet_no
            and became.state is distinct from 'anchored') as "isPassedBy",
          encode(became.version_id, 'hex') as "versionId", encode(became.content_hash, 'hex') as "contentHash",
          round(extract(epoch from became.certified_at) * 1000)::bigint as "certifiedMs",
          round(extract(epoch from became.changed_at) * 1000)::bigint as "changedMs",
          became.certification_evidence as evidence, became.processing_agents as agents, became.orchestration,
          case when reach.rank = ${CERTIFIED} then (
            select array[encode(result.agent_key, 'hex'), encode(result.txid, 'hex')] from outcomes join round_results as result on result.txid = outcomes.result_tx
              where outcomes.packet_id = packet.packet_id and outcomes.stage = 'certify'
                and outcomes.leaf = became.version_id and result.status = 'completed'
              order by result.arrived_ms, result.txid limit 1) end as certifier
        from packets as packet
        left join packet_states as became using (partition_id, packet_no)
        where packet.partition_id = reach.partition_id
          and case when reach.rank < ${CERTIFIED}
            then packet.packet_no >= coalesce((select packet_no from packets as at where at.partition_id = reach.partition_id
                and at.first_seq <= reach.from_at and at.count > 0 order by at.first_seq desc limit 1), 0)
              and packet.count > 0 and packet.first_seq + packet.count > reach.from_at and packet.first_seq < reach.until_at
            else packet.packet_no >= reach.from_at and packet.packet_no < reach.until_at end
          and (packet.packet_no <= top.packet_no or reach.until_at < ${Number.MAX_SAFE_INTEGER})
        order by packet.packet_no limit ${TRACK_ROWS_MAX}) as there
    where "bytesBefore" < $5::bigint
    order by reach.turn, "packetNo"`

/** By transaction, what agents have signed their results with; those that are not here are left out. */
export type SignaturesOf = (txids: readonly string[]) => Promise<ReadonlyMap<string, string>>

export type ReadPacketsDeps = {
  readonly pool: Pool
  readonly signaturesOf: SignaturesOf
  readonly nowMs: number
}

/** The next packets of each of these tracks, none of which is `received` or `news`. */
export async function readPackets(
  wanted: readonly Wanted[],
  { pool, signaturesOf, nowMs }: ReadPacketsDeps,
): Promise<{ steps: PacketStep[]; more: boolean }[]> {
  if (wanted.length === 0) return []
  const bytesMax = bytesEach(wanted.length)
  const { rows } = await pool.query<PacketRow>({
    name: 'live-packets',
    text: packetsSql,
    values: [
      numbers(wanted.map(({ track }) => track.partitionId)),
      numbers(wanted.map(({ track }) => rankOf(track.stage))),
      numbers(wanted.map(({ from }) => from.at)),
      numbers(wanted.map(({ until }) => untilOf(until))),
      bytesMax,
      nowMs - PROOF_PATIENCE_MS,
    ],
  })
  const results = new Set(rows.flatMap(({ certifier }) => certifier?.[1] ?? []))
  const signatures = results.size === 0 ? new Map<string, string>() : await signaturesOf([...results])
  const answers = wanted.map(() => ({ steps: [] as PacketStep[], more: false, hasEnded: false }))
  for (const row of rows) {
    const [answer, asked] = [answers[row.turn - 1], wanted[row.turn - 1]]
    if (answer === undefined || asked === undefined || answer.hasEnded) continue
    const step = stepOf(row, asked, signatures)
    if (step === undefined) answer.hasEnded = true
    else answer.steps.push(step)
    answer.more = !answer.hasEnded && (answer.steps.length >= TRACK_ROWS_MAX || row.bytesUpTo >= bytesMax)
  }
  return answers
}

/** Undefined where it is to be waited for. */
function stepOf(
  row: PacketRow,
  { track, until }: Wanted,
  signatures: ReadonlyMap<string, string>,
): PacketStep | undefined {
  if (row.isReached) return { kind: 'reached', packet: packetOf(row, signatures) }
  const reason = row.isSplit
    ? 'split'
    : row.isPassedBy
      ? 'passed-by'
      : until === undefined
        ? undefined
        : 'taken-back'
  if (reason === undefined) return undefined
  const piece: Piece = {
    ...spanOf(row, track.stage),
    said: { kind: 'gap', reason, packetNo: row.packetNo },
    bytes: EVENT_OVERHEAD_BYTES,
    sinceMs: null,
  }
  return { kind: 'gap', piece }
}

/** From its first event or line to the packet behind it. */
export function spanOf(
  { packetNo, firstSeq, count }: Pick<PacketFacts, 'packetNo' | 'firstSeq' | 'count'>,
  stage: TrackStage,
): Pick<Piece, 'from' | 'to'> {
  return hasLines(stage)
    ? { from: { at: packetNo, line: 0 }, to: { at: packetNo + 1, line: 0 } }
    : { from: { at: firstSeq, line: 0 }, to: { at: firstSeq + count, line: 0 } }
}

function packetOf(row: PacketRow, signatures: ReadonlyMap<string, string>): ReadPacket {
  const header = headerShape.parse(JSON.parse(row.header))
  const { packetNo, packetId, firstSeq, count, evidence, certifier } = row
  const known = evidenceShape.safeParse(evidence)
  return {
    facts: {
      ...{ packetNo, packetId, firstSeq, count, evidence },
      sourceIds: header.sources.map(({ sourceId }) => sourceId),
      versionId: row.versionId,
      contentHash: row.contentHash,
      certifiedMs: row.certifiedMs,
      agents: row.agents ?? [],
      certifier: certifier && { agentId: certifier[0], signature: signatures.get(certifier[1]) ?? null },
      agreeing: known.success ? known.data.agreeing : null,
      orchestration: row.orchestration,
    },
    constants: readConstants(JSON.stringify(header.constants)),
    sinceMs: row.changedMs ?? 0,
  }
}

/** What is read here of what sealing has written. */
const headerShape = z.object({
  sources: z.array(z.object({ sourceId: z.string() })),
  constants: z.record(z.string(), z.unknown()),
})
const evidenceShape = z.object({ agreeing: z.int() })

/** Where these tracks end now. */
export async function readPacketEnds(
  tracks: readonly Wanted['track'][],
  { pool, nowMs }: { readonly pool: Pool; readonly nowMs: number },
): Promise<Piece['to'][]> {
  if (tracks.length === 0) return []
  const { rows } = await pool.query<{ packetNo: number | null; endSeq: number | null }>({
    name: 'live-packet-ends',
    text: `select coalesce(waited.packet_no, top.packet_no + 1) as "packetNo",
        (select first_seq + count from packets as last where last.partition_id = track.partition_id
          and last.packet_no = top.packet_no) as "endSeq"
      from unnest($1::integer[], $2::integer[]) with ordinality as track (partition_id, rank, turn)
      cross join lateral (select ${topOf('track.partition_id', 'track.rank')} as packet_no) as top
      left join lateral (select packet_no from ${packetsAt('track.partition_id', "'anchored'")}
          and track.rank = ${PROVEN} and known.packet_no < top.packet_no
          and known.packet_no > coalesce(${oldTopOf('track.partition_id', '$3')}, -1)
        order by known.state, known.packet_no limit 1) as waited on true
      order by track.turn`,
    values: [
      numbers(tracks.map(({ partitionId }) => partitionId)),
      numbers(tracks.map(({ stage }) => rankOf(stage))),
      nowMs - PROOF_PATIENCE_MS,
    ],
  })
  return placesOf(tracks, rows)
}

/** Beyond which they never ended: whatever has come to a stage keeps its state, also where that is taken back. */
export async function readFurthestEnds(
  tracks: readonly Wanted['track'][],
  pool: Pool,
): Promise<Piece['to'][]> {
  if (tracks.length === 0) return []
  const { rows } = await pool.query<{ packetNo: number | null; endSeq: number | null }>({
    name: 'live-furthest-ends',
    text: `select last.packet_no + 1 as "packetNo", packet.first_seq + packet.count as "endSeq"
      from unnest($1::integer[]) with ordinality as track (partition_id, turn)
      left join lateral (select packet_no from packet_states as known where known.partition_id = track.partition_id
        order by known.packet_no desc limit 1) as last on true
      left join packets as packet on packet.partition_id = track.partition_id and packet.packet_no = last.packet_no
      order by track.turn`,
    values: [numbers(tracks.map(({ partitionId }) => partitionId))],
  })
  return placesOf(tracks, rows)
}

function placesOf(
  tracks: readonly Wanted['track'][],
  rows: readonly { readonly packetNo: number | null; readonly endSeq: number | null }[],
): Piece['to'][] {
  return tracks.map(({ stage }, i) => ({
    at: (hasLines(stage) ? rows[i]?.packetNo : rows[i]?.endSeq) ?? 0,
    line: 0,
  }))
}

function rankOf(stage: TrackStage): number {
  return trackStages.indexOf(stage) + 1
}

/** A place in the middle of a packet is before the end of that packet. */
function untilOf(until: Wanted['until']): number {
  if (until === undefined) return Number.MAX_SAFE_INTEGER
  return until.line > 0 ? until.at + 1 : until.at
}
