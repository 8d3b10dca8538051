import type { Pool } from 'pg'
import { beginning, hasLines, type Place } from '../../../core/live/track.ts'
import type { Wanted } from '../../../serve/live/piece.ts'
import { numbers } from '../../postgres/sql.ts'
import { lastFirst, packetsAt } from './read-packets.ts'

type OldestRow = {
  /** Of the packets whose events can be read, from the log or from the packet itself. */
  readonly packetNo: number
  readonly seq: number
  /** Of those that are certified, with their output here. */
  readonly certifiedNo: number
  /** Behind the last news that were swept. */
  readonly newsXid: number
  readonly newsId: number
}

/** Of each partition, and of each state in it: how many of the oldest are asked whether what they name is here. */
const OLDEST_LOOKED_MAX = 1_000

/**
 * What a hash names is here, and somebody keeps it. Said as a value, so that it is looked up for one packet after the other:
 * the planner might put an `exists` first, and read all that is held.
 */
const isHeld = (hash: string) => `(select true from uhrp_objects as object
    join uhrp_retentions as retention using (sha256)
    where object.sha256 = ${hash} and object.state = 'held' and retention.retain_until_ms > $2 limit 1)`

const firstFirst = 'order by known.state, known.packet_no'
const certifiedAt = packetsAt('asked.partition_id', 'at.state')

/**
 * The oldest place of each that can be told of. Events that the log has given up are in their packets, whose bytes may have
 * gone too; certified outputs have bytes of their own; what is told of packets as a whole stays for good.
 * Where none is here of as many as are looked at, it is the place behind them: nothing before it is left, though the first
 * that is left may be further on.
 */
export async function readOldest(
  tracks: readonly Pick<Wanted, 'track' | 'withEvents'>[],
  { pool, nowMs }: { readonly pool: Pool; readonly nowMs: number },
): Promise<Place[]> {
  if (tracks.length === 0) return []
  const { rows } = await pool.query<OldestRow>({
    name: 'live-oldest',
    text: `select coalesce(kept.packet_no, looked.up_to, 0) as "packetNo",
        coalesce(kept.first_seq, last.first_seq + last.count, 0) as seq,
        coalesce(certified.held, certified.last + 1, 0) as "certifiedNo",
        coalesce(swept.xid::text::bigint, 0) as "newsXid", coalesce(swept.id + 1, 0) as "newsId"
      from unnest($1::integer[]) with ordinality as asked (partition_id, turn)
      left join lateral (select least(given_up.up_to_packet, ${OLDEST_LOOKED_MAX}) as up_to from given_up_lines as given_up
          where given_up.partition_id = asked.partition_id) as looked on true
      left join packets as last on last.partition_id = asked.partition_id and last.packet_no = looked.up_to - 1
      left join lateral (select packet_no, first_seq from packets as packet
          where packet.partition_id = asked.partition_id and packet.packet_no < looked.up_to
            and packet.count > 0 and ${isHeld('packet.raw_hash')}
          order by packet_no limit 1) as kept on true
      cross join lateral (select
            min(coalesce(
              (select packet_no from (select packet_no, content_hash from ${certifiedAt}
                  ${firstFirst} limit ${OLDEST_LOOKED_MAX}) as oldest
                where ${isHeld('oldest.content_hash')} order by packet_no limit 1),
              (select packet_no + 1 from ${certifiedAt} ${firstFirst} offset ${OLDEST_LOOKED_MAX - 1} limit 1))) as held,
            max((select packet_no from ${certifiedAt} ${lastFirst})) as last
          from unnest(array['certified', 'anchored', 'proven']) as at (state)) as certified
      left join packet_news_swept as swept on swept.partition_id = asked.partition_id
      order by asked.turn`,
    values: [numbers(tracks.map(({ track }) => track.partitionId)), nowMs],
  })
  return tracks.map(({ track: { stage }, withEvents }, i) => {
    const row = rows[i]
    if (row === undefined) return beginning
    if (stage === 'news') return { at: row.newsXid, line: row.newsId }
    if (stage === 'certified') return { at: row.certifiedNo, line: 0 }
    if (stage !== 'received' && !withEvents) return beginning
    return { at: hasLines(stage) ? row.packetNo : row.seq, line: 0 }
  })
}
