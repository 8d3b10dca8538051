import { sha256Hex } from '#sha256'
import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { writeBump } from '../../src/contract/bump.ts'
import type { ProofFile } from '../../src/contract/proof.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import type { Output, Transaction } from '../../src/contract/transaction.ts'
import { workHash, writeWork } from '../../src/contract/work.ts'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts'
import { digestHex } from '../../src/core/digest.ts'
import type { Envelope } from '../../src/core/event/envelope.ts'
import { eventLine, type LineConstants } from '../../src/core/event/line.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type Level, quorums } from '../../src/core/level.ts'
import { hashLines, type SealedPacket, sealPacket } from '../../src/core/log/packet.ts'
import { rosterDigest } from '../../src/core/log/roster.ts'
import { inclusionPath } from '../../src/core/merkle.ts'
import type { Network } from '../../src/core/network.ts'
import { type PolicySet, policyDigest } from '../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { type Leaf, noLeaf, type ResultStatus } from '../../src/core/rounds/pipeline.ts'
import { pathInRound, rootOver, roundId } from '../../src/core/rounds/round.ts'
import { inputHash, type RoundDocument, writeRoundDocument } from '../../src/core/rounds/round-document.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { type CertifiedPacket, certifyPacket } from '../../src/core/work/certify-packet.ts'
import { normalizePacket } from '../../src/core/work/normalize-packet.ts'
import { outcomeLeaf, type StageOutput } from '../../src/core/work/stage-output.ts'
import { validatePacket } from '../../src/core/work/validate-packet.ts'
import {
  type Asker,
  certificateScripts,
  coins,
  type Facts,
  jobTransaction,
  output,
  type Party,
  p2pkhSpend,
  party,
  payTo,
  resultTransaction,
  tokenSpend,
} from './pipeline.ts'
import { PrivateChain } from './private-chain.ts'

/**
 * One whole round, from events to a mined certificate, every key derived from a name: what coordinator and
 * agents will do across processes, done here in a line, with the functions they will use.
 */
export type CertifiedRound = {
  readonly log: Party
  readonly operators: readonly Party[]
  readonly policySet: PolicySet
  readonly packets: readonly RoundPacket[]
  readonly roundDocument: string
  /** Fuel, then every pipeline transaction, the certificate last. */
  readonly transactions: readonly BeefTransaction[]
  readonly beef: Uint8Array
  readonly chain: PrivateChain
  /** The proof of event `line` of packet `member`; with its block once `mined`. */
  proof(member: number, line: number, mined?: boolean): ProofFile
}

export type RoundPacket = SealedPacket & {
  readonly normalized: StageOutput
  readonly validated: StageOutput
  readonly certified: CertifiedPacket
}

export { party }

export type RoundOptions = {
  readonly level?: Level
  readonly network?: Network
  readonly policy?: Json
  /** Envelopes of each packet; packets follow one another in one partition. */
  readonly events?: readonly (readonly Envelope[])[]
  readonly constants?: LineConstants
  /** What agent `seat` answers at a stage instead of the truth; undefined for none at all. */
  readonly answer?: (stage: Stage, seat: number, truth: readonly Leaf[]) => readonly Leaf[] | undefined
  readonly status?: (stage: Stage, seat: number) => ResultStatus
  /** A mined transaction, and one that makes these outputs of it. */
  readonly fuelFrom?: (outputs: readonly Output[]) => readonly [Transaction, Transaction]
  /** What all operators agree on instead of what the packet makes. */
  readonly conspire?: (packet: RoundPacket) => RoundPacket
}

