import type { Audience } from '../../core/audience.ts'
import type { Level } from '../../core/level.ts'
import type { PacketStanding, PacketStatus, Version } from '../../core/rounds/coordinating/standing.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** A row of packet_standings, with the name of its partition. */
export type StandingRow = VersionRow & {
  readonly packetId: string
  readonly streamId: string
  readonly partitionNo: number
  readonly packetNo: number
  readonly level: Level
  readonly audience: Audience
  readonly bytes: number
  readonly documentBytes: number
  readonly status: PacketStatus
  readonly roundId: string | null
  readonly rounds: number
  readonly tries: number
  readonly roundPacketsMax: number | null
  readonly rebuilds: number
  readonly waitedMs: number
  readonly certificate: string | null
}

export type VersionRow = {
  readonly versionId: string | null
  readonly parentPacketId: string | null
  readonly parentVersionId: string | null
  readonly stateIn: string | null
  readonly stateOut: string | null
}

/** In SQL, what of packet_standings has something to wait for. */
export const unfinished = `status in ('sealed', 'open', 'unanchored', 'rebuilding')`

/** Of `packet_standings as standing` and `partitions as opened`. */
export const standingColumns = `encode(standing.packet_id, 'hex') as "packetId", opened.stream_id as "streamId",
  opened.partition as "partitionNo", standing.packet_no as "packetNo", standing.level, standing.audience, standing.bytes,
  standing.document_bytes as "documentBytes", standing.status, encode(standing.round_id, 'hex') as "roundId",
  standing.rounds, standing.tries, standing.round_packets_max as "roundPacketsMax", standing.rebuilds,
  standing.waited_ms as "waitedMs",
  encode(standing.version_id, 'hex') as "versionId", encode(standing.parent_packet_id, 'hex') as "parentPacketId",
  encode(standing.parent_version_id, 'hex') as "parentVersionId", encode(standing.state_in, 'hex') as "stateIn",
  encode(standing.state_out, 'hex') as "stateOut", encode(standing.certificate, 'hex') as certificate`

export function standingOf(row: StandingRow): PacketStanding {
  const { packetId, packetNo, level, audience, bytes, documentBytes, status, roundId } = row
  const { rounds, tries, roundPacketsMax, rebuilds, waitedMs, certificate } = row
  return {
    packetId,
    partition: `${row.streamId}/${row.partitionNo}`,
    ...{ packetNo, level, audience, bytes, documentBytes, status, roundId },
    ...{ rounds, tries, roundPacketsMax, rebuilds, waitedMs },
    version: versionOf(row),
    certificate,
  }
}

/** Null until the packet is certified. */
export function versionOf({
  versionId,
  parentPacketId,
  parentVersionId,
  stateIn,
  stateOut,
}: VersionRow): Version | null {
  if (versionId === null) return null
  const parent =
    parentPacketId === null || parentVersionId === null
      ? null
      : { packetId: parentPacketId, versionId: parentVersionId }
  return { versionId, parent, stateIn, stateOut }
}

export type MovedStanding = { readonly standing: PacketStanding; readonly retryMs: number }

/** Where packets stand from now on. Versions are never written here. */
export async function writeStandings(
  db: Queryable,
  moved: readonly MovedStanding[],
  nowMs: number,
): Promise<void> {
  if (moved.length === 0) return
  const rows = moved.map(({ standing, retryMs }) => ({
    packet_id: standing.packetId,
    status: standing.status,
    round_id: standing.roundId,
    rounds: standing.rounds,
    tries: standing.tries,
    round_packets_max: standing.roundPacketsMax,
    rebuilds: standing.rebuilds,
    waited_ms: standing.waitedMs,
    certificate: standing.certificate,
    retry_ms: retryMs,
  }))
  await db.query({
    name: 'rounds-write-standings',
    text: `update packet_standings as standing set status = given.status, round_id = decode(given.round_id, 'hex'),
        rounds = given.rounds, tries = given.tries, round_packets_max = given.round_packets_max,
        rebuilds = given.rebuilds, waited_ms = given.waited_ms, certificate = decode(given.certificate, 'hex'),
        retry_ms = given.retry_ms, changed_ms = $2
      from jsonb_to_recordset($1::jsonb) as given (packet_id text, status text, round_id text, rounds integer,
        tries integer, round_packets_max integer, rebuilds integer, waited_ms bigint, certificate text, retry_ms bigint)
      where standing.packet_id = decode(given.packet_id, 'hex')`,
    values: [JSON.stringify(rows), nowMs],
  })
}

/** In the order of their rounds: of each round, all that were ever its members. */
export async function readMembers(
  db: Queryable,
  roundIds: readonly string[],
): Promise<Map<string, PacketStanding[]>> {
  const { rows } = await db.query<StandingRow & { readonly memberOf: string }>({
    name: 'rounds-members',
    text: `select encode(member.round_id, 'hex') as "memberOf", ${standingColumns}
      from round_members as member
      join packet_standings as standing on standing.packet_id = member.packet_id
      join partitions as opened on opened.id = standing.partition_id
      where member.round_id = any ($1) order by member.round_id, member.index`,
    values: [byteas(roundIds)],
  })
  const members = new Map<string, PacketStanding[]>(roundIds.map(roundId => [roundId, []]))
  for (const row of rows) members.get(row.memberOf)?.push(standingOf(row))
  return members
}
