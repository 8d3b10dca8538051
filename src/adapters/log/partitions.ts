import type { Pool } from 'pg'
import type { Level } from '../../core/level.ts'
import type { Stream } from '../../core/registry/stream.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'

export type Partition = { readonly id: number; readonly partition: number }

export type PartitionsDeps = {
  readonly pool: Pool
  /** Of this database's log. */
  readonly logKey: string
  readonly network: string
  now(): number
}

/** A stream's partitions of one level, by shard; opened when the first event comes for one of them. */
export type Partitions = (stream: Stream, level: Level) => Promise<readonly Partition[]>

export function openPartitions(deps: PartitionsDeps): Partitions {
  const known = new Map<string, Promise<readonly Partition[]>>()
  return (stream, level) => {
    const { by, count } = stream.shards
    const set = JSON.stringify([stream.streamId, level, by, count])
    let partitions = known.get(set)
    if (partitions === undefined) {
      partitions = findOrOpen(stream, level, deps)
      known.set(set, partitions)
      partitions.catch(() => known.delete(set))
    }
    return partitions
  }
}

async function findOrOpen(
  stream: Stream,
  level: Level,
  { pool, logKey, network, now }: PartitionsDeps,
): Promise<readonly Partition[]> {
  const found = await find(stream, level, pool)
  if (found.length === stream.shards.count) return found
  await inTransaction(pool, async db => {
    // One at a time for each stream, so that partitions are numbered without gaps.
    await db.query('select 1 from streams where stream_id = $1 for update', [stream.streamId])
    if ((await find(stream, level, db)).length > 0) return
    // And in all one at a time from here on: whoever sees a partition has seen all with lower numbers, or a reader that
    // goes on from a position would take one that shows up late for one that it had left out.
    await db.query("select pg_advisory_xact_lock(hashtextextended('assay: open partitions', 0))")
    await db.query(
      `with opened as (
        insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index,
            shards_count, opened_ms)
          select $1, taken.count + shard, $2, $3, $4, $5, $6, shard, $7, $8
          from generate_series(0, $7::int - 1) as shard,
            (select count(*)::int as count from partitions where stream_id = $1) as taken
          returning id)
      insert into partition_heads (partition_id) select id from opened`,
      [
        stream.streamId,
        bytea(logKey),
        network,
        level,
        stream.audience,
        stream.shards.by,
        stream.shards.count,
        now(),
      ],
    )
  })
  return find(stream, level, pool)
}

async function find(stream: Stream, level: Level, db: Queryable): Promise<readonly Partition[]> {
  const { rows } = await db.query<Partition>(
    `select id, partition from partitions
      where stream_id = $1 and level = $2 and shards_by = $3 and shards_count = $4 order by shards_index`,
    [stream.streamId, level, stream.shards.by, stream.shards.count],
  )
  return rows
}
