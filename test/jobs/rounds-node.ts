import { randomUUID } from 'node:crypto'
import { openSeatOffers } from '../../src/adapters/agents/seat-offers.ts'
import { openCertificateStore } from '../../src/adapters/certificates/certificate-store.ts'
import { readHistory } from '../../src/adapters/fuel/read-history.ts'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import type { CheckWork } from '../../src/adapters/rounds/check-work.ts'
import { openRoundStore, type RoundFacts } from '../../src/adapters/rounds/round-store.ts'
import { type Certifying, startCertifying } from '../../src/certify/certificates.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { type ResultSaid, resultTransaction } from '../../src/contract/pipeline-outputs.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { certifiedManifest } from '../../src/core/certificate/manifest.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type PacketHeader, packetId } from '../../src/core/log/packet-header.ts'
import { leaveLimits } from '../../src/core/rounds/coordinating/leave.ts'
import { type Leaf, noLeaf } from '../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import type { CoordinatorBounds } from '../../src/jobs/bounds.ts'
import { type Coordinator, type CoordinatorTiming, startCoordinator } from '../../src/jobs/coordinator.ts'
import { paceBounds } from '../../src/jobs/pace.ts'
import type { DueSeat, RoundStore } from '../../src/jobs/ports.ts'
import { repeat } from '../../src/runtime/repeat.ts'
import { type FuelBed, fuelBed } from '../adapters/fuel/fuel-bed.ts'
import { certifiedRound } from '../support/certified-round.ts'
import { party } from '../support/pipeline.ts'
import { partition } from './candidates.ts'
import { agent, directory, operatorOf, planBounds } from './known-agents.ts'

/** What an agent says of each packet of a job; undefined: nothing at all, ever. */
export type Play = (job: {
  readonly stage: Stage
  readonly packetIds: readonly string[]
  readonly operator: string
  /** Its place in the job: those that are asked first come first. */
  readonly seat: number
}) => readonly Leaf[] | undefined

/** A job as an agent sees it before it answers. */
export type AskedJob = {
  readonly job: Transaction
  readonly subject: string
  readonly stage: Stage
  readonly vout: number
  readonly operator: string
}

export type RoundsNode = {
  readonly fuel: FuelBed
  readonly store: OpenStore
  /** Packets as the sealer leaves them, of partitions 0, 1, … */
  seal(counts: readonly number[]): Promise<string[][]>
  /** A coordinator on this database, beside any others. */
  start(more?: {
    readonly bounds?: Partial<CoordinatorBounds>
    readonly timing?: Partial<CoordinatorTiming>
  }): Coordinator
  /** Whoever makes certificates and follows them. */
  certify(): Certifying
  play(by: Play): void
  /** Whatever an agent does before its answer is with us. */
  before(by: (asked: AskedJob) => Promise<void>): void
  /** Told of each step, before what comes after it; whatever it throws is a failure there. */
  onStep(by: (step: string) => void): void
  /** These have no agents any more, or have them again. */
  away(operators: readonly string[]): void
  /** Sets the clock of the day of all that runs here, by so much from what it is. */
  setClock(byMs: number): void
  /** Where agents find what belongs to a round; undefined: nobody knows yet. */
  moveTo(address: string | undefined): void
  /** What agents have stored is gone, or there again. */
  loseWork(isLost: boolean): void
  /** No block comes from now on. */
  stopMiner(): Promise<void>
  startMiner(): void
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Where each packet stands, by its id. */
  standings(): Promise<ReadonlyMap<string, { readonly status: string; readonly inCertificate: boolean }>>
  readonly steps: string[]
  readonly failures: unknown[]
  close(): Promise<void>
}

type OpenStore = RoundStore & RoundFacts

export const names = ['north', 'east', 'south']
const HOUR_MS = 3_600_000

/** Texts that hash to their leaves; that of a certifier is a manifest. */
export const honest: Play = ({ stage, packetIds }) =>
  packetIds.map(id => {
    const header = headers.get(id)
    const text = stage === 'certify' && header !== undefined ? manifestOf(id, header) : `${stage} ${id}`
    const leaf = sha256Hex(text)
    if (!texts.has(leaf)) texts.set(leaf, { text, at: texts.size })
    return leaf
  })

const texts = new Map<Leaf, { readonly text: string; readonly at: number }>()
const headers = new Map<string, PacketHeader>()

function manifestOf(id: string, header: PacketHeader): string {
  const outputHash = sha256Hex(`validate ${id}`)
  return canonicalJson(
    certifiedManifest({
      ...{ header, parent: null, stateIn: null, createdMs: 0, license: 'CC0-1.0', classification: 'public' },
      output: {
        ...{ outputHash, outputRoot: outputHash, count: header.count, stateOut: null },
        outcome: { lines: header.count, quarantined: 0, fused: 0, late: 0 },
      },
    }),
  )
}

