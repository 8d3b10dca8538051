import { byteas, type Queryable } from '../postgres/sql.ts'
import { isClosedSql } from '../reading/readable.ts'

export type Validated = {
  readonly packetId: string
  /** Where this node has made it alone, the hash under which it is kept. */
  readonly output: string | null
}

/**
 * A certifier outside is to be asked about the events of these. Of restricted streams nothing is told, and of those of a
 * tenant or that are not published: it is none of those who may read them.
 */
export async function noteValidated(
  db: Queryable,
  packets: readonly Validated[],
  nowMs: number,
): Promise<void> {
  if (packets.length === 0) return
  await db.query({
    name: 'outside-note',
    text: `insert into external_packets (packet_id, output, next_run_ms)
      select packet.packet_id, given.output, $3 from unnest($1::bytea[], $2::bytea[]) as given (packet_id, output)
        join packets as packet on packet.packet_id = given.packet_id
        join partitions as opened on opened.id = packet.partition_id
        where opened.audience = 'public' and packet.count > 0 and not ${isClosedSql('packet.partition_id')}
        order by packet.packet_id
      on conflict (packet_id) do update set output = excluded.output`,
    values: [
      byteas(packets.map(({ packetId }) => packetId)),
      packets.map(({ output }) => (output === null ? null : `\\x${output}`)),
      nowMs,
    ],
  })
}
