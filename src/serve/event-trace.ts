import { sha256Hex } from '#sha256'
import { canonicalJson, type Json, parseJson } from '../core/canonical-json.ts'
import type { Envelope } from '../core/event/envelope.ts'
import { eventLine } from '../core/event/line.ts'
import { namesOf } from '../core/event/quality-flags.ts'
import type { EventState } from '../core/jobs/lifecycle.ts'
import type { PolicySet } from '../core/policy/policy-set.ts'
import { eventStateOf, issuesIn, verdictIn } from './event-verdict.ts'
import {
  type CountConfirmations,
  type FindPolicySet,
  liveCertificate,
  type PacketWork,
  type ReadLine,
  type ReadTransactions,
  type StageWork,
} from './packet-work.ts'
import { type StageLine, stageLine } from './stage-lines.ts'
import { tokenSignature } from './token-signature.ts'
import { tracedLine, traceStage } from './trace-stage.ts'
import { rulesFor, transformationsOf } from './transformations.ts'

/** An event as it was found. */
export type TracedEvent = {
  readonly eventId: string
  readonly stream: { readonly streamId: string; readonly audience: string }
  readonly partition: number
  readonly seq: number
  readonly sourceId: string
  readonly type: string
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
  readonly flags: number
  readonly envelope: Envelope | undefined
  readonly packetNo: number | null
  readonly packetId: string | null
  readonly state: EventState
  readonly orchestration: 'quorum' | 'local' | null
}

export type TraceDeps = {
  readonly findPolicySet: FindPolicySet
  readonly readLine: ReadLine
  readonly readTransactions: ReadTransactions
  readonly countConfirmations: CountConfirmations
}

/**
 * How an event came to be what it is, from what was sent to the block that proves it. Null is what is not known, or not
 * yet; every hash is of bytes that are served, or that stand here.
 */
export async function traceEvent(event: TracedEvent, work: PacketWork | undefined, deps: TraceDeps) {
  const index = work === undefined ? null : event.seq - work.header.firstSeq
  const normalizing = await lineOf(work, 'normalize', index, deps)
  const validating = await lineOf(work, 'validate', index, deps)
  if (normalizing === 'busy' || validating === 'busy') return 'busy' as const
  const transactions = await deps.readTransactions(work === undefined ? [] : txidsOf(work))
  const policySet = work === undefined ? null : await deps.findPolicySet(work.header.policyDigest)
  return {
    eventId: event.eventId,
    state: eventStateOf(event.state, validating?.read),
    packetState: event.state,
    orchestration: event.orchestration,
    streamId: event.stream.streamId,
    log: work?.header.log ?? null,
    network: work?.header.network ?? null,
    audience: event.stream.audience,
    level: work?.header.level ?? null,
    partition: event.partition,
    seq: event.seq,
    policyDigest: work?.header.policyDigest ?? null,
    raw: rawOf(event, work),
    sealed: work === undefined || index === null ? null : sealedOf(work, index),
    normalized: normalizedOf(event, work, transactions, { line: normalizing, policySet }),
    validated: validatedOf(event, work, transactions, { line: validating, policySet }),
    certified: work === undefined ? null : certifiedOf(work, transactions, validating),
    anchored: work === undefined ? null : anchoredOf(work, transactions),
    proven: work === undefined ? null : await provenOf(work, deps),
    rounds: work?.rounds ?? [],
    conflicts: work?.conflicts ?? [],
  }
}

export type EventTrace = Exclude<Awaited<ReturnType<typeof traceEvent>>, 'busy'>

async function lineOf(
  work: PacketWork | undefined,
  stage: 'normalize' | 'validate',
  index: number | null,
  { readLine }: TraceDeps,
): Promise<StageLine | 'busy' | undefined> {
  return work === undefined || index === null ? undefined : stageLine(work, stage, index, readLine)
}

export function txidsOf({ stages, certificates }: PacketWork): string[] {
  const answers = stages.flatMap(({ seats }) => seats.flatMap(seat => seat.answers))
  return [...stages, ...answers, ...certificates].map(({ txid }) => txid)
}

