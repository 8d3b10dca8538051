import { quorums } from '../../core/level.ts'
import type { Decided } from '../../jobs/ports.ts'
import { noteValidated } from '../outside/note-validated.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { recordConduct } from './conduct.ts'
import type { RoundStoreDeps } from './deps.ts'
import { writeDissent } from './dissent.ts'
import type { LockedRound } from './in-round.ts'
import { movePackets } from './packet-states.ts'

type AnyDecided = Decided<'advance' | 'certify' | 'close'>

/** What a decision says of the job that it ends: of its seats, of its answers, and of the packets that go on. */
export async function writeDecided(
  db: Queryable,
  round: LockedRound,
  decided: AnyDecided,
  outcome: 'advanced' | 'certified' | 'closed',
  deps: RoundStoreDeps,
): Promise<void> {
  const { job, decision, nowMs } = decided
  const going = goingOf(decision)
  const allSplit =
    decision.leaving.length > 0 && decision.leaving.every(({ packet }) => packet.status === 'split')
  const seats = decision.conduct.map((conduct, vout) => ({
    vout,
    conduct,
    unanswered: whyUnanswered[conduct],
  }))
  await db.query({
    name: 'rounds-decide',
    text: `with decided as (
        update round_jobs set decided_ms = $2::bigint, outcome = $3::text where txid = $1::bytea
      ), agreed as (
        select member, leaf from outcomes join round_results as result on result.txid = outcomes.result_tx
          where result_tx = any ($5::bytea[]) and result.status = 'completed' and member = any ($6::integer[])
          group by member, leaf having count(distinct result.operator) >= $7
      ), marked as (
        update outcomes set is_agreed = true from agreed
          where outcomes.result_tx = any ($5::bytea[]) and outcomes.member = agreed.member and outcomes.leaf = agreed.leaf
      )
      update round_seats as seat set conduct = given.conduct, completed_ms = $2::bigint,
          state = case when seat.result_tx is not null and $3::text <> 'closed' then 'completed'
            when $8::boolean then 'dead' else 'failed' end,
          last_error = case when seat.result_tx is null then coalesce(seat.last_error, given.unanswered)
            when $3::text = 'closed' then 'no quorum was reached over what it answered' else seat.last_error end
        from jsonb_to_recordset($4::jsonb) as given (vout integer, conduct text, unanswered text)
        where seat.job_tx = $1::bytea and seat.vout = given.vout`,
    values: [
      ...[bytea(job.txid), nowMs, outcome, JSON.stringify(seats), byteas(decision.spends), [...going]],
      ...[quorums[job.role.facts.level].agreeing, allSplit],
    ],
  })
  await recordConduct(db, job.role.seats, decision.conduct, nowMs)
  await writeDissent(db, round, decided)
  if (decision.kind !== 'close' && round.template === 'packet') {
    const packets = await packetsAt(db, round.roundId, going)
    const { stage } = job.role.facts
    if (deps.asksOutside === true && stage === 'validate')
      await noteValidated(
        db,
        packets.map(packetId => ({ packetId, output: null })),
        nowMs,
      )
    await movePackets(db, packets, {
      cause: stage === 'normalize' ? 'normalize' : 'validate',
      nowMs,
      jobId: `${job.txid}.0`,
      agents: job.role.seats.flatMap(({ agentKey }, seat) =>
        decision.conduct[seat] === 'agreed' ? [agentKey] : [],
      ),
    })
  }
  deps.at('rounds.decision-written')
}

const whyUnanswered: { readonly [conduct: string]: string } = {
  silent: 'no answer that counts had come by the deadline',
  unheard: 'the others had agreed before it answered, or this node could not hear it in time',
}

function goingOf(decision: AnyDecided['decision']): readonly number[] {
  if (decision.kind === 'advance') return decision.members
  return decision.kind === 'certify' ? decision.members.map(({ index }) => index) : []
}

async function packetsAt(db: Queryable, roundId: string, members: readonly number[]): Promise<string[]> {
  const { rows } = await db.query<{ packetId: string }>({
    name: 'rounds-packets-at',
    text: `select encode(packet_id, 'hex') as "packetId" from round_members where round_id = $1 and index = any ($2)
      order by index`,
    values: [bytea(roundId), [...members]],
  })
  return rows.map(({ packetId }) => packetId)
}
