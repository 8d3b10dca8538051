import type { Pool } from 'pg'
import { type AgentTerms, type Reputation, reputationOf } from '../../core/rounds/coordinating/reputation.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/* What people are shown of rounds: the newest first, a page at a time. Rows are put together where they stand. */

export type Page = { readonly below?: number | undefined; readonly limit: number }
export type Listed = { readonly id: number } & { readonly [name: string]: unknown }

/** `id` of a round is when it was made, in milliseconds; those of the last millisecond are all on its page. */
export function listRounds(db: Queryable, page: Page, state?: string): Promise<Listed[]> {
  return listed(
    db,
    'rounds-list',
    `select made_ms as id, ${roundJson} as shown from rounds as round
      where ($1::bigint is null or made_ms < $1) and ($3::text is null or state = $3)
      order by made_ms desc fetch first ($2::bigint) rows with ties`,
    page,
    state,
  )
}

export async function showRound(db: Queryable, roundId: string): Promise<object | undefined> {
  const { rows } = await db.query<{ shown: object }>({
    name: 'rounds-show',
    text: `select ${roundJson} || jsonb_build_object(
        'members', (select coalesce(jsonb_agg(jsonb_build_object('index', index,
            'packetId', encode(member.packet_id, 'hex'), 'status', standing.status, 'leftWhy', left_why) order by index), '[]')
          from round_members as member join packet_standings as standing using (packet_id)
          where member.round_id = round.round_id),
        'jobs', (select coalesce(jsonb_agg(jsonb_build_object('txid', encode(job.txid, 'hex'), 'stage', job.stage,
            'rebuild', job.rebuild, 'members', job.members, 'deadlineMs', job.deadline_ms, 'seenMs', job.seen_ms,
            'decidedMs', job.decided_ms, 'outcome', job.outcome, 'seats', (
              select jsonb_agg(jsonb_build_object('vout', seat.vout, 'agentKey', encode(seat.agent_key, 'hex'),
                  'operator', encode(seat.operator, 'hex'), 'state', seat.state, 'conduct', seat.conduct,
                  'attempts', seat.attempts, 'acknowledgedMs', seat.acknowledged_ms, 'answeredMs', seat.answered_ms,
                  'resultTxid', encode(seat.result_tx, 'hex'), 'lastError', seat.last_error) order by seat.vout)
                from round_seats as seat where seat.job_tx = job.txid)) order by job.made_ms, job.rebuild), '[]')
          from round_jobs as job where job.round_id = round.round_id)) as shown
      from rounds as round where round_id = $1`,
    values: [bytea(roundId)],
  })
  return rows[0]?.shown
}

const roundJson = `jsonb_build_object('roundId', encode(round.round_id, 'hex'), 'template', round.template,
  'level', round.level, 'audience', round.audience, 'attempt', round.attempt, 'state', round.state,
  'madeMs', round.made_ms, 'overMs', round.over_ms, 'rebuild', round.rebuild, 'inFlight', round.in_flight,
  'lastTxid', encode(round.last_tx, 'hex'), 'lastError', round.last_error,
  'packets', (select count(*) from round_members where round_id = round.round_id))`

export function listConflicts(db: Queryable, page: Page, packetId?: string): Promise<Listed[]> {
  return listed(
    db,
    'rounds-list-conflicts',
    `select id, jsonb_build_object('packetId', encode(packet_id, 'hex'), 'roundId', encode(round_id, 'hex'),
        'jobTxid', encode(job_tx, 'hex'), 'stage', stage, 'level', level, 'policyDigest', encode(policy_digest, 'hex'),
        'decision', decision, 'leaf', encode(leaf, 'hex'), 'votes', votes, 'reason', reason, 'decidedMs', decided_ms,
        'firstDifference', first_difference) as shown
      from conflicts where ($1::bigint is null or id < $1) and ($3::text is null or packet_id = decode($3, 'hex'))
      order by id desc limit $2`,
    page,
    packetId,
  )
}

export function listEvidence(db: Queryable, page: Page, agentKey?: string): Promise<Listed[]> {
  return listed(
    db,
    'rounds-list-evidence',
    `select id, jsonb_build_object('kind', kind, 'operator', encode(operator, 'hex'), 'agentKey', encode(agent_key, 'hex'),
        'coordinator', encode(coordinator, 'hex'), 'roundId', encode(round_id, 'hex'),
        'packetId', encode(packet_id, 'hex'), 'stage', stage,
        'txids', (select coalesce(jsonb_agg(encode(txid, 'hex')), '[]') from unnest(txids) as named (txid)),
        'detail', detail, 'seenMs', seen_ms) as shown
      from evidence where ($1::bigint is null or id < $1) and ($3::text is null or agent_key = decode($3, 'hex'))
      order by id desc limit $2`,
    page,
    agentKey,
  )
}

