import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Pool } from 'pg'
import { bytea, byteas } from '../../src/adapters/postgres/sql.ts'
import { type ContentStore, openContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { seatHolder } from '../../src/adapters/uhrp/holder.ts'
import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { type Work, writeWork } from '../../src/contract/work.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Role } from '../../src/core/rounds/pipeline.ts'
import { roundId } from '../../src/core/rounds/round.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import {
  type CertifiedRound,
  certifiedRound,
  party,
  type RoundOptions,
  type RoundPacket,
} from './certified-round.ts'
import type { OverlayBed } from './overlay-bed.ts'
import { payTo } from './pipeline.ts'
import { storeBounds } from './uhrp-bed.ts'

/** A round on an overlay bed that is decided, and for which there is no certificate yet: as coordinators leave it. */
export type DecidedRound = {
  readonly round: CertifiedRound
  readonly roundId: string
  readonly log: ReturnType<typeof party>
  readonly jobTx: string
}

/** Content store in a folder of its own, for the database of a bed. */
export async function contentOn(
  pool: Pool,
): Promise<{ store: ContentStore; directory: string; close(): Promise<void> }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'assay-certify-'))
  const store = await openContentStore({
    pool,
    directory,
    bounds: storeBounds,
    now: Date.now,
    onTrouble: () => undefined,
  })
  return { store, directory, close: () => rm(directory, { recursive: true, force: true }) }
}

export async function decidedRound(
  bed: OverlayBed,
  content: ContentStore,
  options: RoundOptions = {},
): Promise<DecidedRound> {
  const log = party('log')
  const { pool } = bed.database
  const round = await roundWithFuelOn(bed, options)
  const steps = round.transactions.slice(2, -1)
  for (const [i, transaction] of steps.entries()) {
    const topics = topicsAt(i, round.operators.length)
    orThrow(await bed.overlay.submit({ beef: historyOf(transaction, round.transactions), topics }))
  }
  const id = roundId(
    1,
    round.packets.map(({ packetId }) => packetId),
  )
  await writeLog(pool, round)
  await writeRound(pool, content, round, id, steps)
  const jobTx = steps.at(-1 - round.operators.length)?.txid ?? ''
  return { round, roundId: id, log, jobTx }
}

/** The whole round, whose coins a block of the bed's chain holds. */
async function roundWithFuelOn(bed: OverlayBed, options: RoundOptions): Promise<CertifiedRound> {
  const log = party('log')
  const [spend] = await bed.fund(log, 1, 20_000)
  const source = spend && bed.beefOf(signTransaction([spend], [payTo(log, 1)])).byTxid.get(spend.txid)
  if (spend === undefined || source === undefined) throw new Error('the bed has not funded the round')
  const round = certifiedRound({
    ...options,
    fuelFrom: outputs => [source, signTransaction([spend], outputs)],
  })
  return { ...round, transactions: [source, ...round.transactions.slice(1)] }
}

function historyOf(subject: BeefTransaction, all: readonly BeefTransaction[]) {
  const byTxid = new Map(all.map(each => [each.txid, each]))
  const needed = new Map<string, BeefTransaction>()
  const add = (each: BeefTransaction) => {
    if (needed.has(each.txid)) return
    if (each.proof === undefined)
      for (const { txid } of each.inputs) {
        const parent = byTxid.get(txid)
        if (parent !== undefined) add(parent)
      }
    needed.set(each.txid, each)
  }
  add(subject)
  return orThrow(readBeef(writeBeef([...needed.values()])))
}

const stageTopics = [baseTopics.normalize, baseTopics.validate, baseTopics.certify]

/** Per stage a job and its results. */
function topicsAt(i: number, seats: number): string[] {
  const stage = Math.floor(i / (seats + 1))
  const isJob = i % (seats + 1) === 0
  return stageTopics.slice(isJob ? Math.max(stage - 1, 0) : stage, stage + 1).reverse()
}

