import { certifier } from '../../../agents/certifier/certifier.ts'
import { openCalls } from '../../../agents/kit/call.ts'
import { fetchParts } from '../../../agents/kit/fetch-parts.ts'
import type { AnswerPacket } from '../../../agents/kit/packet-task.ts'
import { type AgentJob, readJob } from '../../../agents/kit/read-job.ts'
import { workOn } from '../../../agents/kit/work-on.ts'
import { normalizer } from '../../../agents/normalizer/normalizer.ts'
import { validator } from '../../../agents/validator/validator.ts'
import type { Beef } from '../../../src/contract/beef.ts'
import { pipelineTransaction } from '../../../src/contract/pipeline-transaction.ts'
import type { Work } from '../../../src/contract/work.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { PolicySet } from '../../../src/core/policy/policy-set.ts'
import { type Stage, stages } from '../../../src/core/rounds/template.ts'
import type { Party } from '../../support/pipeline.ts'

export type HonestWork = {
  /** Of each member, in the job's order. */
  readonly packetIds: readonly string[]
  readonly work: Work
}

/** What an honest agent makes of the job that is the subject of a BEEF: a liar has to know it, to say something else. */
export async function workHonestly(beef: Beef, agent: Party, nodeUrl: string): Promise<HonestWork> {
  const job = readOwnJob(beef, agent)
  const calls = openCalls({ nodes: [nodeUrl], isLocal: () => true })
  try {
    const policies = new Map<string, PolicySet>()
    const deps = { call: calls.call, key: agent, bytesMax: BYTES_MAX, policies, now: Date.now }
    const parts = orThrow(await fetchParts(job, deps))
    const working = workOn(job, parts, answers[job.stage])
    let step = working.next()
    while (step.done !== true) step = working.next()
    const { work, faults } = step.value
    if (faults.length > 0) throw new Error(`there is no honest answer: ${JSON.stringify(faults)}`)
    return { packetIds: parts.packets.map(({ packetId }) => packetId), work }
  } finally {
    calls.close()
  }
}

const BYTES_MAX = 64 * 1024 * 1024

const answers: Readonly<Record<Stage, AnswerPacket>> = {
  normalize: normalizer,
  validate: validator,
  certify: certifier,
}

/** Whatever the time: a liar may work on what it will say too late. */
function readOwnJob(beef: Beef, agent: Party): AgentJob {
  const { role } = pipelineTransaction(beef.subject)
  if (role.kind !== 'job') throw new Error(`${beef.subject.txid} is no job but ${role.kind}`)
  const { facts, seats } = role
  const kind = stages.find(stage => stage === facts.stage)
  const operator = seats.find(({ agentKey }) => agentKey === agent.identityKey)?.operator
  if (kind === undefined || operator === undefined)
    throw new Error(`the job ${beef.subject.txid} has no seat for ${agent.identityKey}`)
  const reader = {
    ...{ kind, operator, agentKey: agent.identityKey, coordinators: new Set([facts.coordinator]) },
    ...{ packetsMax: facts.members.length, jobMsMax: 1, templates: ['packet'] as const },
  }
  return orThrow(readJob(beef, reader, facts.deadlineMs - 1))
}
