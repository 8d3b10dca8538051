import type { Pool } from 'pg'
import { comparePlaces, type Place, type TrackStage, trackStages } from '../../../core/live/track.ts'
import type { Piece, Wanted } from '../../../serve/live/piece.ts'
import { numbers } from '../../postgres/sql.ts'
import { EVENT_OVERHEAD_BYTES, TRACK_ROWS_MAX } from './bounds.ts'

type NewsRow = {
  readonly turn: number
  /** Up to where there may have been others, which are not kept any more. */
  readonly sweptXid: number | null
  readonly sweptId: number | null
} & (NewsSaid | { readonly [member in keyof NewsSaid]: null })

type NewsSaid = {
  readonly xid: number
  readonly id: number
  readonly packetNo: number
  readonly packetId: string
  readonly versionId: string | null
  readonly what: 'filled' | 'unanchored'
  readonly stage: string
}

/** In an order in which nothing comes in late: up to the oldest transaction that may still write some. */
export async function readNews(
  wanted: readonly Pick<Wanted, 'track' | 'from' | 'until'>[],
  pool: Pool,
): Promise<{ pieces: Piece[]; more: boolean }[]> {
  if (wanted.length === 0) return []
  const end = await readNewsEnd(pool)
  const { rows } = await pool.query<NewsRow>({
    name: 'live-news',
    text: `select reach.turn, swept.xid::text::bigint as "sweptXid", swept.id as "sweptId", there.*
      from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        with ordinality as reach (partition_id, from_xid, from_id, until_xid, until_id, turn)
      left join packet_news_swept as swept on swept.partition_id = reach.partition_id
        and (swept.xid, swept.id) >= (reach.from_xid::text::xid8, reach.from_id)
        and (swept.xid, swept.id) < (reach.until_xid::text::xid8, reach.until_id)
      left join lateral (
        select news.xid::text::bigint as xid, news.id, news.packet_no as "packetNo", news.what, news.stage,
            encode(packet.packet_id, 'hex') as "packetId", encode(became.version_id, 'hex') as "versionId"
          from packet_news as news
          join packets as packet using (partition_id, packet_no)
          left join packet_states as became using (partition_id, packet_no)
          where news.partition_id = reach.partition_id
            and (news.xid, news.id) >= (reach.from_xid::text::xid8, reach.from_id)
            and (news.xid, news.id) < (reach.until_xid::text::xid8, reach.until_id)
            and (swept.xid is null or (news.xid, news.id) > (swept.xid, swept.id))
            and news.xid < pg_snapshot_xmin(pg_current_snapshot())
          order by news.xid, news.id limit ${TRACK_ROWS_MAX}) as there on true
      where swept.xid is not null or there.xid is not null
      order by reach.turn, there.xid, there.id`,
    values: [
      numbers(wanted.map(({ track }) => track.partitionId)),
      numbers(wanted.map(({ from }) => from.at)),
      numbers(wanted.map(({ from }) => from.line)),
      numbers(wanted.map(({ until }) => until?.at ?? Number.MAX_SAFE_INTEGER)),
      numbers(wanted.map(({ until }) => until?.line ?? 0)),
    ],
  })
  const answers = wanted.map(({ from }) => ({ pieces: [] as Piece[], rows: 0, more: false, at: from }))
  for (const { turn, sweptXid, sweptId, ...row } of rows) {
    const answer = answers[turn - 1]
    if (answer === undefined) continue
    const add = (to: Place, said: Piece['said']) => {
      answer.pieces.push({ from: answer.at, to, bytes: EVENT_OVERHEAD_BYTES, sinceMs: null, said })
      answer.at = to
    }
    if (sweptXid !== null && sweptId !== null && answer.pieces.length === 0)
      add({ at: sweptXid, line: sweptId + 1 }, { kind: 'gap', reason: 'expired', packetNo: null })
    if (row.xid === null) continue
    const { xid, id, stage, ...said } = row
    add({ at: xid, line: id + 1 }, { kind: 'news', stage: stageNamed(stage), ...said })
    answer.rows += 1
    answer.more = answer.rows >= TRACK_ROWS_MAX
  }
  // To the end where nothing else is, so that whoever comes from another node, where it is known to be further on, meets it.
  for (const [i, { until = end }] of wanted.entries()) {
    const answer = answers[i]
    if (answer === undefined || answer.more || comparePlaces(answer.at, until) >= 0) continue
    const rest = { from: answer.at, to: until, bytes: EVENT_OVERHEAD_BYTES, sinceMs: null }
    answer.pieces.push({ ...rest, said: { kind: 'nothing' } })
  }
  return answers
}

/** Where all partitions' news end now. */
export async function readNewsEnd(pool: Pool): Promise<Place> {
  const { rows } = await pool.query<{ xid: number }>({
    name: 'live-news-end',
    text: 'select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xid',
  })
  return { at: rows[0]?.xid ?? 0, line: 0 }
}

function stageNamed(text: string): TrackStage {
  const stage = trackStages.find(each => each === text)
  if (stage === undefined) throw new Error(`packet_news names the stage ${text}, which there is not`)
  return stage
}
