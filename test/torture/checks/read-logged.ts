import type { Pool } from 'pg'
import * as z from 'zod'
import type { Logged } from './acknowledged.ts'
import type { Packet } from './told-as-certified.ts'

/** Every event of the log, from its segments. */
export async function readLogged(pool: Pool): Promise<Logged[]> {
  const { rows } = await pool.query<SegmentRow>(
    `select stream_id as stream, first_seq::text as first, lines, constants
      from segments join partitions on id = partition_id order by partition_id, append_no`,
  )
  return rows.flatMap(({ stream, first, lines, constants }) =>
    (lines?.toString() ?? '')
      .split('\n')
      .filter(line => line !== '')
      .map((line, n) => {
        // What all lines of a segment have in common is not in them.
        const { eventId, sourceId } = lineShape.parse({
          ...commonShape.parse(JSON.parse(constants ?? '{}')),
          ...lineShape.partial().parse(JSON.parse(line)),
        })
        return { streamId: stream, sourceId, eventId, seq: Number(first) + n }
      }),
  )
}

type SegmentRow = { stream: string; first: string; lines: Buffer | null; constants: string | null }

const commonShape = z.looseObject({})
const lineShape = z.looseObject({ eventId: z.string(), sourceId: z.string() })

/** Where each packet lies in its stream, which has one partition, and its version once it has one. */
export async function readPackets(pool: Pool): Promise<readonly Packet[]> {
  const { rows } = await pool.query<Packet>(
    `select stream_id as stream, packet_no as "packetNo", encode(packet.packet_id, 'hex') as "packetId",
        first_seq as first, first_seq + count as end, encode(standing.version_id, 'hex') as "versionId"
      from packets as packet join partitions on id = packet.partition_id
      left join packet_standings as standing using (partition_id, packet_no)`,
  )
  return rows
}
