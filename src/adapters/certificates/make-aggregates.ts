import type { Pool } from 'pg'
import type { Audience } from '../../core/audience.ts'
import { parseCanonicalJson } from '../../core/canonical-json.ts'
import {
  AGGREGATE_PACKETS_MAX,
  type AggregateDocument,
  type AggregateKind,
  aggregateId,
  policyOfParent,
  writeAggregateDocument,
} from '../../core/certificate/aggregate.ts'
import {
  type AggregatedPacket,
  type AggregatePlan,
  type DueRange,
  nextRollup,
  nextWindow,
  type SettledWindow,
} from '../../core/certificate/aggregates-due.ts'
import { MANIFEST_BYTES_MAX } from '../../core/certificate/dlm-version.ts'
import { type CertifiedManifest, readCertifiedManifest } from '../../core/certificate/manifest.ts'
import { orThrow } from '../../core/fault.ts'
import type { Level } from '../../core/level.ts'
import type { Network } from '../../core/network.ts'
import { bytea, byteas, inTransaction, numbers, type Queryable } from '../postgres/sql.ts'

export type MakeAggregatesDeps = {
  readonly pool: Pool
  now(): number
  at(step: string): void
}

/** Partitions that are read at once. */
const PARTITIONS_MAX = 64
/** One more than a window may hold, so that it is seen to be full. */
const PACKETS_READ_MAX = AGGREGATE_PACKETS_MAX + 1
const WINDOWS_READ_MAX = 256

/**
 * Makes the windows and rollups that are due in streams that ask for them. Resolves with how many were made; agents are
 * asked about them as about packets.
 */
export async function makeAggregates(deps: MakeAggregatesDeps): Promise<number> {
  let made = 0
  for (let page = await readPartitions(0, deps); page.length > 0; ) {
    for (const partition of page)
      for (const kind of ['window', 'rollup'] as const)
        while (await makeNext(partition, kind, deps)) made += 1
    const last = page.at(-1)
    page = last === undefined || page.length < PARTITIONS_MAX ? [] : await readPartitions(last.id, deps)
  }
  return made
}

/** With something certified that no rollup is over; those after this one. */
async function readPartitions(
  after: number,
  { pool }: Pick<MakeAggregatesDeps, 'pool'>,
): Promise<Partition[]> {
  const { rows } = await pool.query<Partition>({
    name: 'aggregate-partitions',
    text: `select partition.id, stream_id as "streamId", partition.partition, encode(log, 'hex') as log,
        partition.network, partition.level, partition.audience,
        (stream.aggregate ->> 'windowMs')::bigint as "windowMs", (stream.aggregate ->> 'rollupEvery')::int as "rollupEvery"
      from streams as stream join partitions as partition using (stream_id)
      where stream.aggregate is not null and partition.id > $2
        and exists (select from packet_standings as standing where standing.partition_id = partition.id
          and standing.version_id is not null and standing.packet_no >= coalesce((select next_packet
            from aggregate_positions as position
            where position.partition_id = partition.id and position.kind = 'rollup'), 0))
      order by partition.id limit $1`,
    values: [PARTITIONS_MAX, after],
  })
  return rows
}

type Partition = {
  readonly id: number
  readonly streamId: string
  readonly partition: number
  readonly log: string
  readonly network: Network
  readonly level: Level
  readonly audience: Audience
  readonly windowMs: number
  readonly rollupEvery: number | null
}

/** One statement and the place where the next one begins, written together; whoever else is at it comes next. */
function makeNext(partition: Partition, kind: AggregateKind, deps: MakeAggregatesDeps): Promise<boolean> {
  const plan: AggregatePlan = {
    windowMs: partition.windowMs,
    rollupEvery: partition.rollupEvery ?? undefined,
  }
  return inTransaction(deps.pool, async db => {
    const nextPacket = await lockPosition(db, partition.id, kind)
    const due =
      kind === 'window'
        ? nextWindow(await readPackets(db, partition.id, nextPacket, PACKETS_READ_MAX), plan)
        : nextRollup(await readWindows(db, partition.id, nextPacket), plan)
    if (due === undefined) return false
    await writeAggregate(db, partition, due, deps.now())
    await db.query({
      name: 'aggregate-position',
      text: `update aggregate_positions set next_packet = $3, next_ms = $4 where partition_id = $1 and kind = $2`,
      values: [partition.id, kind, due.lastPacketNo + 1, due.toMs],
    })
    deps.at('aggregate.made')
    return true
  })
}