export function certifiedRound(options: RoundOptions = {}): CertifiedRound {
  const { level = 'enhanced', network = 'local' } = options
  const log = party('log')
  const operators = ['north', 'east', 'south']
    .map(name => party(`operator ${name}`))
    .slice(0, quorums[level].seats)
  const policySet = orThrow(readPolicySet(options.policy ?? samplePolicy))
  const { conspire = packet => packet } = options
  const sealed = sealAll(options, log, operators, policySet, level, network)
  const packets = workOn(sealed, policySet).map(conspire)

  const ids = packets.map(packet => packet.packetId)
  const document = documentOf(packets, policySet)
  const roundDocument = writeRoundDocument(document)
  const scene: Scene = {
    coordinator: log,
    subject: roundId(1, ids),
    operators,
    level,
    inputHash: inputHash(document),
    members: ids.map((_, member) => member),
    options,
  }
  const chain = new PrivateChain()
  const coinbase = coins(log, 'test fuel', 4)
  const origin = options.fuelFrom?.(coinbase.outputs) ?? [coinbase]
  const [first, fuel = first] = origin
  const [path] = chain.mine(origin.slice(0, 1))
  if (first === undefined || fuel === undefined || path === undefined) throw new Error('a round has fuel')
  const mined = { ...first, proof: path }
  const transactions = [mined, ...origin.slice(1), ...transact(scene, packets, fuel)]
  const [block] = chain.mine(transactions.slice(-1))
  const beef = writeBeef(transactions)

  const proof = (member: number, line: number, mined = true): ProofFile => {
    const packet = packets[member]
    if (packet === undefined || block === undefined) throw new Error(`the round has no packet ${member}`)
    return {
      beef: toHex(beef),
      ...(mined ? { block: toHex(writeBump(block)) } : {}),
      certified: { line: lineAt(packet.validated.bytes, line), path: pathIn(packet.validated.bytes, line) },
      event: { index: line, line: lineAt(packet.bytes, line), path: pathIn(packet.bytes, line) },
      format: 'assay-proof',
      manifest: packet.certified.manifest,
      packet: { header: packet.header, index: member, path: pathInRound(ids, member) },
      round: { count: ids.length, try: 1 },
      v: 1,
    }
  }
  return { log, operators, policySet, packets, roundDocument, transactions, beef, chain, proof }
}

export const samplePolicy = {
  v: 1,
  license: 'CC-BY-4.0',
  classification: 'public',
  constants: ['streamId', 'schemaVersion', 'connectorId', 'connectorVersion', 'sourceVersion', 'domain'],
  sources: {
    '*': {
      map: { celsius: 'value', sensor: 'sensorId' },
      required: ['celsius'],
      coercion: { celsius: 'number' },
      constraints: { bounds: { celsius: { min: -40, max: 60 } } },
    },
  },
}

/** Two sources observe the same sensors, and what they say is carried from packet to packet. */
export const fusedPolicy: Json = {
  v: 1,
  license: 'CC-BY-4.0',
  classification: 'public',
  constants: samplePolicy.constants,
  sources: {
    '*': { map: { celsius: 'value', sensor: 'sensorId' }, constraints: { monotonicFields: ['celsius'] } },
  },
  fusion: {
    strategy: 'quorum',
    key: 'sensor',
    field: 'celsius',
    min: 2,
    absolute: 0.5,
    windowMs: 2000,
    priority: ['farm-001', 'farm-002'],
  },
}

export const fusedEvents: readonly (readonly Envelope[])[] = [
  [sampleEvent(0, 20), sampleEvent(0, 20.25, 'farm-002'), sampleEvent(1, 21), sampleEvent(1, 30, 'farm-002')],
  [sampleEvent(4, 19), sampleEvent(1, 21.5, 'farm-003'), sampleEvent(6, 22)],
]

export const sampleConstants: LineConstants = {
  connectorId: 'http',
  connectorVersion: '1',
  domain: 'iot',
  schemaVersion: 1,
  sourceVersion: '1',
  streamId: 'sensors.temperature',
}

export function sampleEvent(i: number, value: Json = 20 + i / 10, sourceId = 'farm-001'): Envelope {
  const payload = { sensorId: `t-${i % 3}`, unit: 'celsius', value }
  const eventTimeMs = 1_780_000_000_000 + 1000 * i
  return {
    schemaVersion: 1,
    eventId: digestHex('assay:event-native:1', sourceId, `reading-${i}`, canonicalJson(payload)),
    sourceId,
    sourceVersion: '1',
    connectorId: 'http',
    connectorVersion: '1',
    streamId: 'sensors.temperature',
    partitionKey: sourceId,
    domain: 'iot',
    type: 'sensor_reading',
    payloadType: 'GENERIC_JSON_V1',
    dataVersion: '1',
    eventTimeMs,
    ingestTimeMs: eventTimeMs + 40,
    payload,
    qualityFlags: 0,
    nativeId: `reading-${i}`,
  }
}

