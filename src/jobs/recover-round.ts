import { baseTopics } from '../contract/names.ts'
import { pipelineSpend } from '../contract/pipeline-outputs.ts'
import type { Issuer } from '../contract/tokens.ts'
import { stageSaid } from '../core/jobs/vocabulary.ts'
import { type Recovery, recoverRound } from '../core/rounds/coordinating/recover.ts'
import { endOfThread, isJob } from '../core/rounds/coordinating/thread.ts'
import type { PipelineTransaction } from '../core/rounds/pipeline.ts'
import type { HeldRound, Recovered, RoundView } from './ports.ts'
import {
  closeOf,
  type FollowDeps,
  type Followed,
  gone,
  type Heard,
  held,
  heldJob,
  moved,
} from './round-step.ts'

/** Its transactions were refused, died or came back: what the network holds on its thread is the round. */
export async function recoverLostRound(round: HeldRound, heard: Heard, deps: FollowDeps): Promise<Followed> {
  const { store, log, now, bounds } = deps
  const view = await store.view(round.lease)
  const end = round.firstJob === undefined ? undefined : endOfThread(round.firstJob, view.network)
  const { roundId } = round.lease
  const inFlight = round.inFlight && heard.last !== 'dead'
  const { packets, last } = round
  const found = recoverRound(
    { roundId, packets, last, inFlight },
    end,
    view.network,
    bounds.leave.rebuildsMax,
  )
  const recovery = found.next === 'none' ? standsAgain(round, found, end, inFlight) : found
  if (recovery === undefined) return held(round)

  const nowMs = now()
  const deadlineMs = nowMs + bounds.job.timeoutMs
  const recovered: Recovered = {
    ...{ recovery, end, deadlineMs, nowMs },
    close: recovery.next === 'close' ? closeOf(jobAt(end, view), log) : undefined,
    revocations: recovery.revoke.map(index => ({ index, unpaid: revocation(index, end, view, log) })),
  }
  const written = await store.recovered(round.lease, recovered)
  if (written.kind === 'lost') return gone('lost')
  if (written.kind === 'refused') return { ...written, why: written.fault.detail }
  deps.at('rounds.recovered')
  deps.onRound({ what: 'recovered', roundId, stage: undefined, tookMs: undefined })

  const after = { ...round, packets: recovery.packets, rebuild: round.rebuild + 1 }
  if (recovery.next === 'resume') return moved(resumed(after, jobAt(end, view), deadlineMs, nowMs))
  if (recovery.next !== 'close' || written.transaction === undefined) return gone('over')
  return moved({ ...after, state: 'closing', last: written.transaction.txid, inFlight: true })
}

/**
 * It stands where it stood: a transaction that was thought dead is back. A round that was not given up needs nothing;
 * one that was goes on from there. Undefined where there is nothing to write.
 */
function standsAgain(
  round: HeldRound,
  found: Recovery,
  end: PipelineTransaction | undefined,
  inFlight: boolean,
): Recovery | undefined {
  if (inFlight || round.state !== 'lost') return undefined
  return { ...found, next: end?.role.kind === 'job' ? 'resume' : 'over' }
}

/** At this job, once more, for answers that are there and for answers that may still come. */
function resumed(round: HeldRound, at: JobAt, deadlineMs: number, nowMs: number): HeldRound {
  const { transaction, stage, sent } = at
  const job = heldJob(transaction, { stage, deadlineMs, fanOut: 'all', seenMs: nowMs, reserveOffered: true })
  const isSame = round.job?.sent.txid === sent.txid
  return {
    ...round,
    state: 'open',
    last: sent.txid,
    inFlight: false,
    job: isSame && round.job !== undefined ? { ...job, results: round.job.results } : job,
  }
}

type JobAt = Parameters<typeof closeOf>[0]

function jobAt(end: PipelineTransaction | undefined, view: RoundView): JobAt {
  if (end === undefined || !isJob(end))
    throw new Error(`the round is to go on at ${end?.txid}, which is no job`)
  const stage = stageSaid(end.role.facts.stage)
  if (stage === undefined) throw new Error(`the job ${end.txid} is of no stage that there is`)
  return { transaction: transactionOf(end.txid, view), sent: end, stage }
}

/** Spends the token of one member to change: of two certificates of a packet only one may count. */
function revocation(index: number, end: PipelineTransaction | undefined, view: RoundView, log: Issuer) {
  const members = end?.role.kind === 'certificate' ? end.role.members : []
  const at = members.findIndex(member => member.index === index)
  const versionId = members[at]?.versionId
  if (end === undefined || versionId === undefined)
    throw new Error(`member ${index} is to be revoked, and ${end?.txid} certifies none of that index`)
  const spend = pipelineSpend(transactionOf(end.txid, view), 2 * at + 1, 'GDC1', versionId, log)
  return { spends: [spend], outputs: [], topics: [baseTopics.certified] }
}

function transactionOf(txid: string, view: RoundView) {
  const transaction = view.transactions.get(txid)
  if (transaction === undefined)
    throw new Error(`${txid} is on the round's thread, and its bytes are not here`)
  return transaction
}
