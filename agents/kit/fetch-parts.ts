import { sha256Hex } from '#sha256'
import { onBehalfOf, type RoundPart, roundPartUrl } from '../../src/contract/round-locations.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { readWork } from '../../src/contract/work.ts'
import { fromUtf8 } from '../../src/core/bytes.ts'
import { parseCanonicalJson } from '../../src/core/canonical-json.ts'
import { accepted, type Outcome, refused } from '../../src/core/fault.ts'
import { type PacketHeader, packetId } from '../../src/core/log/packet-header.ts'
import { type PolicySet, policyDigest } from '../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { areRunsFromFirst } from '../../src/core/rounds/coordinating/decide.ts'
import { type Leaf, noLeaf } from '../../src/core/rounds/pipeline.ts'
import {
  ROUND_DOC_BYTES_MAX,
  type RoundDocument,
  readRoundDocument,
  roundIdOf,
} from '../../src/core/rounds/round-document.ts'
import { carriesState, type Stage } from '../../src/core/rounds/template.ts'
import { STATE_BYTES_DEFAULT, STATE_BYTES_MAX } from '../../src/core/rules/carried-state.ts'
import { POLICY_CHARS_MAX } from '../../src/core/schema.ts'
import { outcomeLeaf, outputBounds } from '../../src/core/work/stage-output.ts'
import type { Call, CallAnswer } from './call.ts'
import { fetchLists, type ListedParts, type WantedParts } from './fetch-lists.ts'
import type { AgreedOutcome } from './packet-task.ts'
import type { AgentJob } from './read-job.ts'
import { signatureHeaders } from './sign-call.ts'

/** Everything that a job is worked on with, each held against the hash that names it. */
export type JobParts = {
  readonly document: RoundDocument
  /** One per member of the job, in its order. */
  readonly packets: readonly PacketParts[]
  readonly policies: ReadonlyMap<string, PolicySet>
  /** Bytes of what the partitions start from, by digest. */
  readonly states: ReadonlyMap<string, Uint8Array>
}

export type PacketParts = {
  readonly header: PacketHeader
  readonly packetId: string
  /** Empty at validate, which works on what was normalized. */
  readonly lines: Uint8Array
  readonly agreed: AgreedOutcome | undefined
  readonly normalizeLeaf: Leaf | undefined
}

export type FetchDeps = {
  readonly call: Call
  readonly key: Issuer
  /** Of the packets of a job. */
  readonly bytesMax: number
  /** Policies that were read before: they never change, and are slow to compile. */
  readonly policies: PolicyMemory
  /** Resolves when there is room for so many bytes of packets beside the other jobs; asked for again, it is there already. */
  takeBytes?(bytes: number): Promise<void>
  /** What came with others already. */
  readonly listed?: ListedParts
  now(): number
}

export type PolicyMemory = Pick<Map<string, PolicySet>, 'get' | 'set' | 'size' | 'clear'>
const POLICIES_MAX = 256

/** To a byte of packets: the byte, what it was normalized or validated to, and the state on both sides of it. */
const FETCHED_BYTES_PER_BYTE = 4

/**
 * Rejects where a part cannot be had from any of the job's locations, which may be otherwise a moment later. A fault is
 * for good: what the job names has come, and it is no job to work on.
 */
export async function fetchParts(job: AgentJob, deps: FetchDeps): Promise<Outcome<JobParts>> {
  const document = await fetchDocument(job, deps)
  if (!document.ok) return document
  const why = againstDocument(job, document.value, deps.bytesMax)
  if (why !== undefined) return refused('round-invalid', `this job is not worked on: ${why}`)
  const { headers, partitions } = document.value
  const members = job.facts.members.flatMap(member => headers[member] ?? [])
  await deps.takeBytes?.(members.reduce((sum, { bytes }) => sum + bytes, 0))

  const policies = await fetchPolicies(job, document.value, members, deps)
  if (!policies.ok) return policies
  const states = new Map<string, Uint8Array>()
  const room = roomFor(FETCHED_BYTES_PER_BYTE * deps.bytesMax)
  const asked = new Set(members.map(partitionOf))
  const starts = partitions.filter(start => asked.has(partitionOf(start)))
  const buildsOnState = carriesState(job.stage, job.facts.level)
  const stateNames = buildsOnState ? starts.flatMap(({ stateIn }) => stateIn ?? []) : []
  const listed = await fetchLists(job, wantedParts(job, members, stateNames), deps)
  if (buildsOnState) {
    await inTurns(stateNames, async stateIn => {
      if (room.isOver()) return
      const state = await fetchState(job, stateIn, { ...deps, listed })
      states.set(stateIn, state)
      room.take(state.length)
    })
  }
  const packets = await inTurns(members, async (header, i) => {
    if (room.isOver()) return undefined
    const stateBytesMax = stateBytesMaxOf(policies.value.get(header.policyDigest))
    const packet = await fetchPacket(job, i, header, stateBytesMax, { ...deps, listed })
    room.take(packet.lines.length + (packet.agreed?.output.length ?? 0) + (packet.agreed?.state.length ?? 0))
    return packet
  })
  const fetched = packets.flatMap(packet => packet ?? [])
  return room.isOver()
    ? refused(
        'round-invalid',
        `its packets, outcomes and states together have more than ${room.bytesMax} bytes`,
      )
    : accepted({ document: document.value, packets: fetched, policies: policies.value, states })
}