/** What ingest and sealing have written by then. */
export async function writeLog(pool: Pool, { packets, policySet }: CertifiedRound): Promise<number> {
  const [first] = packets
  if (first === undefined) throw new Error('a round has packets')
  const { log, streamId, partition, level, audience, network, policyDigest } = first.header
  await pool.query('insert into policy_sets values ($1, $2, 0) on conflict do nothing', [
    bytea(policyDigest),
    canonicalJson(policySet),
  ])
  await pool.query(
    `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
        created_ms, updated_ms)
      values ($1, $2, $3, 'key', 1, 'iot', $4, 2000, 0, 0) on conflict do nothing`,
    [streamId, audience, level, bytea(policyDigest)],
  )
  const { rows } = await pool.query<{ id: number }>(
    `insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
        opened_ms)
      values ($1, $2, $3, $4, $5, $6, 'key', 0, 1, 0) on conflict (stream_id, partition) do nothing returning id`,
    [streamId, partition, bytea(log), network, level, audience],
  )
  const { rows: there } = await pool.query<{ id: number }>(
    'select id from partitions where stream_id = $1 and partition = $2',
    [streamId, partition],
  )
  const id = rows[0]?.id ?? there[0]?.id ?? 0
  for (const { header, packetId } of packets) {
    await pool.query(`insert into seal_marks values ($1, $2, $3, 0, $4, $5, $6, 0, 0, 0, 0, 0, 'time', 0)`, [
      id,
      header.packetNo,
      header.firstSeq + header.count,
      header.watermarkMs,
      bytea(policyDigest),
      bytea(header.rosterDigest),
    ])
    await pool.query('insert into packets values ($1, $2, $3, $4, $5, $6, $7, $8, 0)', [
      id,
      header.packetNo,
      bytea(packetId),
      canonicalJson(header),
      header.firstSeq,
      header.count,
      header.bytes,
      bytea(header.rawHash),
    ])
  }
  return id
}

async function writeRound(
  pool: Pool,
  content: ContentStore,
  round: CertifiedRound,
  id: string,
  steps: readonly BeefTransaction[],
): Promise<void> {
  const { packets, roundDocument } = round
  const roles = steps.map(transaction => ({
    transaction,
    role: pipelineTransaction(transaction).role,
  }))
  const jobs = roles.flatMap(({ transaction, role }) => (role.kind === 'job' ? [{ transaction, role }] : []))
  const results = roles.flatMap(({ transaction, role }) =>
    role.kind === 'result' ? [{ transaction, role }] : [],
  )
  const last = jobs.at(-1)
  const [packet] = packets
  if (last === undefined || packet === undefined) throw new Error('a round has jobs and packets')
  for (const { packetId, header } of packets)
    await pool.query(
      `insert into packet_standings (packet_id, partition_id, packet_no, level, audience, roster_digest, events, bytes,
          document_bytes, sealed_ms, status, round_id, rounds, changed_ms)
        select $1, partition_id, packet_no, $2, $3, $4, count, bytes, 1000, 0, 'open', $5, 1, 0 from packets
          where packet_id = $1`,
      [bytea(packetId), header.level, header.audience, bytea(header.rosterDigest), bytea(id)],
    )
  const spent = results.filter(({ role }) => role.jobOutpoint.txid === last.transaction.txid)
  const decision = {
    kind: 'certify',
    members: packets.map(({ certified: { versionId } }, index) => ({ index, versionId })),
    spends: spent.map(({ transaction: { txid } }) => txid),
    leaving: [],
    conduct: spent.map(() => 'agreed'),
  }
  await pool.query(
    `insert into rounds (round_id, template, level, audience, attempt, document, input_hash, roster_digest, state,
        made_ms, first_job, last_tx, job_tx, decision, decided_ms)
      values ($1, 'packet', $2, $3, 1, $4, $5, $6, 'certifying', 0, $7, $8, $8, $9, 1)`,
    [
      bytea(id),
      packet.header.level,
      packet.header.audience,
      roundDocument,
      bytea(sha256Hex(roundDocument)),
      bytea(packet.header.rosterDigest),
      bytea(jobs[0]?.transaction.txid ?? ''),
      bytea(last.transaction.txid),
      JSON.stringify(decision),
    ],
  )
  await pool.query(
    'insert into round_members (round_id, index, packet_id) select $1, place - 1, packet from unnest($2::bytea[]) with ordinality as p (packet, place)',
    [bytea(id), byteas(packets.map(({ packetId }) => packetId))],
  )
  for (const { transaction, role } of jobs) await writeJob(pool, id, transaction.txid, role)
  for (const { transaction, role } of results)
    await writeResult(pool, content, packets, transaction.txid, role)
}

