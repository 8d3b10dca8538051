import { type Conflict, conflictsIn } from '../../core/rounds/coordinating/conflicts.ts'
import type { Decided } from '../../jobs/ports.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { type Evidence, writeEvidence } from './evidence.ts'
import { readHeldResults } from './held-results.ts'
import type { LockedRound } from './in-round.ts'

type AnyDecided = Decided<'advance' | 'certify' | 'close'>

/** What was said otherwise than decided, or not at all: the conflict of each packet, and the evidence of each seat. */
export async function writeDissent(db: Queryable, round: LockedRound, decided: AnyDecided): Promise<void> {
  const { job, decision, nowMs } = decided
  const { conduct } = decision
  if (!conduct.some(each => each === 'dissenting' || each === 'unsettled' || each === 'silent')) return
  const { txid, role } = job
  const results = (await readHeldResults(db, [txid])).get(txid) ?? []
  const against = role.seats.flatMap(({ agentKey, operator }, seat): Evidence[] => {
    const said = results.find(each => each.seat === seat)
    const common = { agentKey, operator, roundId: round.roundId, stage: role.facts.stage }
    const about = [txid, String(seat), said?.txid ?? '']
    if (conduct[seat] === 'dissenting')
      return [{ kind: 'dissent', about, ...common, txids: said === undefined ? [txid] : [txid, said.txid] }]
    return conduct[seat] === 'silent' ? [{ kind: 'silent', about, ...common, txids: [txid] }] : []
  })
  await writeEvidence(db, against, nowMs)
  if (round.template !== 'packet' || results.length < 2) return
  const policies = await readPolicies(db, round.roundId)
  const conflicts = conflictsIn(job, results, decision, member => policies.get(member) ?? '')
  await writeConflicts(db, round.roundId, decided, conflicts)
}

async function readPolicies(db: Queryable, roundId: string): Promise<Map<number, string>> {
  const { rows } = await db.query<{ index: number; digest: string }>({
    name: 'rounds-policies',
    text: `select member.index, encode(mark.policy_digest, 'hex') as digest from round_members as member
      join packets as packet using (packet_id)
      join seal_marks as mark on mark.partition_id = packet.partition_id and mark.packet_no = packet.packet_no
      where member.round_id = $1`,
    values: [bytea(roundId)],
  })
  return new Map(rows.map(({ index, digest }) => [index, digest]))
}

async function writeConflicts(
  db: Queryable,
  roundId: string,
  { job, nowMs }: AnyDecided,
  conflicts: readonly Conflict[],
): Promise<void> {
  if (conflicts.length === 0) return
  const rows = conflicts.map(({ member, decision, leaf, votes, reason, policyDigest }) => ({
    ...{ member, decision, leaf, votes, reason },
    policy_digest: policyDigest,
  }))
  await db.query({
    name: 'rounds-conflicts',
    text: `insert into conflicts (packet_id, round_id, job_tx, stage, level, policy_digest, decision, leaf, votes, reason,
          decided_ms)
        select member.packet_id, $1, $2, $3, $4, decode(given.policy_digest, 'hex'), given.decision,
            decode(given.leaf, 'hex'),
            (select jsonb_agg(vote.said || jsonb_build_object('outputHash', encode(outcome.output_hash, 'hex'))
                order by vote.place)
              from jsonb_array_elements(given.votes) with ordinality as vote (said, place)
              left join outcomes as outcome on outcome.result_tx = decode(vote.said ->> 'resultTxid', 'hex')
                and outcome.member = given.member),
            given.reason, $6
          from jsonb_to_recordset($5::jsonb) as given (member integer, decision text, leaf text, votes jsonb, reason text,
            policy_digest text)
          join round_members as member on member.round_id = $1 and member.index = given.member
        on conflict (job_tx, packet_id) do nothing`,
    values: [
      ...[bytea(roundId), bytea(job.txid), job.role.facts.stage, job.role.facts.level],
      ...[JSON.stringify(rows), nowMs],
    ],
  })
}
