import type { Level } from '../../core/level.ts'
import type { PacketHeader } from '../../core/log/packet-header.ts'
import { ROUND_PACKETS_MAX } from '../../core/rounds/round.ts'
import { STATE_BYTES_DEFAULT } from '../../core/rules/carried-state.ts'
import type { CandidatePacket } from '../../jobs/ports.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { type StandingRow, standingColumns, standingOf } from './standing-rows.ts'
import type { StateBounds } from './state-bounds.ts'

/** What rounds can be planned from now, and whose waiting is to be started or stopped. */
export type Candidates = {
  readonly packets: readonly CandidatePacket[]
  isWaitingOtherwise(seatable: ReadonlySet<Level>): boolean
}

/**
 * Of each partition with something to do: what is sealed, at most as much as one round takes, unless one of them is in a
 * round or the first has to wait; what lost its anchor; and beside those the certified one before the first, and any that
 * was decided behind it. Nothing of a log that is not ours: agents refuse a job whose signer is not the packets' log.
 */
export async function readCandidates(db: Queryable, means: CandidateMeans): Promise<Candidates> {
  const { nowMs, operators, log, stateBounds } = means
  const { rows } = await db.query<CandidateRow>({
    name: 'rounds-candidates',
    text: candidates,
    values: [nowMs, ROUND_PACKETS_MAX, bytea(log)],
  })
  const bounds = await stateBounds(
    db,
    rows.map(({ policyDigest }) => policyDigest),
  )
  return {
    packets: rows.map(row => ({
      standing: standingOf(row, nowMs),
      operators: row.operators.length > 0 ? row.operators : operators,
      stateBytesMax: bounds.get(row.policyDigest) ?? STATE_BYTES_DEFAULT,
      readers: row.readers,
      // Most are only looked past.
      get header(): PacketHeader {
        return JSON.parse(row.header)
      },
    })),
    isWaitingOtherwise: seatable =>
      rows.some(row => canWait(row) && seatable.has(row.level) !== isWaiting(row)),
  }
}

/** From its first round on, until it is decided, and only while somebody can be asked. */
export async function runClocks(db: Queryable, seatable: ReadonlySet<Level>, nowMs: number): Promise<void> {
  await db.query({
    name: 'rounds-run-clocks',
    text: `update packet_standings set
        waited_ms = waited_ms + case when waiting_since_ms is null then 0 else greatest(0, $2 - waiting_since_ms) end,
        waiting_since_ms = case when waiting_since_ms is null then $2 end
      where status in ('sealed', 'open') and version_id is null and rounds > 0
        and (level = any ($1::text[])) = (waiting_since_ms is null)`,
    values: [[...seatable], nowMs],
  })
}

type CandidateMeans = {
  readonly nowMs: number
  readonly operators: readonly string[]
  readonly log: string
  readonly stateBounds: StateBounds
}

type CandidateRow = StandingRow & {
  readonly header: string
  readonly policyDigest: string
  readonly operators: readonly string[]
  readonly readers: readonly string[]
}

function canWait({ status, versionId, rounds }: CandidateRow): boolean {
  return (status === 'sealed' || status === 'open') && versionId === null && rounds > 0
}

function isWaiting({ waitingSinceMs }: CandidateRow): boolean {
  return waitingSinceMs !== null
}

const unfinished = `status in ('sealed', 'open', 'unanchored', 'rebuilding')`
const standing =
  'select packet_no from packet_standings as other where other.partition_id = busy.partition_id and'

// Partitions with nothing to do are stepped over, however many there are.
const candidates = `
  with recursive busy (partition_id) as (
    (select partition_id from packet_standings where ${unfinished} order by partition_id limit 1)
    union all
    select (select next.partition_id from packet_standings as next
        where next.${unfinished} and next.partition_id > busy.partition_id order by next.partition_id limit 1)
      from busy where busy.partition_id is not null
  ), chosen as (
    select busy.partition_id, candidate.packet_no from busy
      left join lateral (${standing} other.status = 'open' limit 1) as inside on true
      left join lateral (select packet_no, retry_ms from packet_standings as other
        where other.partition_id = busy.partition_id and other.status = 'sealed' order by packet_no limit 1) as head on true
      cross join lateral (
        select inside.packet_no where inside.packet_no is not null
        union (${standing} other.status = 'sealed' and inside.packet_no is null and head.retry_ms <= $1::bigint
          order by packet_no limit $2)
        union (${standing} other.status = 'unanchored' and other.retry_ms <= $1::bigint order by packet_no limit $2)
        union (${standing} other.version_id is not null and packet_no < head.packet_no order by packet_no desc limit 1)
        union (${standing} other.version_id is not null and packet_no > head.packet_no order by packet_no limit 1)
        union (${standing} other.status = 'split' and packet_no > head.packet_no order by packet_no limit 1)
      ) as candidate
      where busy.partition_id is not null
  )
  select ${standingColumns}, packet.header, encode(mark.policy_digest, 'hex') as "policyDigest", stream.operators,
      coalesce('tenant ' || stream.tenant_id, 'no tenant') || array(select distinct unnest(stream.readers) order by 1) as readers
    from chosen
    join packet_standings as standing on standing.partition_id = chosen.partition_id and standing.packet_no = chosen.packet_no
    join partitions as opened on opened.id = standing.partition_id
    join packets as packet on packet.partition_id = standing.partition_id and packet.packet_no = standing.packet_no
    join seal_marks as mark on mark.partition_id = standing.partition_id and mark.packet_no = standing.packet_no
    join streams as stream on stream.stream_id = opened.stream_id
    where opened.log = $3::bytea
    order by standing.partition_id, standing.packet_no`