async function writeJob(
  pool: Pool,
  id: string,
  txid: string,
  { facts, seats }: Extract<Role, { kind: 'job' }>,
): Promise<void> {
  await pool.query(
    `insert into round_jobs (txid, round_id, template, stage, level, members, input_root, rebuild, deadline_ms,
        output_bytes_max, fan_out, made_ms, seen_ms)
      values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, 'all', 0, 0)`,
    [
      bytea(txid),
      bytea(id),
      facts.template,
      facts.stage,
      facts.level,
      facts.members,
      bytea(facts.inputRoot),
      facts.deadlineMs,
      facts.outputBytesMax,
    ],
  )
  for (const [vout, { agentKey, operator }] of seats.entries())
    await pool.query(
      `insert into round_seats (job_tx, vout, stage, agent_key, operator, endpoints, satoshis, state, next_run_ms, made_ms)
        values ($1, $2, $3, $4, $5, '{}', 100, 'running', 0, 0)`,
      [bytea(txid), vout, facts.stage, bytea(agentKey), bytea(operator)],
    )
}

async function writeResult(
  pool: Pool,
  content: ContentStore,
  packets: readonly RoundPacket[],
  txid: string,
  role: Extract<Role, { kind: 'result' }>,
): Promise<void> {
  const { jobOutpoint, agentKey, facts, leaves } = role
  const work = packets.map((packet, i) => workOf(packet, facts.stage, leaves[i] ?? ''))
  const stored = orThrow(
    await content.put(writeWork(work), {
      holder: seatHolder(jobOutpoint),
      audience: 'restricted',
      retainUntilMs: 253_402_214_400_000,
      advertise: false,
    }),
  )
  await pool.query(
    `insert into round_results (txid, job_tx, vout, agent_key, operator, status, leaves, work_hash, evidence_hash, arrived_ms,
        is_late, work, work_object, work_bytes)
      select $1, $2, $3, $4, operator, $5, $6, $7, $7, 0, false, 'held', $7, $8 from round_seats
        where job_tx = $2 and vout = $3`,
    [
      bytea(txid),
      bytea(jobOutpoint.txid),
      jobOutpoint.vout,
      bytea(agentKey),
      role.status,
      bytea(leaves.join('')),
      bytea(stored.sha256),
      stored.length,
    ],
  )
  let at = 32 * work.length
  for (const [member, { leaf, output, state }] of work.entries()) {
    const outputAt = at + 4
    const stateAt = outputAt + output.length + 4
    at = stateAt + state.length
    await pool.query('insert into outcomes values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)', [
      bytea(txid),
      member,
      bytea(leaf),
      bytea(packets[member]?.packetId ?? ''),
      facts.stage,
      bytea(sha256Hex(output)),
      state.length === 0 ? null : bytea(sha256Hex(state)),
      outputAt,
      output.length,
      stateAt,
      state.length,
      leaf === honestLeaf(packets[member], facts.stage),
    ])
  }
}

function honestLeaf(packet: RoundPacket | undefined, stage: string): string | undefined {
  if (packet === undefined || stage === 'certify') return packet?.certified.versionId
  const { outputHash, stateOut } = stage === 'normalize' ? packet.normalized : packet.validated
  return outcomeLeaf(packet.packetId, outputHash, stateOut)
}

function workOf(packet: RoundPacket, stage: string, leaf: string): Work[number] {
  const none = new Uint8Array()
  // Who does not say what the others say has made something else.
  if (leaf !== honestLeaf(packet, stage)) return { leaf, output: utf8('{"lie":true}\n'), state: none }
  if (stage === 'certify') return { leaf, output: utf8(packet.certified.manifestJson), state: none }
  const { bytes, stateBytes } = stage === 'normalize' ? packet.normalized : packet.validated
  return { leaf, output: bytes, state: stateBytes }
}
