import type { Queryable } from '../postgres/sql.ts'
import type { Counted } from './count-on.ts'

const PARTITIONS_AT_ONCE = 500

/**
 * Every partition with its head and what stands of it in quarantine, seen at one moment for as many as come together.
 * What was decided over is counted on request: it stays, and grows without an end.
 */
export async function* readCounted(
  db: Queryable,
  { decided = false } = {},
): AsyncGenerator<readonly Counted[]> {
  let after = 0
  for (;;) {
    const { rows } = await db.query<Counted>({
      name: decided ? 'read-counted-decided' : 'read-counted',
      text: decided ? textDecided : textHeld,
      values: [after, PARTITIONS_AT_ONCE],
    })
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PARTITIONS_AT_ONCE) return
    after = last.partitionId
  }
}

const heads = `select opened.id as "partitionId", opened.stream_id as "streamId", opened.partition,
    head.next_seq as "nextSeq", head.next_append as "nextAppend", head.received, head.duplicate, head.rejected,
    head.quarantined, head.waived, head.next_packet as "nextPacket", head.sealed_seq as "sealedSeq",
    head.watermark_ms as "watermarkMs"
  from partitions as opened join partition_heads as head on head.partition_id = opened.id
  where opened.id > $1 order by opened.id limit $2`

const textHeld = `with heads as (${heads})
  select heads.*, coalesce(kept.held, 0)::bigint as "heldRows", null as "decidedRows"
  from heads left join (
    select partition_id, count(*) as held from quarantine where state = 'held' group by partition_id
  ) as kept on kept.partition_id = heads."partitionId" order by "partitionId"`

const textDecided = `with heads as (${heads})
  select heads.*, coalesce(kept.held, 0)::bigint as "heldRows",
    json_build_object('waived', coalesce(kept.waived, 0), 'released', coalesce(kept.released, 0)) as "decidedRows"
  from heads left join (
    select partition_id, count(*) filter (where state = 'held') as held,
      count(*) filter (where state = 'waived') as waived, count(*) filter (where state = 'released') as released
    from quarantine group by partition_id
  ) as kept on kept.partition_id = heads."partitionId" order by "partitionId"`
