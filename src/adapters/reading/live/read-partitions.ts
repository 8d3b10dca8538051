import type { Pool } from 'pg'
import type { Level } from '../../../core/level.ts'
import type { ReadableStream } from '../../../core/registry/may-read.ts'
import type { KnownPartition } from '../../../serve/live/ports.ts'

/** Every partition, and who may read it, by partition. */
export async function readPartitions(pool: Pool): Promise<KnownPartition[]> {
  const { rows } = await pool.query<PartitionRow>({
    name: 'live-partitions',
    text: `select opened.id as "partitionId", opened.stream_id as "streamId", opened.partition, opened.level,
        stream.topics, stream.partition_key is not null as "isKeyed", stream.audience, stream.published,
        stream.tenant_id as "tenantId", stream.readers
      from partitions as opened join streams as stream using (stream_id) order by opened.id`,
  })
  return rows.map(({ audience, published, tenantId, readers, ...partition }) => ({
    ...partition,
    stream: { audience, published, tenantId, readers },
  }))
}

type PartitionRow = ReadableStream & {
  readonly partitionId: number
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly topics: readonly string[]
  readonly isKeyed: boolean
}
