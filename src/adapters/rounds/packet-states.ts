import { type EventCause, type EventState, eventAfter, eventStates } from '../../core/jobs/lifecycle.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

export type PacketMove = {
  readonly cause: Extract<EventCause, 'normalize' | 'validate' | 'leave-round' | 'split' | 'reopen'>
  readonly nowMs: number
  /** Of its first seat. */
  readonly jobId?: string
  readonly agents?: readonly string[]
  readonly error?: string
}

/**
 * What readers are shown of these packets. A move that is not legal from where one stands leaves it there: it was certified
 * before, or this stage is decided again. What one node said alone is nobody's consensus, and gives way.
 */
export async function movePackets(
  db: Queryable,
  packetIds: readonly string[],
  move: PacketMove,
): Promise<void> {
  if (packetIds.length === 0) return
  const { from, to } = legalMoves[move.cause]
  await db.query({
    name: 'rounds-move-packets',
    text: `insert into packet_states as shown (partition_id, packet_no, state, ingested_at, overlay_job_id,
          processing_agents, last_error, processed_at, changed_at)
        select standing.partition_id, standing.packet_no, $2::text,
            to_timestamp(coalesce(last.appended_ms, standing.sealed_ms) / 1000.0), $5::text, $6::text[], $7::text,
            case when $2::text = 'validated' then to_timestamp($4::bigint / 1000.0) end, to_timestamp($4::bigint / 1000.0)
          from packet_standings as standing
          join packets as packet on packet.packet_id = standing.packet_id
          left join lateral (
            select appended_ms from segments as segment
              where segment.partition_id = packet.partition_id and segment.count > 0
                and segment.first_seq < packet.first_seq + packet.count
              order by segment.first_seq desc limit 1) as last on packet.count > 0
          where standing.packet_id = any ($1::bytea[]) and standing.version_id is null
          order by standing.partition_id, standing.packet_no
      on conflict (partition_id, packet_no) do update set state = excluded.state, orchestration = 'quorum',
          overlay_job_id = coalesce(excluded.overlay_job_id, shown.overlay_job_id),
          processing_agents = case when excluded.state in ('received', 'normalized') then excluded.processing_agents
            else (select coalesce(array_agg(distinct agent order by agent), '{}')
              from unnest(shown.processing_agents || excluded.processing_agents) as agent) end,
          last_error = excluded.last_error, processed_at = coalesce(excluded.processed_at, shown.processed_at),
          changed_at = excluded.changed_at
        where shown.state = any ($3::text[]) or (shown.orchestration = 'local' and $2::text <> 'received')`,
    values: [
      ...[byteas(packetIds), to, [...from], move.nowMs, move.jobId ?? null, [...(move.agents ?? [])]],
      move.error ?? null,
    ],
  })
}

type Moves = {
  readonly [cause in PacketMove['cause']]: { readonly from: readonly EventState[]; readonly to: EventState }
}

const legalMoves: Moves = {
  normalize: movesOf('normalize', 'normalized'),
  validate: movesOf('validate', 'validated'),
  'leave-round': movesOf('leave-round', 'received'),
  split: movesOf('split', 'split'),
  reopen: movesOf('reopen', 'received'),
}

function movesOf(cause: PacketMove['cause'], to: EventState) {
  const states = Object.keys(eventStates).filter(isEventState)
  return { from: states.filter(state => eventAfter(state, cause) === to), to }
}

function isEventState(text: string): text is EventState {
  return Object.hasOwn(eventStates, text)
}
