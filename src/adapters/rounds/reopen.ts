import { reopenSplit } from '../../core/rounds/coordinating/standing.ts'
import type { Reopened } from '../../jobs/ports.ts'
import { bytea, inTransaction } from '../postgres/sql.ts'
import type { RoundStoreDeps } from './deps.ts'
import { movePackets } from './packet-states.ts'
import { type StandingRow, standingColumns, standingOf } from './standing-rows.ts'
import { stateIsHere } from './state-is-here.ts'

/** Under the policy that it had: that is in its header, and a packet never changes. */
export async function reopenPacket(
  packetId: string,
  by: string,
  { pool, now, at }: Pick<RoundStoreDeps, 'pool' | 'now' | 'at'>,
): Promise<Reopened> {
  const nowMs = now()
  return inTransaction<Reopened>(
    pool,
    async db => {
      const { rows } = await db.query<StandingRow & { readonly hasState: boolean }>({
        name: 'rounds-split',
        text: `select ${standingColumns}, ${stateIsHere(stateBelow, '$2::bigint')} as "hasState"
          from packet_standings as standing
          join partitions as opened on opened.id = standing.partition_id
          where standing.packet_id = $1 and standing.status = 'split' for update of standing`,
        values: [bytea(packetId), nowMs],
      })
      const [row] = rows
      if (row === undefined) return 'not-split'
      if (!row.hasState) return 'state-gone'
      const { status, tries, roundPacketsMax, waitedMs } = reopenSplit(standingOf(row))
      await db.query({
        name: 'rounds-reopen',
        text: `with letter as (
            update dead_letters set state = 'redriven', redriven_ms = $6::bigint, redriven_by = $7
              where packet_id = $1::bytea and state = 'dead'
          )
          update packet_standings set status = $2, tries = $3, round_packets_max = $4, waited_ms = $5,
              retry_ms = 0, changed_ms = $6::bigint where packet_id = $1::bytea`,
        values: [bytea(packetId), status, tries, roundPacketsMax, waitedMs, nowMs, by],
      })
      await movePackets(db, [packetId], { cause: 'reopen', nowMs })
      at('rounds.reopened')
      return 'reopened'
    },
    { keep: outcome => outcome === 'reopened' },
  )
}

/** What `startOf` of core/rounds/coordinating/plan.ts has a round of it begin with: it has no version of its own. */
const stateBelow = `(select below.state_out from packet_standings as below
  where below.partition_id = standing.partition_id and below.packet_no < standing.packet_no and below.version_id is not null
  order by below.packet_no desc limit 1)`