export function listDeadLetters(db: Queryable, page: Page, state?: string): Promise<Listed[]> {
  return listed(
    db,
    'rounds-list-dead-letters',
    `select letter.id, ${letterJson} as shown from dead_letters as letter
      where ($1::bigint is null or letter.id < $1) and ($3::text is null or letter.state = $3)
      order by letter.id desc limit $2`,
    page,
    state,
  )
}

const letterJson = `jsonb_build_object('packetId', encode(letter.packet_id, 'hex'),
  'roundId', encode(letter.round_id, 'hex'), 'stage', letter.stage, 'reason', letter.reason, 'tries', letter.tries,
  'policyDigest', encode(letter.policy_digest, 'hex'), 'diedMs', letter.died_ms, 'state', letter.state,
  'redrivenMs', letter.redriven_ms, 'redrivenBy', letter.redriven_by)`

/** The packet that a dead letter is about. */
export async function packetOfLetter(db: Queryable, id: number): Promise<string | undefined> {
  const { rows } = await db.query<{ packetId: string }>({
    name: 'rounds-letter',
    text: `select encode(packet_id, 'hex') as "packetId" from dead_letters where id = $1`,
    values: [id],
  })
  return rows[0]?.packetId
}

export type ShownAgent = Reputation & {
  readonly agentKey: string
  readonly operator: string
  readonly independence: string
  readonly latencyMs: number | null
  readonly answers: number
}

/** What agents have shown, whether or not they have an advert now. */
export async function listAgentRecords(db: Queryable, nowMs: number, limit: number): Promise<ShownAgent[]> {
  const { rows } = await db.query<AgentTerms & Omit<ShownAgent, keyof Reputation>>({
    name: 'rounds-list-agents',
    text: `select encode(record.agent_key, 'hex') as "agentKey", encode(record.operator, 'hex') as operator, independence,
        latency_ms as "latencyMs", answers, agreed, dissenting, silent, late, failed, void, equivocated,
        as_of_ms as "asOfMs"
      from agent_records as record join operators using (operator)
      order by record.last_answer_ms desc nulls last, record.agent_key limit $1`,
    values: [limit],
  })
  return rows.map(({ agentKey, operator, independence, latencyMs, answers, ...shown }) => ({
    ...{ agentKey, operator, independence, latencyMs, answers },
    ...reputationOf(shown, nowMs),
  }))
}

/** Why a packet stands where it stands: its rounds, what was said differently, what became of it. */
export async function explainPacket(pool: Pool, packetId: string): Promise<object | undefined> {
  const { rows } = await pool.query<{ shown: object }>({
    name: 'rounds-explain',
    text: `select jsonb_build_object('packetId', encode(standing.packet_id, 'hex'), 'status', standing.status,
        'level', standing.level, 'rounds', standing.rounds, 'tries', standing.tries, 'rebuilds', standing.rebuilds,
        'waitedMs', standing.waited_ms, 'retryMs', nullif(standing.retry_ms, 0),
        'versionId', encode(standing.version_id, 'hex'), 'certificate', encode(standing.certificate, 'hex'),
        'history', (select coalesce(jsonb_agg(jsonb_build_object('roundId', encode(round.round_id, 'hex'),
            'state', round.state, 'madeMs', round.made_ms, 'leftWhy', member.left_why) order by round.made_ms), '[]')
          from round_members as member join rounds as round using (round_id) where member.packet_id = standing.packet_id),
        'conflicts', (select count(*) from conflicts where packet_id = standing.packet_id),
        'deadLetters', (select coalesce(jsonb_agg(${letterJson} order by letter.id), '[]')
          from dead_letters as letter where letter.packet_id = standing.packet_id)) as shown
      from packet_standings as standing where standing.packet_id = $1`,
    values: [bytea(packetId)],
  })
  return rows[0]?.shown
}

async function listed(
  db: Queryable,
  name: string,
  text: string,
  { below, limit }: Page,
  filter: string | undefined,
): Promise<Listed[]> {
  const { rows } = await db.query<{ id: number; shown: object }>({
    name,
    text,
    values: [below ?? null, limit, filter ?? null],
  })
  return rows.map(({ id, shown }) => ({ id, ...shown }))
}
