import { type Level, quorums } from '../level.ts'
import type { LiveResult, SentJob } from '../rounds/coordinating/thread.ts'
import { noLeaf, type ResultStatus } from '../rounds/pipeline.ts'
import { writeTimestamp } from '../timestamp.ts'

/**
 * One stage of work on one event, asked of one agent, in the JSON shape that overlay clients know. Null is what a
 * round does not know, and is never filled in.
 */
export type EventProcessingJob = {
  /** `<txid>.<output>` of the seat. */
  readonly jobId: string
  readonly eventId: string
  readonly jobType: string
  /** Identity key. */
  readonly assignedAgent: string
  readonly overlayJobTemplateId: string
  /** Agents are given the round document and what the stage before agreed on, and these are their hashes. */
  readonly inputData: { readonly inputHash: string; readonly inputRoot: string | null }
  /** What the agent said of the packet that holds the event; absent until it has. */
  readonly outputData?: { readonly leaf: string | null }
  readonly processingEvidence: readonly ProcessingEvidence[]
  readonly overlayCoordination: OverlayJobCoordination
}

export type ProcessingEvidence = {
  readonly step: string
  readonly agentId: string
  /** When its result arrived, RFC 3339. No token carries a time. */
  readonly timestamp: string | null
  readonly inputHash: string
  /** SHA-256 of the output. A result commits to it by the leaf alone, so only who has the bytes can tell. */
  readonly outputHash: string | null
  /** Milliseconds from offer to answer. */
  readonly processingTime: number | null
  /** A result is signed as a token, in the transaction named beside this; there is no other signature. */
  readonly brc31Signature: null
  readonly overlayEvidence: {
    readonly txid: string
    readonly operator: string
    readonly status: ResultStatus
  }
}

export type OverlayJobCoordination = {
  /** roundId, or the aggregate's id. */
  readonly roundId: string
  /** Identity key. */
  readonly coordinator: string
  readonly operator: string
  readonly level: Level
  readonly consensusThreshold: number
  readonly agentsAsked: number
  readonly deadline: string | null
}

/** What the coordinator itself saw of an answer, by the result's txid. */
export type Witnessed = {
  readonly offeredMs: number | null
  readonly arrivedMs: number | null
  readonly outputHash: string | null
}

/** One per seat. `member` is the event's packet by its index in the round; who did not work on it has no jobs. */
export function processingJobs(
  eventId: string,
  member: number,
  job: SentJob,
  results: readonly LiveResult[],
  witnessed: ReadonlyMap<string, Witnessed> = new Map(),
): EventProcessingJob[] {
  const { facts, seats } = job.role
  const at = facts.members.indexOf(member)
  if (at < 0) return []
  return seats.map(({ agentKey, operator }, seat) => {
    const answers = results.filter(result => result.seat === seat)
    const [answer] = answers
    return {
      jobId: `${job.txid}.${seat}`,
      eventId,
      jobType: facts.stage,
      assignedAgent: agentKey,
      overlayJobTemplateId: `${facts.template}.${facts.stage}.${facts.level}`,
      inputData: { inputHash: facts.inputHash, inputRoot: unlessZeros(facts.inputRoot) },
      ...(answer === undefined ? {} : { outputData: { leaf: unlessZeros(answer.leaves[at] ?? noLeaf) } }),
      processingEvidence: answers.map(({ txid, status }) => ({
        step: facts.stage,
        agentId: agentKey,
        inputHash: facts.inputHash,
        ...timed(witnessed.get(txid)),
        brc31Signature: null,
        overlayEvidence: { txid, operator, status },
      })),
      overlayCoordination: {
        roundId: facts.subject,
        coordinator: facts.coordinator,
        operator,
        level: facts.level,
        consensusThreshold: quorums[facts.level].agreeing,
        agentsAsked: seats.length,
        deadline: writeTimestamp(facts.deadlineMs) ?? null,
      },
    }
  })
}

function timed(seen: Witnessed | undefined) {
  const { offeredMs = null, arrivedMs = null, outputHash = null } = seen ?? {}
  return {
    timestamp: arrivedMs === null ? null : (writeTimestamp(arrivedMs) ?? null),
    outputHash,
    processingTime: offeredMs === null || arrivedMs === null ? null : arrivedMs - offeredMs,
  }
}

function unlessZeros(hash: string): string | null {
  return hash === noLeaf ? null : hash
}