/** Coordinators on a real database, overlay and chain; agents are played, and what they store is not read. */
export async function roundsNode(): Promise<RoundsNode> {
  const fuel = await fuelBed({ horizonSeconds: 60, coinSatoshis: 5_000 })
  await fuel.bed.overlay.start()
  await fuel.fill()
  let stopMiner: (() => Promise<void>) | undefined
  const startMiner = () => {
    stopMiner ??= fuel.bed.chain.startMiner({ intervalMs: 50 })
  }
  const endMiner = async () => {
    await stopMiner?.()
    stopMiner = undefined
  }
  startMiner()
  const { pool } = fuel.bed.database
  const query: RoundsNode['query'] = async (text, values = []) => (await pool.query(text, [...values])).rows
  const log = party('log')
  const endMs = Date.now() + 24 * HOUR_MS
  const agents = names.map(name => agent(name, { expiresMs: endMs }, endMs))
  const all = directory(agents)
  const isGone = (agentKey: string) => gone.some(name => agent(name).agentKey === agentKey)
  const running: { stop(): Promise<void> }[] = []
  const [steps, failures]: [string[], unknown[]] = [[], []]
  let play = honest
  let gone: readonly string[] = []
  let isWorkLost = false
  let offsetMs = 0
  let locations = ['https://node.example/rounds']
  const now = () => Date.now() + offsetMs
  let onStep: (step: string) => void = () => undefined
  const at = (step: string) => {
    steps.push(step)
    onStep(step)
  }
  let before: (asked: AskedJob) => Promise<void> = async () => undefined
  const openStore = (coordinator: string) =>
    openRoundStore({
      ...{ pool, fuel: fuel.fuel, checkWork: unread, log: log.identityKey, coordinator },
      operators: names.map(name => operatorOf(name).identityKey),
      retryMs: () => 0,
      now,
      at,
    })

  const offer = async (seat: DueSeat) => {
    const history = await readHistory(pool, seat.jobTx)
    const job = history?.beef.transactions.at(-1)
    if (history === undefined || job === undefined) throw new Error('the job has no history')
    const { role } = pipelineTransaction(job)
    if (role.kind !== 'job') throw new Error('it is no job')
    const name = names.find(each => agent(each).agentKey === seat.agentKey) ?? ''
    const ids = await query<{ id: string }>(
      `select encode(packet_id, 'hex') as id from round_members where round_id = $1 and index = any ($2) order by index`,
      [bytea(role.facts.subject), [...role.facts.members]],
    )
    const packetIds = ids.map(({ id }) => id)
    const leaves = play({ stage: seat.stage, packetIds, operator: name, seat: seat.vout })
    if (leaves === undefined) return { taken: true }
    const said: ResultSaid = {
      status: 'completed',
      leaves: [...leaves],
      workHash: sha256Hex('work'),
      evidenceHash: noLeaf,
    }
    const result = resultTransaction(party(`agent ${name}`), role.facts, job, seat.vout, said)
    await before({
      ...{ job, subject: role.facts.subject, stage: seat.stage, vout: seat.vout, operator: name },
    })
    const beef = orThrow(readBeef(writeBeef([...history.beef.transactions, result])))
    orThrow(await fuel.bed.overlay.submit({ beef, topics: [baseTopics[seat.stage]] }))
    return { taken: true }
  }

  return {
    ...{ fuel, query, steps, failures, startMiner, store: openStore('nobody') },
    stopMiner: endMiner,
    before(by) {
      before = by
    },
    onStep(by) {
      onStep = by
    },
    away(operators) {
      gone = operators
    },
    setClock(byMs) {
      offsetMs += byMs
    },
    moveTo(address) {
      locations = address === undefined ? [] : [address]
    },
    loseWork(isLost) {
      isWorkLost = isLost
    },
    certify() {
      const store = openCertificateStore({
        ...{ pool, fuel: fuel.fuel, coordinator: `certify ${randomUUID()}`, unsettledMs: 20 },
        readPart: async (_object, at, bytes) => {
          if (isWorkLost) return undefined
          const part = [...texts.values()].find(each => each.at === at)
          return bytes === 0 ? new Uint8Array() : part && utf8(part.text)
        },
        onUnreadable: error => void failures.push(error),
      })
      const certifying = startCertifying({
        ...{ store, repeat, log, now: Date.now },
        keepOutput: async () => undefined,
        at,
        onLost: () => undefined,
        onCertified: () => undefined,
        onGivenUp: () => undefined,
        onRefused: (_due, fault) => void failures.push(fault),
        onFailure: error => void failures.push(error),
        timing: { pollMs: 20, againMs: 20 },
      })
      const unfollow = fuel.bed.chain.follow(async ({ forkHeight }) => store.reorganised(forkHeight))
      running.push({
        async stop() {
          await unfollow()
          await certifying.stop()
        },
      })
      return certifying
    },
    seal: counts => sealPackets(counts, query),
    play(by) {
      play = by
    },
    start({ bounds = {}, timing = {} } = {}) {
      const store = openStore(randomUUID())
      const seatOffers = openSeatOffers({
        ...{ pool, now, at: () => undefined },
        outgoing: neverCalled,
        jobBeef: () => Promise.reject(new Error('agents are played here')),
      })
      const retry = { baseMs: 10, factor: 2, longestMs: 100 }
      const coordinator = startCoordinator({
        ...{ store, log, repeat, now, random: Math.random },
        offers: { ...seatOffers, offer },
        directory: {
          agents: stage => all.agents(stage).filter(({ agentKey }) => !isGone(agentKey)),
          operators: all.operators,
        },
        locations: () => locations,
        bounds: {
          ...{ seats: planBounds.seats, plan: planBounds.plan, leave: leaveLimits, retry, roundsAtOnce: 16 },
          pace: { ...paceBounds, roundMs: 20 },
          offers: { perAgent: 5, atOnce: 64, triesMax: 3, retry },
          job: { ...planBounds.job, satsPerKb: 100, timeoutMs: 10_000 },
          ...bounds,
        },
        timing,
        at,
        handedOver: () => undefined,
        onFailure: error => void failures.push(error),
        onRound: () => undefined,
      })
      running.push(coordinator)
      return coordinator
    },
    async standings() {
      const rows = await query<{ id: string; status: string; inCertificate: boolean }>(
        `select encode(standing.packet_id, 'hex') as id, standing.status,
            coalesce(round.state = 'certifying', false) as "inCertificate"
          from packet_standings as standing left join rounds as round on round.round_id = standing.round_id`,
      )
      return new Map(rows.map(({ id, ...row }) => [id, row]))
    },
    async close() {
      for (const each of running) await each.stop()
      await endMiner()
      await fuel.close()
    },
  }
}