async function lockPosition(db: Queryable, partitionId: number, kind: AggregateKind): Promise<number> {
  await db.query({
    name: 'aggregate-begin',
    text: 'insert into aggregate_positions (partition_id, kind) values ($1, $2) on conflict do nothing',
    values: [partitionId, kind],
  })
  const { rows } = await db.query<{ next: number }>({
    name: 'aggregate-lock',
    text: `select next_packet as next from aggregate_positions where partition_id = $1 and kind = $2 for update`,
    values: [partitionId, kind],
  })
  return rows[0]?.next ?? 0
}

async function readPackets(
  db: Queryable,
  partitionId: number,
  from: number,
  limit: number,
): Promise<AggregatedPacket[]> {
  const { rows } = await db.query<
    Omit<AggregatedPacket, 'versionId'> & { status: string | null; versionId: string | null }
  >({
    name: 'aggregate-packets',
    text: `select packet_no as "packetNo", (header::jsonb ->> 'firstEventTimeMs')::bigint as "firstEventMs",
        (header::jsonb ->> 'watermarkMs')::bigint as "watermarkMs", status, encode(version_id, 'hex') as "versionId"
      from packets left join packet_standings using (partition_id, packet_no)
      where partition_id = $1 and packet_no >= $2 order by packet_no limit $3`,
    values: [partitionId, from, limit],
  })
  return rows.map(({ status, versionId, ...packet }) => ({
    ...packet,
    versionId: status === 'certified' ? versionId : isGivenUp(status) ? null : undefined,
  }))
}

function isGivenUp(status: string | null): boolean {
  return status === 'split' || status === 'abandoned'
}

async function readWindows(db: Queryable, partitionId: number, from: number): Promise<SettledWindow[]> {
  const { rows } = await db.query<SettledWindow>({
    name: 'aggregate-windows',
    text: `select first_packet as "firstPacketNo", last_packet as "lastPacketNo", from_ms as "fromMs", to_ms as "toMs",
        state in ('certified', 'split') as "isSettled"
      from aggregates where partition_id = $1 and kind = 'window' and first_packet >= $2
      order by first_packet limit $3`,
    values: [partitionId, from, WINDOWS_READ_MAX],
  })
  return rows
}

/** Nothing is said over packets of which none is certified, nor twice over the same. */
async function writeAggregate(
  db: Queryable,
  partition: Partition,
  due: DueRange,
  nowMs: number,
): Promise<void> {
  const { firstPacketNo, lastPacketNo, kind } = due
  const packets = (
    await readPackets(db, partition.id, firstPacketNo, lastPacketNo - firstPacketNo + 1)
  ).filter(({ packetNo }) => packetNo <= lastPacketNo)
  const parents = packets.flatMap(({ packetNo, versionId }) =>
    typeof versionId === 'string' ? [{ packetNo, versionId }] : [],
  )
  const gaps = packets.flatMap(({ packetNo, versionId }) => (typeof versionId === 'string' ? [] : [packetNo]))
  if (parents.length === 0) return
  const manifests = await readManifests(
    db,
    parents.map(({ versionId }) => versionId),
  )
  const last = manifests.at(-1)
  if (last === undefined) return
  const { log, streamId, level, audience, network } = partition
  const range = { log, streamId, partition: partition.partition, firstPacketNo, lastPacketNo }
  const document: AggregateDocument = {
    ...{ v: 1, kind, ...range, level, audience, network, parents, gaps },
    createdAt: manifests.reduce((latest, { provenance: { createdAt } }) => max(latest, createdAt), ''),
    policy: policyOfParent(last),
  }
  await db.query({
    name: 'aggregate-write',
    text: `insert into aggregates (aggregate_id, kind, partition_id, first_packet, last_packet, from_ms, to_ms, parents,
        gaps, document, roster_digest, state, made_ms)
      select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, roster_digest, 'due', $11 from packet_standings
        where partition_id = $3 and packet_no = $5
      on conflict do nothing`,
    values: [
      bytea(aggregateId(range)),
      kind,
      partition.id,
      firstPacketNo,
      lastPacketNo,
      due.fromMs,
      due.toMs,
      byteas(parents.map(({ versionId }) => versionId)),
      numbers(gaps),
      writeAggregateDocument(document),
      nowMs,
    ],
  })
}

function max(a: string, b: string): string {
  return a > b ? a : b
}

async function readManifests(db: Queryable, versionIds: readonly string[]): Promise<CertifiedManifest[]> {
  const { rows } = await db.query<{ manifest: string }>({
    name: 'aggregate-manifests',
    text: `select manifest from unnest($1::bytea[]) with ordinality as wanted (version_id, place)
      join dlm_versions using (version_id) order by place`,
    values: [byteas(versionIds)],
  })
  return rows.map(({ manifest }) =>
    orThrow(readCertifiedManifest(orThrow(parseCanonicalJson(manifest, MANIFEST_BYTES_MAX)))),
  )
}
