import type { Queryable } from '../postgres/sql.ts'
import { unfinished } from './standing-rows.ts'

/** So many partitions with something to do are looked at in one plan; the others have their turn with the next ones. */
export const PARTITIONS_AT_ONCE = 256

/** Each time those that come after the ones before, and round again from the first. */
export type BusyPartitions = (db: Queryable) => Promise<readonly number[]>

export function openBusyPartitions(atOnce = PARTITIONS_AT_ONCE): BusyPartitions {
  let last = 0
  return async db => {
    const { rows } = await db.query<{ partitionId: number }>({
      name: 'rounds-busy-partitions',
      text: busy,
      values: [last, atOnce],
    })
    const ids = rows.map(({ partitionId }) => partitionId)
    last = ids.at(-1) ?? last
    return ids
  }
}

const nextAfter = (partitionId: string) => `(select partition_id from packet_standings
  where ${unfinished} and partition_id > ${partitionId} order by partition_id limit 1)`

// Partitions with nothing to do are stepped over, however many there are.
const busy = `
  with recursive ring (partition_id, first, place) as (
    select start.id, start.id, 1 from (select coalesce(${nextAfter('$1::integer')}, ${nextAfter('0')})) as start (id)
      where start.id is not null
    union all
    select next.id, ring.first, ring.place + 1 from ring
      cross join lateral (select coalesce(${nextAfter('ring.partition_id')}, ${nextAfter('0')})) as next (id)
      where ring.place < $2 and next.id <> ring.first
  )
  select partition_id as "partitionId" from ring order by place`