const unread: CheckWork = async ({ leaves, workHash, agentKey }) => ({
  kind: 'held',
  sha256: sha256Hex(workHash + agentKey),
  bytes: 10,
  outcomes: leaves.flatMap((leaf, member) =>
    leaf === noLeaf
      ? []
      : [
          {
            ...{ member, leaf, outputHash: leaf, stateOut: null },
            ...{ outputAt: texts.get(leaf)?.at ?? 0, outputBytes: 10, stateAt: 10, stateBytes: 0 },
          },
        ],
  ),
})

const neverCalled = () => Promise.reject(new Error('agents are played here'))

async function sealPackets(counts: readonly number[], query: RoundsNode['query']): Promise<string[][]> {
  const { policySet } = certifiedRound()
  const all = counts.map((count, number) => partition(number, count).map(({ header }) => header))
  const [first] = all.flat()
  if (first === undefined) return []
  const { streamId, level, policyDigest } = first
  await query('insert into policy_sets (digest, policy, created_ms) values ($1, $2, 0)', [
    bytea(policyDigest),
    canonicalJson(policySet),
  ])
  await query(
    `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms,
        created_ms, updated_ms) values ($1, 'public', $2, 'event-id', $3, 'iot', $4, 0, 0, 0)`,
    [streamId, level, counts.length, bytea(policyDigest)],
  )
  for (const each of all) await sealPartition(each, counts.length, query)
  for (const header of all.flat()) headers.set(packetId(header), header)
  return all.map(each => each.map(packetId))
}

async function sealPartition(headers: readonly PacketHeader[], shards: number, query: RoundsNode['query']) {
  const [first] = headers
  if (first === undefined) return
  const { streamId, partition: number, log, level } = first
  const [opened] = await query<{ id: number }>(
    `insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
        opened_ms) values ($1, $2, $3, 'local', $4, 'public', 'event-id', $2, $5, 0) returning id`,
    [streamId, number, bytea(log), level, shards],
  )
  for (const header of headers) {
    const { packetNo, firstSeq, count, bytes, rawHash, watermarkMs, rosterDigest, policyDigest } = header
    await query(
      `insert into seal_marks (partition_id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest,
          roster_digest, received, duplicate, rejected, quarantined, waived, because, marked_ms)
        values ($7, $1, $2, $1, $3, $4, $5, 0, 0, 0, 0, 0, 'time', $6)`,
      [
        packetNo,
        firstSeq + count,
        watermarkMs,
        bytea(policyDigest),
        bytea(rosterDigest),
        Date.now(),
        opened?.id,
      ],
    )
    await query(
      `insert into packets (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
        values ($8, $1, $2, $3, $4, $5, $6, $7, 0)`,
      [
        packetNo,
        bytea(packetId(header)),
        canonicalJson(header),
        firstSeq,
        count,
        bytes,
        bytea(rawHash),
        opened?.id,
      ],
    )
  }
  await query(
    'insert into partition_heads (partition_id, next_packet) values ($2, $1) on conflict (partition_id) do update set next_packet = $1',
    [headers.length, opened?.id],
  )
}
