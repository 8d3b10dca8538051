import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { FOREVER_MS, statesHolder } from './keep-output.ts'

/** States at every so many packets are kept for good, the latest of each partition, and what packets that were passed by build on. */
export const KEPT_STATE_EVERY = 256
/**
 * The bytes of one that is not kept any more go so much later: what is being certified at this moment may have the same
 * state, and its bytes were stored before its certificate.
 */
const FORGOTTEN_AFTER_MS = 60 * 60_000

/** Agents of the next packet are given this one's state; those in between are needed by nobody any more. */
export async function keepStates(
  db: Queryable,
  txid: string,
  counted: readonly string[],
  nowMs: number,
): Promise<void> {
  await db.query({
    name: 'certify-keep-states',
    text: `with kept as (
        insert into kept_states (state, partition_id, packet_no, bytes, kept_ms)
          select state_out, partition_id, packet_no, coalesce(object.length, 0), $2
            from packet_standings left join uhrp_objects as object on object.sha256 = state_out
            where certificate = $1 and packet_id = any ($3) and state_out is not null
          on conflict do nothing returning state
      )
      update uhrp_retentions as retention set retain_until_ms = $4 from kept
        where retention.sha256 = kept.state and retention.holder = $5 and retention.retain_until_ms < $4`,
    values: [bytea(txid), nowMs, byteas(counted), FOREVER_MS, statesHolder],
  })
  const { rows } = await db.query<{ state: string }>({
    name: 'certify-forget-states',
    text: `delete from kept_states as old using (
        select partition_id, max(packet_no) as latest from kept_states
          where partition_id in (select partition_id from packet_standings where certificate = $1)
          group by partition_id) as last
      where old.partition_id = last.partition_id and old.packet_no < last.latest
        and old.packet_no % ${KEPT_STATE_EVERY} <> 0
        -- A round that begins at it may be under way.
        and not exists (select from packet_standings as open where open.partition_id = old.partition_id
          and open.status in ('open', 'rebuilding', 'unanchored'))
        -- What was passed by behind it is taken up again whenever its owner says so.
        and not exists (select from packet_standings as passed where passed.partition_id = old.partition_id
          and passed.packet_no = old.packet_no + 1 and passed.version_id is null)
      returning encode(old.state, 'hex') as state`,
    values: [bytea(txid)],
  })
  if (rows.length === 0) return
  await db.query({
    name: 'certify-end-states',
    text: `update uhrp_retentions as retention set retain_until_ms = $3
      where retention.sha256 = any ($1) and retention.holder = $2 and retention.retain_until_ms > $3
        and not exists (select from kept_states where kept_states.state = retention.sha256)`,
    values: [byteas(rows.map(({ state }) => state)), statesHolder, nowMs + FORGOTTEN_AFTER_MS],
  })
}