function wantedParts(
  job: AgentJob,
  members: readonly PacketHeader[],
  states: readonly string[],
): readonly WantedParts[] {
  const withLines = wantsLines(job.stage) ? members.filter(({ bytes }) => bytes > 0) : []
  return [
    { part: 'state', names: states },
    { part: 'packet', names: withLines.map(packetId) },
    { part: 'outcome', names: job.agreed ?? [] },
  ]
}

/** What is fetched for one job is held together, so it has one bound together; what no longer fits is not asked for. */
export function roomFor(bytesMax: number) {
  let left = bytesMax
  return {
    bytesMax,
    take(bytes: number) {
      left -= bytes
    },
    isOver: () => left < 0,
  }
}

/** Fetched side by side, as many as keep a node busy and no more. */
export async function inTurns<T, R>(
  items: readonly T[],
  each: (item: T, i: number) => Promise<R>,
): Promise<R[]> {
  const done = new Array<R>(items.length)
  const left = items.entries()
  const work = async () => {
    for (const [i, item] of left) done[i] = await each(item, i)
  }
  await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, items.length) }, work))
  return done
}

const PARTS_AT_ONCE = 4

/** What normalize agreed on stands for the lines. */
function wantsLines(stage: Stage): boolean {
  return stage !== 'validate'
}

async function fetchDocument(job: AgentJob, deps: FetchDeps): Promise<Outcome<RoundDocument>> {
  const { inputHash } = job.facts
  const bytes = await fetchPart(job, 'document', inputHash, ROUND_DOC_BYTES_MAX, deps, isHash(inputHash))
  return readRoundDocument(fromUtf8(bytes) ?? '')
}

/** What hashes to what the job names, and is still none that an honest coordinator makes. */
function againstDocument({ facts }: AgentJob, document: RoundDocument, bytesMax: number): string | undefined {
  const { headers } = document
  const [first] = headers
  if (roundIdOf(document) !== facts.subject) return 'its round document is of another round'
  // One log, one level: the document was refused otherwise.
  if (first?.log !== facts.coordinator) return 'its packets are of another log than the one that asks'
  if (first.level !== facts.level)
    return `its packets are of level ${first.level}, and it asks for ${facts.level}`
  if (!areRunsFromFirst(facts.members, headers.map(partitionOf)))
    return 'its packets are not, of each partition, a run from the first one in the round'
  const bytes = facts.members.reduce((sum, member) => sum + (headers[member]?.bytes ?? 0), 0)
  return bytes > bytesMax ? `its packets have ${bytes} bytes, and this agent takes ${bytesMax}` : undefined
}

function partitionOf({ streamId, partition }: { streamId: string; partition: number }): string {
  return `${streamId}/${partition}`
}

async function fetchPolicies(
  job: AgentJob,
  document: RoundDocument,
  members: readonly PacketHeader[],
  deps: FetchDeps,
): Promise<Outcome<ReadonlyMap<string, PolicySet>>> {
  const { policies: remembered } = deps
  const found = new Map<string, PolicySet>()
  for (const digest of new Set(members.map(header => header.policyDigest))) {
    const known = remembered.get(digest)
    const locations = document.policies.find(policy => policy.digest === digest)?.locations ?? []
    const policy = known === undefined ? await fetchPolicy(job, digest, locations, deps) : accepted(known)
    if (!policy.ok) return policy
    if (known === undefined) {
      if (remembered.size >= POLICIES_MAX) remembered.clear()
      remembered.set(digest, policy.value)
    }
    found.set(digest, policy.value)
  }
  return accepted(found)
}

async function fetchPolicy(
  job: AgentJob,
  digest: string,
  locations: readonly string[],
  deps: FetchDeps,
): Promise<Outcome<PolicySet>> {
  let read: Outcome<PolicySet> = refused('policy-invalid', `policy ${digest} is not here`)
  const isPolicy = (bytes: Uint8Array) => {
    read = policyIn(bytes)
    return read.ok && policyDigest(read.value) === digest
  }
  const asked = { ...job, locations: [...job.locations, ...locations] }
  // A character has four bytes at the most.
  await fetchPart(asked, 'policy', digest, 4 * POLICY_CHARS_MAX, deps, isPolicy)
  return read
}

function policyIn(bytes: Uint8Array): Outcome<PolicySet> {
  const json = parseCanonicalJson(fromUtf8(bytes) ?? '', 4 * POLICY_CHARS_MAX)
  return json.ok ? readPolicySet(json.value) : json
}

