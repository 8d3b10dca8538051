import { randomUUID } from 'node:crypto'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import type { CheckWork } from '../../../src/adapters/rounds/check-work.ts'
import { openRoundStore, type RoundStoreOptions } from '../../../src/adapters/rounds/round-store.ts'
import { signOperatorWord } from '../../../src/contract/operator.ts'
import { jobOutputs, resultTransaction, stepSpends } from '../../../src/contract/pipeline-outputs.ts'
import { outpointText, type Transaction } from '../../../src/contract/transaction.ts'
import type { Unpaid } from '../../../src/contract/unpaid.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { type Level, quorums } from '../../../src/core/level.ts'
import { policyDigest } from '../../../src/core/policy/policy-set.ts'
import { type Decision, decideRound } from '../../../src/core/rounds/coordinating/decide.ts'
import { planRounds, type RoundPlan } from '../../../src/core/rounds/coordinating/plan.ts'
import { enterRound } from '../../../src/core/rounds/coordinating/standing.ts'
import { threadOf } from '../../../src/core/rounds/coordinating/thread.ts'
import { type JobFacts, type Leaf, noLeaf, type ResultStatus } from '../../../src/core/rounds/pipeline.ts'
import { inputHash, type RoundDocument, writeRoundDocument } from '../../../src/core/rounds/round-document.ts'
import type { Stage } from '../../../src/core/rounds/template.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import type {
  Decided,
  DueAggregate,
  HeldRound,
  Opening,
  PlanView,
  RoundNews,
  RoundStore,
  UnpaidJob,
} from '../../../src/jobs/ports.ts'
import { type CertifiedRound, certifiedRound } from '../../support/certified-round.ts'
import { type Party, party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { type FuelBed, fuelBed } from '../fuel/fuel-bed.ts'

export const coordinator = party('log')
export const operators = ['north', 'east', 'south'].map(name => party(`operator ${name}`))
export const NOW_MS = 1_800_000_000_000

export type Store = ReturnType<typeof openRoundStore>

/** Packets as the sealer leaves them, fuel, and any number of stores of them. Transactions go to the network alone. */
export type RoundsBed = {
  readonly fuelBed: FuelBed
  readonly made: CertifiedRound
  readonly clock: { ms: number }
  /** What is stored for each seat that was answered, by its outpoint. */
  readonly works: Map<string, Said['work']>
  store(options?: Partial<RoundStoreOptions>): Store
  /** Plans with the real rules, and seats the first operators. */
  plan(store: Store): ReturnType<RoundStore['plan']>
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** What an agent of this seat says, as the overlay writes it down once the network has it. */
  answer(round: HeldRound, seat: number, leaves: readonly Leaf[], more?: Partial<Said>): Promise<Transaction>
  /** Every seat says the same. */
  answerAll(round: HeldRound): Promise<void>
  /** The job is with the network. */
  seen(store: Store, round: HeldRound): Promise<void>
  newsOf(store: Store, round: HeldRound): Promise<RoundNews | undefined>
  decide(round: HeldRound, news: RoundNews | undefined, deadlinePassed?: boolean): Decision
  next(round: HeldRound, decision: Extract<Decision, { kind: 'advance' }>, rebuild?: number): UnpaidJob
  /** Spends the thread of its job to change. */
  close(round: HeldRound): Unpaid
  end(): Promise<void>
}

export type Said = {
  readonly status: ResultStatus
  readonly isDelivered: boolean
  /** unreadable: the disk fails that it is on. */
  readonly work: 'held' | 'void' | 'missing' | 'unreadable'
}

export function leaf(name: string): Leaf {
  return sha256Hex(name)
}

export async function roundsBed(level: Level = 'enhanced'): Promise<RoundsBed> {
  const fuel = await fuelBed()
  await fuel.fill()
  const { pool } = fuel.bed.database
  const made = certifiedRound({ level })
  const clock = { ms: NOW_MS }
  const query: RoundsBed['query'] = async (text, values = []) => (await pool.query(text, [...values])).rows
  await sealPackets(made, query)
  const works = new Map<string, Said['work']>()
  const checkWork: CheckWork = async ({ jobOutpoint, agentKey, leaves, workHash }) => {
    const stored = works.get(outpointText(jobOutpoint)) ?? 'held'
    if (stored === 'void') return { kind: 'void', why: 'it is not there' }
    if (stored === 'missing') return { kind: 'missing' }
    if (stored === 'unreadable') throw new Error('EIO: i/o error, read')
    const outcomes = leaves.flatMap((each, member) =>
      each === noLeaf
        ? []
        : [
            {
              ...{ member, leaf: each, outputHash: sha256Hex(each), stateOut: null },
              ...{ outputAt: 0, outputBytes: 10, stateAt: 10, stateBytes: 0 },
            },
          ],
    )
    return { kind: 'held', sha256: sha256Hex(workHash + agentKey), bytes: 10, outcomes }
  }
  const seats = quorums[level].seats

  const bed: RoundsBed = {
    fuelBed: fuel,
    made,
    clock,
    works,
    query,
    store: options =>
      openRoundStore({
        pool,
        fuel: fuel.fuel,
        checkWork,
        log: coordinator.identityKey,
        coordinator: randomUUID(),
        operators: operators.map(({ identityKey }) => identityKey),
        retryMs: () => 0,
        now: () => clock.ms,
        ...options,
      }),
    plan: store =>
      store.plan(view => ({
        openings: planRounds(
          view.packets.map(({ standing }) => standing),
          new Set([level]),
        ).map(plan => opening(plan, view, level, clock.ms)),
        seatable: new Set([level]),
      })),
    async answer(round, seat, leaves, more = {}) {
      const { status = 'completed', isDelivered = true, work = 'held' } = more
      const job = jobOf(round)
      const said = { status, leaves: [...leaves], workHash: leaf('work'), evidenceHash: leaf('evidence') }
      const facts = job.sent.role.facts
      const result = resultTransaction(agentAt(job.stage, seat), facts, job.transaction, seat, said)
      works.set(outpointText({ txid: job.sent.txid, vout: seat }), work)
      await query('insert into transactions (txid, raw, stored_ms) values ($1, $2, $3)', [
        bytea(result.txid),
        Buffer.from(result.raw),
        clock.ms,
      ])
      await query('insert into coins (txid, vout, admissions) values ($1, 0, 1)', [bytea(result.txid)])
      if (!isDelivered)
        await query(`insert into outbox (txid, target, topics, due_ms) values ($1, 'network', '{}', 0)`, [
          bytea(result.txid),
        ])
      await query(
        `insert into gitdata_jobs (txid, vout, kind, coordinator, round_id, template, stage, level, members, input_hash,
            deadline_ms, agent_key, operator, job_tx, job_vout, status, leaves, work_hash, evidence_hash, admitted_ms)
          values ($1, 0, 'result', $2, $3, 'packet', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
        [
          ...[bytea(result.txid), bytea(facts.coordinator), bytea(facts.subject), facts.stage, facts.level],
          ...[[...facts.members], bytea(facts.inputHash), facts.deadlineMs],
          ...[bytea(agentAt(job.stage, seat).identityKey), bytea(operators[seat]?.identityKey ?? '')],
          ...[bytea(job.sent.txid), seat, status, bytea(leaves.join(''))],
          ...[bytea(said.workHash), bytea(said.evidenceHash), clock.ms],
        ],
      )
      return result
    },
    async answerAll(round) {
      const job = jobOf(round)
      const leaves = job.sent.role.facts.members.map(member => leaf(`${job.stage} ${member}`))
      for (let seat = 0; seat < seats; seat++) await bed.answer(round, seat, leaves)
    },
    async seen(store, round) {
      const { txid } = jobOf(round).sent
      await until(async () => {
        const [row] = await query<{ state: string }>('select state from fuel_transactions where txid = $1', [
          bytea(txid),
        ])
        return row?.state === 'seen' || row?.state === 'mined'
      })
      await store.jobSeen(round.lease, txid, clock.ms)
    },
    async newsOf(store, round) {
      const news = await store.news([round.lease])
      return news.find(({ roundId }) => roundId === round.lease.roundId)
    },
    decide(round, news, deadlinePassed = false) {
      const { sent, stage } = jobOf(round)
      const { level, members } = sent.role.facts
      return decideRound({
        roundId: round.lease.roundId,
        job: { template: 'packet', stage, level, members, seats: sent.role.seats },
        packets: round.packets,
        results: news?.results ?? [],
        deadlinePassed,
        threadUnspent: news?.threadUnspent ?? true,
      })
    },
    next(round, decision, rebuild = 0) {
      const { sent, transaction, results } = jobOf(round)
      const { stage, members, inputRoot } = decision
      const facts = { ...sent.role.facts, stage, members, inputRoot }
      const spent = results.filter(({ txid }) => decision.spends.includes(txid)).map(each => each.transaction)
      const job = { transaction, seats: threadOf(sent).vout }
      return unpaidJob(facts, stepSpends(coordinator, round.lease.roundId, job, spent), rebuild)
    },
    close(round) {
      const { sent, transaction } = jobOf(round)
      const job = { transaction, seats: threadOf(sent).vout }
      return { spends: stepSpends(coordinator, round.lease.roundId, job, []), outputs: [], topics: [] }
    },
    end: () => fuel.close(),
  }
  return bed
}

export function jobOf(round: HeldRound): NonNullable<HeldRound['job']> {
  if (round.job === undefined) throw new Error(`round ${round.lease.roundId} has no job`)
  return round.job
}

export function agentAt(stage: Stage | string, seat: number): Party {
  return party(`agent ${stage} ${seat}`)
}

/** What a decision of this kind has to be. */
export function decidedAs<Kind extends Decision['kind']>(
  kind: Kind,
  round: HeldRound,
  decision: Decision,
): Decided<Kind> {
  const isKind = (any: Decision): any is Extract<Decision, { kind: Kind }> => any.kind === kind
  if (!isKind(decision)) throw new Error(`the decision is ${decision.kind}, and ${kind} was expected`)
  return { job: jobOf(round).sent, decision, nowMs: NOW_MS }
}

function opening(plan: RoundPlan, view: PlanView, level: Level, nowMs: number): Opening {
  const headers = plan.packets.flatMap(
    ({ packetId }) => view.packets.find(({ standing }) => standing.packetId === packetId)?.header ?? [],
  )
  const document: RoundDocument = {
    v: 1,
    try: plan.attempt,
    headers,
    partitions: [...plan.partitions].map(([name, start]) => {
      const [streamId = '', partition] = name.split('/')
      return { streamId, partition: Number(partition), ...start }
    }),
    policies: [{ digest: headers[0]?.policyDigest ?? '', locations: ['https://node.example/rounds'] }],
  }
  const facts: JobFacts = {
    coordinator: coordinator.identityKey,
    subject: plan.roundId,
    template: 'packet',
    stage: 'normalize',
    level,
    members: plan.packets.map((_, index) => index),
    inputRoot: noLeaf,
    inputHash: inputHash(document),
    deadlineMs: nowMs + 10_000,
    outputBytesMax: 1_000_000,
  }
  return {
    template: 'packet',
    plan,
    document: writeRoundDocument(document),
    rosterDigest: headers[0]?.rosterDigest ?? '',
    job: unpaidJob(facts, [], 0),
  }
}

/** Of a window or a rollup, with the job that asks for it. */
export function aggregateOpening(due: DueAggregate, nowMs: number): Opening {
  const { standing, document, rosterDigest, rebuild } = due
  const { packetId: roundId, level } = standing
  const facts: JobFacts = {
    coordinator: coordinator.identityKey,
    ...{ subject: roundId, template: 'aggregate', stage: 'certify', level, members: [0], inputRoot: noLeaf },
    inputHash: sha256Hex(document),
    deadlineMs: nowMs + 10_000,
    outputBytesMax: 1_000_000,
  }
  const packets = [enterRound(standing, roundId)]
  return {
    template: 'aggregate',
    plan: { roundId, attempt: standing.rounds + 1, packets, partitions: new Map() },
    ...{ document, rosterDigest },
    job: unpaidJob(facts, [], rebuild),
  }
}

function unpaidJob(facts: JobFacts, spends: UnpaidJob['unpaid']['spends'], rebuild: number): UnpaidJob {
  const seats = operators.slice(0, quorums[facts.level].seats).map((operator, seat) => {
    const agentKey = agentAt(facts.stage, seat).identityKey
    const [fromMs, toMs] = [0, facts.deadlineMs + 86_400_000]
    const operatorSig = signOperatorWord(operator.privateKey, agentKey, fromMs, toMs)
    const word = { operator: operator.identityKey, operatorSig, operatorFromMs: fromMs, operatorToMs: toMs }
    return { agentKey, word, satoshis: 200 }
  })
  return {
    facts,
    seats: seats.map(({ agentKey, word, satoshis }) => ({
      ...{ agentKey, operator: word.operator, satoshis },
      endpoints: ['http://127.0.0.1:9/'],
      isReserve: false,
    })),
    purpose: { subject: facts.subject, stage: facts.stage, rebuild },
    unpaid: {
      spends,
      outputs: inputs => jobOutputs(coordinator, facts, seats, ['https://node.example/rounds'], inputs),
      topics: [],
    },
    fanOut: 'all',
  }
}

async function sealPackets({ packets, policySet }: CertifiedRound, query: RoundsBed['query']): Promise<void> {
  const [first] = packets
  if (first === undefined) throw new Error('a round has packets')
  const { streamId, partition, log, level } = first.header
  const digest = bytea(policyDigest(policySet))
  await query('insert into policy_sets (digest, policy, created_ms) values ($1, $2, 0)', [
    digest,
    canonicalJson(policySet),
  ])
  await query(
    `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
        created_ms, updated_ms) values ($1, 'public', $2, 'event-id', 1, 'iot', $3, 0, 0, 0)`,
    [streamId, level, digest],
  )
  await query(
    `insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
        opened_ms) values ($1, $2, $3, 'local', $4, 'public', 'event-id', 0, 1, 0)`,
    [streamId, partition, bytea(log), level],
  )
  for (const { packetId, header } of packets) {
    const { packetNo, firstSeq, count, bytes, rawHash, watermarkMs, rosterDigest } = header
    await query(
      `insert into seal_marks (partition_id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest,
          roster_digest, received, duplicate, rejected, quarantined, waived, because, marked_ms)
        select id, $1, $2, $1, $3, $4, $5, 0, 0, 0, 0, 0, 'time', $6 from partitions`,
      [packetNo, firstSeq + count, watermarkMs, bytea(header.policyDigest), bytea(rosterDigest), NOW_MS],
    )
    await query(
      `insert into packets (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
        select id, $1, $2, $3, $4, $5, $6, $7, $8 from partitions`,
      [packetNo, bytea(packetId), canonicalJson(header), firstSeq, count, bytes, bytea(rawHash), NOW_MS],
    )
  }
  await query(
    'insert into partition_heads (partition_id, next_packet) select id, $1 from partitions on conflict (partition_id) do update set next_packet = $1',
    [packets.length],
  )
}