function rawOf(event: TracedEvent, work: PacketWork | undefined) {
  const { envelope, eventTimeMs, ingestTimeMs } = event
  const line = envelope && work ? eventLine(envelope, work.header.constants) : undefined
  const source = work?.header.sources.find(({ sourceId }) => sourceId === event.sourceId)
  return {
    sourceId: event.sourceId,
    sourceVersion: envelope?.sourceVersion ?? null,
    connectorId: envelope?.connectorId ?? null,
    connectorVersion: envelope?.connectorVersion ?? null,
    /** The least of what the source's events in this packet came with. */
    authenticated: source?.authenticated ?? null,
    type: event.type,
    externalId: envelope?.nativeId ?? null,
    revises: envelope?.revises ?? null,
    ...{ eventTimeMs, ingestTimeMs },
    qualityFlags: event.flags,
    qualityFlagNames: namesOf(event.flags),
    policyTags: envelope?.policyTags ?? [],
    classification: envelope?.classification ?? null,
    originSource: envelope?.originSource ?? null,
    originSignature: envelope?.originSignature ?? null,
    /** What was done to it before it came here, as its publisher says. */
    transformations: envelope?.transformations ?? [],
    payloadHash: envelope === undefined ? null : sha256Hex(canonicalJson(envelope.payload)),
    line: line?.ok ? tracedLine(line.value) : null,
  }
}

function sealedOf({ packetId, header, sealedBecause, sealedMs }: PacketWork, index: number) {
  const { packetNo, firstSeq, count, root, bytes, rawHash, previous } = header
  return {
    ...{ packetId, packetNo, index, firstSeq, count, root, bytes, rawHash, previous },
    ...{ because: sealedBecause, sealedMs },
  }
}

export function stageOf(
  stage: StageWork['stage'],
  work: PacketWork | undefined,
  transactions: ReadonlyMap<string, Uint8Array>,
) {
  const job = work?.stages.find(each => each.stage === stage)
  return job && work ? traceStage(job, work.header.level, transactions) : undefined
}

function judged(line: StageLine | undefined) {
  return {
    line: line === undefined ? null : tracedLine(line.text),
    verdict: line === undefined ? null : verdictIn(line.read),
    issues: line === undefined ? null : issuesIn(line.read),
  }
}

/** What was agreed about the event, and by which rules. */
type Judged = { readonly line: StageLine | undefined; readonly policySet: PolicySet | null }

function normalizedOf(
  { envelope }: TracedEvent,
  work: PacketWork | undefined,
  transactions: ReadonlyMap<string, Uint8Array>,
  { line, policySet }: Judged,
) {
  const traced = stageOf('normalize', work, transactions)
  if (traced === undefined || work === undefined) return null
  const transformations = transformationsOf(envelope, policySet, line?.read)
  return { ...traced, ...judged(line), transformations }
}

function validatedOf(
  { sourceId }: TracedEvent,
  work: PacketWork | undefined,
  transactions: ReadonlyMap<string, Uint8Array>,
  { line, policySet }: Judged,
) {
  const traced = stageOf('validate', work, transactions)
  if (traced === undefined || work === undefined) return null
  return { ...traced, ...judged(line), rules: rulesFor(policySet, sourceId) }
}

function certifiedOf(
  work: PacketWork,
  transactions: ReadonlyMap<string, Uint8Array>,
  line: StageLine | undefined,
) {
  const traced = stageOf('certify', work, transactions)
  if (traced === undefined) return null
  const { shown } = work
  const certificate = work.certificates.find(({ versionId }) => versionId === shown?.versionId)
  return {
    ...traced,
    versionId: shown?.versionId ?? null,
    contentHash: shown?.contentHash ?? null,
    certifiedMs: shown?.certifiedMs ?? null,
    manifest: certificate === undefined ? null : manifestOf(certificate.manifest),
    line: shown?.versionId == null || line === undefined ? null : tracedLine(line.text),
  }
}

export function manifestOf(text: string): Json {
  const read = parseJson(text)
  return read.ok ? read.value : null
}

function anchoredOf(work: PacketWork, transactions: ReadonlyMap<string, Uint8Array>) {
  const live = liveCertificate(work)
  const others = work.certificates.filter(each => each !== live)
  if (live === undefined && others.length === 0) return null
  return {
    certificate: live === undefined ? null : certificateOf(live, transactions),
    others: others.map(each => certificateOf(each, transactions)),
  }
}

export function certificateOf(
  certificate: PacketWork['certificates'][number],
  transactions: ReadonlyMap<string, Uint8Array>,
) {
  const { txid, vout, state, roundId, member, versionId } = certificate
  const { writtenMs, anchoredMs, deadMs, revokedBy } = certificate
  return {
    ...{ txid, vout, state, roundId, member, versionId, writtenMs, anchoredMs, deadMs, revokedBy },
    signature: tokenSignature(transactions.get(txid), vout),
  }
}

export async function provenOf(
  work: PacketWork,
  { countConfirmations }: { readonly countConfirmations: CountConfirmations },
) {
  const live = liveCertificate(work)
  if (live?.state !== 'proven' || live.blockHeight === null) return null
  const { txid, blockHeight, blockHash, provenMs, bump } = live
  const confirmations = bump === null ? null : await countConfirmations(blockHeight, bump)
  return { txid, blockHeight, blockHash, provenMs, bump, confirmations }
}
