import { sha256Hex } from '#sha256'
import type { Work } from '../../src/contract/work.ts'
import { type Fault, type Outcome, refused } from '../../src/core/fault.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import type { ChainPlace } from '../../src/core/work/certify-packet.ts'
import type { JobParts, PacketParts } from './fetch-parts.ts'
import type { AnswerPacket, PacketAnswer, PacketTask } from './packet-task.ts'
import type { AgentJob } from './read-job.ts'

type MemberWork = Work[number]

export type Worked = {
  readonly work: Work
  /** Why there is no answer for a member; who stands behind it in its partition has none either. */
  readonly faults: readonly WorkFault[]
}

export type WorkFault = { readonly packetId: string; readonly fault: Fault }

/**
 * The work of a job, packet by packet; between two of them it yields, so that whoever drives it can do something else.
 * A packet builds on the one before it in its partition, so a fault ends that partition, and no other.
 */
export function* workOn(
  job: AgentJob,
  parts: JobParts,
  answer: AnswerPacket,
): Generator<undefined, Worked, undefined> {
  const chains = startsOf(parts)
  const faults: WorkFault[] = []
  const work: MemberWork[] = []
  // Every member takes its leaf and the lengths of its frames, also without an answer.
  let left = job.facts.outputBytesMax - parts.packets.length * MEMBER_BYTES
  for (const packet of parts.packets) {
    const partition = partitionOf(packet.header)
    const start = chains.get(partition)
    const answered = start === undefined ? behind : answerTo(taskOf(job, parts, packet, start), answer, left)
    if (start === undefined || !answered.ok) {
      chains.delete(partition)
      work.push(noWork)
      if (!answered.ok && answered !== behind)
        faults.push({ packetId: packet.packetId, fault: answered.fault })
    } else {
      const { leaf, output, state } = answered.value
      left -= output.length + state.length
      work.push({ leaf, output, state })
      chains.set(partition, afterAnswer(job, packet, answered.value))
    }
    yield
  }
  return { work, faults }
}

/** Where the next packet of a partition starts, with the bytes of the state. */
type Start = { readonly place: ChainPlace; readonly state: Uint8Array | null }

function startsOf({ document, states }: JobParts): Map<string, Start> {
  return new Map(
    document.partitions.map(start => {
      const { parent, stateIn } = start
      const state = stateIn === null ? null : (states.get(stateIn) ?? null)
      return [partitionOf(start), { place: { parent, stateIn }, state }]
    }),
  )
}

function taskOf(
  { stage, facts }: AgentJob,
  { policies }: JobParts,
  packet: PacketParts,
  start: Start,
): PacketTask | undefined {
  const policySet = policies.get(packet.header.policyDigest)
  return policySet && { stage, level: facts.level, ...packet, policySet, ...start }
}

function answerTo(
  task: PacketTask | undefined,
  answer: AnswerPacket,
  bytesLeft: number,
): Outcome<PacketAnswer> {
  if (task === undefined) return refused('policy-invalid', 'its policy set is not here')
  return answerWithin(() => answer(task), bytesLeft)
}

/** What the agent answers, as far as the job has room for it. */
export function answerWithin(answer: () => Outcome<PacketAnswer>, bytesLeft: number): Outcome<PacketAnswer> {
  let answered: Outcome<PacketAnswer>
  try {
    answered = answer()
  } catch (error) {
    // A bug of the agent's on this packet is no answer for it, and says nothing about the others.
    return refused(
      'packet-invalid',
      `the agent failed on it: ${error instanceof Error ? error.message : error}`,
    )
  }
  if (!answered.ok) return answered
  const { output, state } = answered.value
  return output.length + state.length > bytesLeft
    ? refused(
        'content-too-large',
        `its answer has more than the ${Math.max(bytesLeft, 0)} bytes that the job has left`,
      )
    : answered
}

function afterAnswer({ stage }: AgentJob, packet: PacketParts, { leaf, state }: PacketAnswer): Start {
  // What is agreed on is what the next one goes on from, once there is such a thing; before it is what we have answered.
  const carried = stage === 'certify' ? (packet.agreed?.state ?? state) : state
  const versionId = stage === 'certify' ? leaf : noLeaf
  const isEmpty = carried.length === 0
  return {
    place: { parent: { packetId: packet.packetId, versionId }, stateIn: isEmpty ? null : sha256Hex(carried) },
    state: isEmpty ? null : carried,
  }
}

function partitionOf({ streamId, partition }: { streamId: string; partition: number }): string {
  return `${streamId}/${partition}`
}

export const MEMBER_BYTES = 32 + 2 * 4
const nothing = new Uint8Array(0)
const noWork: MemberWork = { leaf: noLeaf, output: nothing, state: nothing }
const behind = refused('packet-invalid', 'there is no answer for the packet that it builds on')
