import type { PacketHeader } from '../../core/log/packet-header.ts'
import { acceptedOperators } from '../../core/log/roster.ts'
import { ROUND_PACKETS_MAX } from '../../core/rounds/round.ts'
import { STATE_BYTES_DEFAULT } from '../../core/rules/carried-state.ts'
import type { CandidatePacket } from '../../jobs/ports.ts'
import { bytea, numbers, type Queryable } from '../postgres/sql.ts'
import type { BusyPartitions } from './busy-partitions.ts'
import { retryIsDue } from './retry-due.ts'
import { type StandingRow, standingColumns, standingOf } from './standing-rows.ts'
import type { StateBounds } from './state-bounds.ts'

/**
 * Packets that one plan is made from, with their headers. Where many partitions are behind, each has fewer of them: a plan
 * opens no more rounds for having more to choose from.
 */
const CANDIDATES_MAX = 2048

/**
 * Of each of these partitions: what is sealed, at most as much as one round takes, unless one of them is in a round or the
 * first has to wait; what was overtaken or lost its anchor; and beside those the certified ones below, and what was decided
 * behind. Nothing of a log that is not ours: agents refuse a job whose signer is not the packets' log. Nothing of a stream that is
 * not published: its packets wait until it is.
 */
export async function readCandidates(db: Queryable, means: CandidateMeans): Promise<CandidatePacket[]> {
  const { nowMs, operators, log, stateBounds, busyPartitions } = means
  const partitions = await busyPartitions(db)
  if (partitions.length === 0) return []
  const packetsMax = Math.ceil(CANDIDATES_MAX / partitions.length)
  const { rows } = await db.query<CandidateRow>({
    name: 'rounds-candidates',
    text: candidates,
    values: [numbers(partitions), nowMs, Math.min(packetsMax, ROUND_PACKETS_MAX), bytea(log)],
  })
  const bounds = await stateBounds(
    db,
    rows.map(({ policyDigest }) => policyDigest),
  )
  return rows.map(row => ({
    standing: standingOf(row),
    operators: acceptedOperators(row.operators, operators),
    stateBytesMax: bounds.get(row.policyDigest) ?? STATE_BYTES_DEFAULT,
    readers: row.readers,
    // Most are only looked past.
    get header(): PacketHeader {
      return JSON.parse(row.header)
    },
  }))
}

type CandidateMeans = {
  readonly nowMs: number
  readonly operators: readonly string[]
  readonly log: string
  readonly stateBounds: StateBounds
  readonly busyPartitions: BusyPartitions
}

type CandidateRow = StandingRow & {
  readonly header: string
  readonly policyDigest: string
  readonly operators: readonly string[]
  readonly readers: readonly string[]
}

const standing =
  'select packet_no from packet_standings as other where other.partition_id = busy.partition_id and'
const certified = `${standing} other.version_id is not null`
const isDue = retryIsDue('other.retry_ms', '$2')

// What comes next in a partition is behind all that is certified: what is not was overtaken, and holds nothing up.
const candidates = `
  with chosen as (
    select busy.partition_id, candidate.packet_no from unnest($1::integer[]) as busy (partition_id)
      cross join lateral (select coalesce((${certified} order by packet_no desc limit 1), -1) as packet_no) as last
      left join lateral (${standing} other.status = 'open' and packet_no > last.packet_no limit 1) as inside on true
      left join lateral (select packet_no, ${isDue} as is_due from packet_standings as other
        where other.partition_id = busy.partition_id and other.status = 'sealed' and packet_no > last.packet_no
        order by packet_no limit 1) as head on true
      cross join lateral (
        select inside.packet_no where inside.packet_no is not null
        union (${standing} other.status = 'sealed' and packet_no > last.packet_no
          and inside.packet_no is null and head.is_due order by packet_no limit $3)
        union (select last.packet_no where inside.packet_no is null and head.packet_no is not null)
        union (${standing} other.status = 'split' and packet_no > head.packet_no order by packet_no limit 1)
        union (${standing} other.status = 'unanchored' and ${isDue} order by packet_no limit $3)
        union (select beside.packet_no from (${standing} other.status = 'sealed' and packet_no < last.packet_no
            and ${isDue} order by packet_no limit $3) as late
          cross join lateral (select late.packet_no union all select last.packet_no
            union all (${certified} and packet_no < late.packet_no order by packet_no desc limit 1)) as beside (packet_no))
      ) as candidate
  )
  select ${standingColumns}, packet.header, encode(mark.policy_digest, 'hex') as "policyDigest", stream.operators,
      coalesce('tenant ' || stream.tenant_id, 'no tenant') || array(select distinct unnest(stream.readers) order by 1) as readers
    from chosen
    join packet_standings as standing on standing.partition_id = chosen.partition_id and standing.packet_no = chosen.packet_no
    join partitions as opened on opened.id = standing.partition_id
    join packets as packet on packet.partition_id = standing.partition_id and packet.packet_no = standing.packet_no
    join seal_marks as mark on mark.partition_id = standing.partition_id and mark.packet_no = standing.packet_no
    join streams as stream on stream.stream_id = opened.stream_id
    where opened.log = $4::bytea and stream.published
    order by standing.partition_id, standing.packet_no`
