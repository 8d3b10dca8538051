import type { Pool } from 'pg'
import type { Reader } from '../../core/registry/may-read.ts'
import { bytea } from '../postgres/sql.ts'
import { readableSql, readerValues } from './readable.ts'

export type ConflictQuestion = {
  readonly packetId?: string
  readonly streamId?: string
  /** Those below this one; null for the newest. */
  readonly below: number | null
  readonly limit: number
}

/** It may be short, and even empty, and not be the last. */
export type ConflictPage = {
  readonly items: readonly ListedConflict[]
  /** Where the next page begins; null where nothing is left. */
  readonly below: number | null
}

export type ListedConflict = {
  /** Of the list alone: readers know a conflict by its job and its packet. */
  readonly id: number
  readonly jobTxid: string
  readonly packetId: string
  readonly streamId: string
  readonly partition: number
  readonly packetNo: number
  readonly roundId: string
  readonly stage: string
  readonly level: string
  readonly policyDigest: string
  readonly decision: 'agreed' | 'retried' | 'split'
  readonly leaf: string | null
  readonly reason: string
  readonly decidedMs: number
  readonly votes: readonly ConflictVote[]
  /** Where the packet stands now. */
  readonly state: string
  readonly versionId: string | null
}

export type ConflictVote = {
  readonly operator: string
  readonly agentKey: string
  readonly leaf: string | null
  readonly status: string
  readonly resultTxid: string
  readonly outputHash: string | null
}

export type ListConflicts = (question: ConflictQuestion, reader: Reader) => Promise<ConflictPage>

/** Looked at for one page, whether or not the reader may read them: so many take a few hundredths of a second. */
const CONFLICTS_EXAMINED_MAX = 2_000

/** The newest first; of packets that the reader may read. */
export function openListConflicts(pool: Pool, examinedMax = CONFLICTS_EXAMINED_MAX): ListConflicts {
  return async ({ packetId, streamId, below, limit }, reader) => {
    const { rows } = await pool.query<ConflictRow>({
      ...(packetId === undefined ? ofAll : ofPacket),
      values: [
        ...readerValues(reader),
        below ?? Number.MAX_SAFE_INTEGER,
        examinedMax,
        limit + 1,
        streamId ?? null,
        ...(packetId === undefined ? [] : [bytea(packetId)]),
      ],
    })
    const found = rows.flatMap(({ item }) => item ?? [])
    const items = found.slice(0, limit)
    const lastShown = found.length > limit ? items.at(-1)?.id : undefined
    const { examined, lowest } = rows[0] ?? { examined: 0, lowest: null }
    return { items, below: lastShown ?? (examined === examinedMax ? lowest : null) }
  }
}

/** At least one row, which says how far was looked where nothing was found. */
type ConflictRow = {
  readonly examined: number
  readonly lowest: number | null
  readonly item: ListedConflict | null
}

const ofAll = { name: 'reading-conflicts', text: textOf('id < $3') }
/** A statement of its own, whose plan goes by the packet. */
const ofPacket = { name: 'reading-conflicts-of-packet', text: textOf('packet_id = $7 and id < $3') }

function textOf(condition: string): string {
  return `with examined as materialized (
        select id, packet_id from conflicts where ${condition} order by id desc limit $4)
      select reach.examined, reach.lowest, listed.item
      from (select count(*) as examined, min(id) as lowest from examined) as reach
        left join lateral (
          select conflict.id, jsonb_build_object('id', conflict.id, 'jobTxid', encode(conflict.job_tx, 'hex'),
              'packetId', encode(conflict.packet_id, 'hex'), 'streamId', readable.stream_id,
              'partition', readable.partition, 'packetNo', readable.packet_no,
              'roundId', encode(conflict.round_id, 'hex'), 'stage', conflict.stage, 'level', conflict.level,
              'policyDigest', encode(conflict.policy_digest, 'hex'), 'decision', conflict.decision,
              'leaf', encode(conflict.leaf, 'hex'), 'reason', conflict.reason, 'decidedMs', conflict.decided_ms,
              'votes', conflict.votes, 'state', coalesce(became.state, 'received'),
              'versionId', encode(became.version_id, 'hex')) as item
            from (select examined.id, packet.partition_id, packet.packet_no, opened.stream_id, opened.partition
                from examined join packets as packet on packet.packet_id = examined.packet_id
                  join partitions as opened on opened.id = packet.partition_id
                  join streams as stream on stream.stream_id = opened.stream_id
                where ${readableSql('stream', 1)} and ($6::text is null or opened.stream_id = $6)
                order by examined.id desc limit $5) as readable
              join conflicts as conflict on conflict.id = readable.id
              left join packet_states as became
                on became.partition_id = readable.partition_id and became.packet_no = readable.packet_no) as listed on true
      order by listed.id desc`
}

export type ConflictName = { readonly jobTxid: string; readonly packetId: string }

/** A conflict of a public stream that the reader may read: what agents said of others is for nobody else. */
export function openFindPublicConflict(pool: Pool) {
  return async ({ jobTxid, packetId }: ConflictName, reader: Reader): Promise<number | undefined> => {
    const { rows } = await pool.query<{ id: number }>({
      name: 'reading-public-conflict',
      text: `select conflict.id from conflicts as conflict join packets as packet on packet.packet_id = conflict.packet_id
          join partitions as opened on opened.id = packet.partition_id
          join streams as stream on stream.stream_id = opened.stream_id
        where conflict.job_tx = $3 and conflict.packet_id = $4 and stream.audience = 'public'
          and ${readableSql('stream', 1)}`,
      values: [...readerValues(reader), bytea(jobTxid), bytea(packetId)],
    })
    return rows[0]?.id
  }
}
