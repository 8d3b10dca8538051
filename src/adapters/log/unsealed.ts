import type { UnsealedHead } from '../../packets/decide-seal.ts'
import type { IdleHead } from '../../packets/decide-window.ts'
import type { OpenHead } from '../../packets/ports.ts'
import type { WindowReach } from '../../packets/window-reach.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import { serverMs } from './leases.ts'

/** So many partitions are looked at in one go; those that wait longest come first, so that none is forgotten. */
const PARTITIONS_AT_ONCE = 512

/** Partitions with events that are in no packet, but those that another sealer has; and how much there is in all. */
export async function readUnsealed(
  db: Queryable,
  sealer: string,
): Promise<{ heads: OpenHead[]; events: number; partitions: number }> {
  const { rows } = await db.query<OpenHead & { events: number; partitions: number; free: boolean }>({
    name: 'read-unsealed',
    text: `with ${workedOn}
      select ${columns}, is_behind as "isBehind",
        ${hasUnmade} as "hasUnmade",
        (sealer is null or sealer = $1 or sealer_until_ms <= ${serverMs}) as free,
        (sum(next_seq - sealed_seq) over ())::bigint as events,
        count(*) filter (where not is_behind) over () as partitions
      from partition_heads as head join partitions as opened on opened.id = head.partition_id
        cross join lateral (select head.partition_id in (table worked_on)) as rounds (is_behind)
      where unsealed_since_ms is not null
      order by free desc, is_behind, unsealed_since_ms limit $2`,
    values: [sealer, PARTITIONS_AT_ONCE],
  })
  const [first] = rows
  return {
    heads: rows.filter(({ free }) => free),
    events: first?.events ?? 0,
    partitions: first?.partitions ?? 0,
  }
}

// Where planning takes nothing more of a partition for now: what is rebuilt, or made up for behind, holds nothing up. From
// the rounds on, which are few, and not from all packets that are unfinished.
const workedOn = `worked_on as materialized (
    select standing.partition_id from rounds as round join round_jobs as job on job.txid = round.job_tx
      cross join lateral (select * from packet_standings where round_id = round.round_id offset 0) as standing
      where round.state <> 'over' and job.stage <> 'certify' and standing.status = 'open'
      group by standing.partition_id
      having max(standing.packet_no) > coalesce((select last.packet_no from packet_standings as last
        where last.partition_id = standing.partition_id and last.version_id is not null
        order by last.packet_no desc limit 1), -1))`

/**
 * Partitions whose events are all sealed while windows of theirs may be open. How long a partition has been idle is
 * counted from its last packet: repetitions and refusals are appended too, and say nothing of the time of events.
 */
export async function readIdle(
  db: Queryable,
  sealer: string,
  windows: ReadonlyMap<string, WindowReach>,
): Promise<(UnsealedHead & IdleHead)[]> {
  if (windows.size === 0) return []
  const { rows } = await db.query<UnsealedHead & IdleHead>({
    name: 'read-idle',
    text: `select ${columns}, mark.marked_ms as "sealedMs",
        mark.up_to_seq = coalesce(before.up_to_seq, 0) as "lastWasEmpty"
      from unnest($2::bytea[], $3::bigint[]) as windowed (digest, reach_ms)
        join partition_heads as head on head.policy_digest = windowed.digest
        join partitions as opened on opened.id = head.partition_id
        join seal_marks as mark on mark.partition_id = head.partition_id and mark.packet_no = head.next_packet - 1
        left join seal_marks as before
          on before.partition_id = head.partition_id and before.packet_no = head.next_packet - 2
      where next_seq = sealed_seq and head.watermark_ms < event_ms_max + reach_ms
        and (sealer is null or sealer = $1 or sealer_until_ms <= ${serverMs})
      order by mark.marked_ms limit $4`,
    values: [
      sealer,
      byteas([...windows.keys()]),
      [...windows.values()].map(({ windowMs, latenessMs }) => windowMs + latenessMs),
      PARTITIONS_AT_ONCE,
    ],
  })
  return rows
}

/** Partitions with a seal mark that has no packet: what a sealer began, or an append ended, and nobody has finished. */
export async function readUnmade(db: Queryable, sealer: string): Promise<number[]> {
  const { rows } = await db.query<{ partitionId: number }>({
    name: 'read-unmade',
    text: `select partition_id as "partitionId" from partition_heads as head
      where (sealer is null or sealer = $1 or sealer_until_ms <= ${serverMs}) and ${hasUnmade}
      order by partition_id limit $2`,
    values: [sealer, PARTITIONS_AT_ONCE],
  })
  return rows.map(({ partitionId }) => partitionId)
}

const hasUnmade = `next_packet > 0 and not exists (select from packets as made
  where made.partition_id = head.partition_id and made.packet_no = next_packet - 1)`

const columns = `head.partition_id as "partitionId", opened.stream_id as "streamId", next_seq as "nextSeq",
  sealed_seq as "sealedSeq", next_packet as "nextPacket", unsealed_bytes as "unsealedBytes",
  unsealed_since_ms as "unsealedSinceMs", last_appended_ms as "lastAppendedMs", event_ms_max as "eventMsMax",
  head.watermark_ms as "watermarkMs", encode(head.policy_digest, 'hex') as "policyDigest"`