function stateBytesMaxOf(policySet: PolicySet | undefined): number {
  return policySet?.stateBytesMax ?? STATE_BYTES_DEFAULT
}

async function fetchState(job: AgentJob, stateIn: string, deps: FetchDeps): Promise<Uint8Array> {
  return fetchPart(job, 'state', stateIn, STATE_BYTES_MAX, deps, isHash(stateIn))
}

async function fetchPacket(
  job: AgentJob,
  member: number,
  header: PacketHeader,
  stateBytesMax: number,
  deps: FetchDeps,
): Promise<PacketParts> {
  const id = packetId(header)
  const leaf = job.agreed?.[member]
  const lines = wantsLines(job.stage) ? await fetchLines(job, id, header, deps) : nothing
  const agreed = leaf === undefined ? undefined : await fetchOutcome(job, id, leaf, stateBytesMax, deps)
  return { header, packetId: id, lines, agreed, normalizeLeaf: job.agreedBefore?.[member] }
}

async function fetchLines(
  job: AgentJob,
  id: string,
  { bytes, rawHash }: PacketHeader,
  deps: FetchDeps,
): Promise<Uint8Array> {
  if (bytes === 0) return nothing
  return fetchPart(job, 'packet', id, bytes, deps, isHash(rawHash))
}

/** Framed like the work of one member, whose leaf says what may stand in it. */
async function fetchOutcome(
  job: AgentJob,
  id: string,
  leaf: Leaf,
  stateBytesMax: number,
  deps: FetchDeps,
): Promise<AgreedOutcome> {
  let agreed: AgreedOutcome | undefined
  const frameBytes = 32 + 2 * 4
  const bytesMax = Math.min(
    frameBytes + outputBounds.bytesMax + stateBytesMax,
    frameBytes + job.agreedBytesMax,
  )
  const isOutcome = (bytes: Uint8Array) => {
    agreed = outcomeIn(bytes, bytesMax, id, leaf)
    return agreed !== undefined
  }
  await fetchPart(job, 'outcome', leaf, bytesMax, deps, isOutcome)
  if (agreed === undefined) throw new Error(`outcome ${leaf} was taken without being read`)
  return agreed
}

function outcomeIn(bytes: Uint8Array, bytesMax: number, id: string, leaf: Leaf): AgreedOutcome | undefined {
  const work = readWork(bytes, 1, bytesMax)
  const [member] = work.ok ? work.value : []
  if (member === undefined || member.leaf !== leaf || leaf === noLeaf) return undefined
  const { output, state } = member
  const outputHash = sha256Hex(output)
  const stateOut = state.length === 0 ? null : sha256Hex(state)
  return outcomeLeaf(id, outputHash, stateOut) === leaf
    ? { leaf, output, outputHash, state, stateOut }
    : undefined
}

export function isHash(wanted: string): (bytes: Uint8Array) => boolean {
  return bytes => sha256Hex(bytes) === wanted
}

/** From the first location that has these very bytes. */
export async function fetchPart(
  { locations, facts }: Pick<AgentJob, 'locations' | 'facts'>,
  part: RoundPart,
  name: string,
  bytesMax: number,
  deps: FetchDeps,
  isIt: (bytes: Uint8Array) => boolean,
): Promise<Uint8Array> {
  const listed = deps.listed?.take(part, name)
  if (listed !== undefined && listed.length <= bytesMax && isIt(listed)) return listed
  const failures: string[] = []
  for (const location of new Set(locations)) {
    const url = roundPartUrl(location, part, name)
    try {
      const { status, body } = await ask(url, facts.coordinator, bytesMax, deps)
      if (status === 200 && isIt(body)) return body
      failures.push(status === 200 ? `${url} has other bytes` : `${url} answered ${status}`)
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error(
    failures.length === 0
      ? `the job names no location to fetch ${part} ${name} from`
      : `${part} ${name} could not be fetched: ${failures.join('; ')}`,
  )
}

/**
 * What belongs to a restricted round is for agents with a seat in it, who say who they are when they are asked to; and so
 * they do where strangers have taken all the room that there is for those who do not.
 */
async function ask(
  url: string,
  logKey: string,
  bytesMax: number,
  { call, key, now }: FetchDeps,
): Promise<CallAnswer> {
  // A refusal has a body too.
  const answerBytesMax = Math.max(bytesMax, REFUSAL_BYTES_MAX)
  const answer = await call(url, { answerBytesMax })
  if (!asksWho.has(answer.status)) return answer
  const asked = onBehalfOf(url, logKey)
  return call(asked, { answerBytesMax, headers: signatureHeaders('GET', asked, nothing, key, now()) })
}

const REFUSAL_BYTES_MAX = 16 * 1024
const asksWho: ReadonlySet<number> = new Set([401, 403, 404, 503])
const nothing = new Uint8Array(0)