/** The third event has a value out of bounds, and the fourth none at all. */
const sampleEvents = [
  [sampleEvent(0), sampleEvent(1), sampleEvent(2, 99), sampleEvent(3, null), sampleEvent(4)],
  [sampleEvent(5), sampleEvent(6), sampleEvent(7)],
]

function sealAll(
  { events = sampleEvents, constants = sampleConstants }: RoundOptions,
  log: Party,
  operators: readonly Party[],
  policySet: PolicySet,
  level: Level,
  network: Network,
): SealedPacket[] {
  const record = {
    v: 1,
    log: log.identityKey,
    streamId: 'sensors.temperature',
    partition: 0,
    level,
    audience: 'public',
    network,
    shards: { by: 'event-id', index: 0, count: 1 },
  } as const
  const sealed: SealedPacket[] = []
  let accepted = 0
  for (const batch of events) {
    const lines = batch.map(event => `${orThrow(eventLine(event, constants))}\n`).join('')
    const times = batch.map(event => event.eventTimeMs)
    const segment = {
      partition: 0,
      firstSeq: accepted,
      count: batch.length,
      policyDigest: policyDigest(policySet),
      constants,
      firstEventTimeMs: Math.min(...times),
      lastEventTimeMs: Math.max(...times),
      sources: [...new Set(batch.map(event => event.sourceId))]
        .sort()
        .map(sourceId => ({ sourceId, authenticated: 'identity' as const })),
      lines: utf8(lines),
    }
    accepted += batch.length
    const mark = {
      partition: 0,
      upToSeq: accepted,
      watermarkMs: Math.max(...times),
      policyDigest: policyDigest(policySet),
      rosterDigest: orThrow(rosterDigest(operators.map(operator => operator.identityKey))),
      totals: { received: accepted + 1, accepted, duplicate: 1, rejected: 0, quarantined: 0, waived: 0 },
    }
    sealed.push(orThrow(sealPacket(record, sealed.at(-1)?.header ?? null, [segment], mark)))
  }
  return sealed
}

function workOn(sealed: readonly SealedPacket[], policySet: PolicySet): RoundPacket[] {
  const done: RoundPacket[] = []
  for (const packet of sealed) {
    const before = done.at(-1)
    const { header } = packet
    const parent =
      before === undefined ? null : { packetId: before.packetId, versionId: before.certified.versionId }
    const stateIn = before?.validated.stateOut ?? null
    const stateBytes = stateIn === null ? null : (before?.validated.stateBytes ?? null)
    const normalized = orThrow(normalizePacket(header, packet.bytes, policySet))
    const validated = orThrow(
      validatePacket(header, normalized.bytes, policySet, { parent, state: stateBytes }),
    )
    const certified = orThrow(certifyPacket(header, packet.bytes, policySet, { parent, stateIn }, validated))
    done.push({ ...packet, normalized, validated, certified })
  }
  return done
}

function documentOf(packets: readonly RoundPacket[], policySet: PolicySet): RoundDocument {
  const [first] = packets
  return {
    v: 1,
    try: 1,
    headers: packets.map(packet => packet.header),
    partitions: [{ streamId: first?.header.streamId ?? '', partition: 0, parent: null, stateIn: null }],
    policies: [{ digest: policyDigest(policySet), locations: ['https://node.example/policies'] }],
  }
}

type Scene = Asker & {
  readonly operators: readonly Party[]
  readonly level: Level
  readonly inputHash: string
  readonly members: readonly number[]
  readonly options: RoundOptions
}

