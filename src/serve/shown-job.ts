import { jobTemplateId } from '../core/jobs/job-template.ts'
import { jobWord } from '../core/jobs/vocabulary.ts'
import { quorums } from '../core/level.ts'
import type { Reader } from '../core/registry/may-read.ts'
import { verdicts } from '../core/rounds/agreement.ts'
import { writeTimestamp } from '../core/timestamp.ts'
import type { RoundJob, RoundSeat, RoundWork } from './round-work.ts'
import { isWhole, leafAt, readableMembers, readableOf, shownLeaves } from './shown-round.ts'
import { tokenSignature, unsigned } from './token-signature.ts'
import { unlessNone } from './unless-none.ts'

export type JobName = { readonly txid: string; readonly vout: number | undefined }

/** `<txid>`: one stage of work; `<txid>.<output>`: the part of it that one agent was asked for. */
export function readJobName(id: string): JobName | undefined {
  const [, txid, vout] = /^([0-9a-f]{64})(?:\.(0|[1-9][0-9]?))?$/.exec(id) ?? []
  return txid === undefined ? undefined : { txid, vout: vout === undefined ? undefined : Number(vout) }
}

/** A job in the words that overlay clients know; undefined where the reader may know of none of its packets. */
export function shownJob(
  round: RoundWork,
  { txid, vout }: JobName,
  reader: Reader,
  transactions: ReadonlyMap<string, Uint8Array>,
) {
  const job = round.jobs.find(each => each.txid === txid)
  const seats = job?.seats.filter(seat => vout === undefined || seat.vout === vout) ?? []
  const readable = readableMembers(round, reader)
  if (job === undefined || seats.length === 0 || !job.members.some(member => readable.has(member)))
    return undefined
  return {
    jobId: vout === undefined ? txid : `${txid}.${vout}`,
    jobType: job.stage,
    overlayJobTemplateId: jobTemplateId(round.template, job.stage, round.level),
    outcome: job.outcome,
    ...progressOf(round, job, readable),
    inputData: {
      inputHash: round.inputHash,
      inputRoot: isWhole(job, readable) ? unlessNone(job.inputRoot) : null,
    },
    members: readableOf(job, readable).flatMap(index => {
      const member = round.members.find(each => each.index === index)
      return member === undefined
        ? []
        : [{ index, packetId: member.packetId, streamId: member.stream.streamId }]
    }),
    seats: seats.map(seat => shownSeat(seat, round, job, readable, transactions)),
    overlayCoordination: {
      roundId: round.roundId,
      coordinator: round.coordinator,
      level: round.level,
      consensusThreshold: quorums[round.level].agreeing,
      agentsAsked: job.seats.length,
      deadline: writeTimestamp(job.deadlineMs) ?? null,
      createdAt: writeTimestamp(job.madeMs) ?? null,
      networkAt: timeOf(job.seenMs),
      decidedAt: timeOf(job.decidedMs),
    },
  }
}

/** Of answers whose bytes are here, which alone count, about what the reader may know of. */
function progressOf({ level }: RoundWork, job: RoundJob, readable: ReadonlySet<number>) {
  const known = readableOf(job, readable)
  const answered = job.seats.flatMap(({ operator, agentKey, results }) =>
    results
      .filter(({ work }) => work === 'held')
      .map(result => ({
        ...{ operator, agentKey, status: result.status },
        leaves: known.map(member => leafAt(result, job.members.indexOf(member))),
      })),
  )
  const agreed = verdicts(level, known.length, answered).filter(({ kind }) => kind === 'agreed').length
  return {
    completionPercentage: Math.floor((100 * agreed) / known.length),
    consensusAchieved: agreed === known.length,
    agentResponses: answered.map(({ agentKey, status }) => ({ agentId: agentKey, status })),
  }
}

function shownSeat(
  seat: RoundSeat,
  { inputHash }: RoundWork,
  job: RoundJob,
  readable: ReadonlySet<number>,
  transactions: ReadonlyMap<string, Uint8Array>,
) {
  const [first] = seat.results
  return {
    jobId: `${job.txid}.${seat.vout}`,
    assignedAgent: seat.agentKey,
    operator: seat.operator,
    status: jobWord('overlay', seat.state),
    conduct: seat.conduct,
    attempts: seat.attempts,
    nextRunAt: seat.state === 'queued' ? timeOf(seat.nextRunMs) : null,
    createdAt: timeOf(seat.madeMs),
    startedAt: timeOf(seat.offeredMs),
    acknowledgedAt: timeOf(seat.acknowledgedMs),
    completedAt: timeOf(seat.completedMs),
    outputData: first === undefined ? null : { leaves: shownLeaves(first, job, readable) },
    processingEvidence: seat.results.map(({ txid, status, arrivedMs, isLate, evidenceHash }) => {
      const { signature, signatureScheme, protocolID, keyID } =
        tokenSignature(transactions.get(txid), 0) ?? unsigned
      return {
        step: job.stage,
        agentId: seat.agentKey,
        timestamp: timeOf(arrivedMs),
        processingTime: seat.offeredMs === null ? null : arrivedMs - seat.offeredMs,
        inputHash,
        brc31Signature: signature,
        ...{ signatureScheme, protocolID, keyID },
        overlayEvidence: { txid, vout: 0, operator: seat.operator, status, isLate, evidenceHash },
      }
    }),
  }
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : (writeTimestamp(ms) ?? null)
}