/** Every pipeline transaction, the certificate last. */
function transact(scene: Scene, packets: readonly RoundPacket[], fuel: Transaction): BeefTransaction[] {
  const { coordinator, subject, operators } = scene
  const all: BeefTransaction[] = []
  let carried: Spend[] = []
  let inputRoot = noLeaf
  for (const [i, stage] of (['normalize', 'validate', 'certify'] as const).entries()) {
    const facts = factsOf(scene, stage, inputRoot)
    const leaves = packets.map(packet => leafOf(packet, stage))
    const seats = operators.map((operator, seat) => ({
      agent: agentAt(stage, seat),
      operator,
      operatorFromMs: 0,
      operatorToMs: facts.deadlineMs + 86_400_000,
    }))
    const spends = [...carried, p2pkhSpend(fuel, i, coordinator)]
    const job = jobTransaction(scene, facts, seats, spends, [payTo(coordinator, 1000)])
    const results = resultTransactions(scene, stage, facts, job, leaves, packets)
    all.push(job, ...results)
    carried = [
      tokenSpend(job, operators.length, 'GDJ1', subject, coordinator),
      ...results.map(result => tokenSpend(result, 0, 'GDR1', subject, coordinator)),
    ]
    inputRoot = rootOver(leaves)
  }
  all.push(certificateTransaction(scene, packets, [...carried, p2pkhSpend(fuel, 3, coordinator)]))
  return all
}

function leafOf(packet: RoundPacket, stage: Stage): Leaf {
  if (stage === 'certify') return packet.certified.versionId
  const output = stage === 'normalize' ? packet.normalized : packet.validated
  return outcomeLeaf(packet.packetId, output.outputHash, output.stateOut)
}

function resultTransactions(
  scene: Scene,
  stage: Stage,
  facts: Facts,
  job: Transaction,
  truth: readonly Leaf[],
  packets: readonly RoundPacket[],
): Transaction[] {
  const { operators, options } = scene
  return operators.flatMap((_, seat) => {
    const leaves = options.answer === undefined ? truth : options.answer(stage, seat, truth)
    if (leaves === undefined) return []
    const agent = agentAt(stage, seat)
    const jobOutpoint = { txid: job.txid, vout: seat }
    const work = writeWork(packets.map((packet, i) => memberWork(packet, stage, leaves[i] ?? noLeaf)))
    const answer = {
      status: options.status?.(stage, seat) ?? 'completed',
      leaves: [...leaves],
      workHash: workHash(agent.identityKey, jobOutpoint, work),
      evidenceHash: sha256Hex(canonicalJson([{ agentId: agent.identityKey, step: stage }])),
    }
    return [resultTransaction(scene, facts, job, seat, agent, answer)]
  })
}

function memberWork(packet: RoundPacket, stage: Stage, leaf: Leaf) {
  const none = new Uint8Array()
  if (leaf === noLeaf) return { leaf, output: none, state: none }
  if (stage === 'certify') return { leaf, output: utf8(packet.certified.manifestJson), state: none }
  const { bytes, stateBytes } = stage === 'normalize' ? packet.normalized : packet.validated
  return { leaf, output: bytes, state: stateBytes }
}

function certificateTransaction(
  scene: Scene,
  packets: readonly RoundPacket[],
  spends: readonly Spend[],
): Transaction {
  const { coordinator, level } = scene
  const outputs = packets.flatMap(({ packetId, certified: { manifest, versionId } }, index) => {
    const { parents } = manifest.lineage
    const [anchor, token] = certificateScripts(scene, { level, index, packetId, versionId, parents })
    return [output(anchor, 0), output(token)]
  })
  return signTransaction(spends, [...outputs, payTo(coordinator, 500)])
}

function factsOf({ level, members, inputHash }: Scene, stage: Stage, inputRoot: string): Facts {
  return {
    template: 'packet',
    stage,
    level,
    members: [...members],
    inputRoot,
    inputHash,
    deadlineMs: 1_780_000_060_000,
    outputBytesMax: 1_000_000,
  }
}

function agentAt(stage: Stage, seat: number): Party {
  return party(`agent ${stage} ${seat}`)
}

function lineAt(bytes: Uint8Array, line: number): string {
  return new TextDecoder().decode(bytes).split('\n')[line] ?? ''
}

function pathIn(bytes: Uint8Array, line: number): string[] {
  return inclusionPath(orThrow(hashLines(bytes)), line).map(toHex)
}
