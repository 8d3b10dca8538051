import { stepSpends } from '../contract/pipeline-outputs.ts'
import { quorums } from '../core/level.ts'
import { type Decision, decideRound } from '../core/rounds/coordinating/decide.ts'
import { type Leaving, leaveUnseated } from '../core/rounds/coordinating/leave.ts'
import type { PacketStanding } from '../core/rounds/coordinating/standing.ts'
import type { LiveResult } from '../core/rounds/coordinating/thread.ts'
import { fairMsOf } from './bounds.ts'
import { chooseSeats } from './choose-seats.ts'
import { unpaidJob } from './job.ts'
import type { Decided, HeldJob, HeldRound, UnpaidJob } from './ports.ts'
import { recoverLostRound } from './recover-round.ts'
import {
  closeOf,
  type FollowDeps,
  type Followed,
  gone,
  type Heard,
  held,
  heldJob,
  moved,
  type RoundStep,
  sentBy,
} from './round-step.ts'

/** One step with one round, if there is one to take: it carries out what is decided, and decides nothing itself. */
export async function followRound(round: HeldRound, heard: Heard, deps: FollowDeps): Promise<Followed> {
  if (round.state === 'lost' || heard.last === 'dead') return recoverLostRound(round, heard, deps)
  const isSeen = heard.last === 'seen' || heard.last === 'mined'
  if (round.inFlight && !isSeen) return held(round)
  if (round.state === 'closing') return afterClose(round, deps)
  const { job } = round
  if (job === undefined) return held(round)
  if (job.seenMs === null) return takeJob(round, job, deps)
  return look(round, job, heard, deps)
}

/** The network has the job: from now on its answers count. */
async function takeJob(round: HeldRound, job: HeldJob, deps: FollowDeps): Promise<Followed> {
  const seenMs = deps.now()
  if ((await deps.store.jobSeen(round.lease, job.sent.txid, seenMs)) === 'lost') return gone('lost')
  deps.at('rounds.job-seen')
  deps.onRound({ what: 'seen', roundId: round.lease.roundId, stage: job.stage, tookMs: undefined })
  return moved({ ...round, inFlight: false, job: { ...job, seenMs } })
}

async function afterClose(round: HeldRound, deps: FollowDeps): Promise<Followed> {
  if ((await deps.store.closed(round.lease)) === 'lost') return gone('lost')
  deps.at('rounds.closed')
  deps.onRound({ what: 'closed', roundId: round.lease.roundId, stage: undefined, tookMs: undefined })
  return gone('over')
}

async function look(round: HeldRound, job: HeldJob, heard: Heard, deps: FollowDeps): Promise<Followed> {
  const nowMs = deps.now()
  const decision = decide(round, job, heard, { nowMs, excused: await excusedFrom(job, nowMs, deps) }, deps)
  if (decision.kind === 'follow') return recoverLostRound(round, heard, deps)
  if (decision.kind === 'wait') {
    if (!isReserveDue(job, nowMs)) return held(round)
    const outcome = await deps.store.offerReserve(round.lease, job.sent.txid, nowMs)
    return outcome === 'lost' ? gone('lost') : moved({ ...round, job: { ...job, reserveOffered: true } })
  }
  deps.at('rounds.decided')
  if (decision.kind === 'certify') return certify(round, job, { job: job.sent, decision, nowMs }, deps)
  if (decision.kind === 'close') return close(round, job, { job: job.sent, decision, nowMs }, deps)
  return advance(round, job, { job: job.sent, decision, nowMs }, deps)
}

function decide(
  round: HeldRound,
  job: HeldJob,
  { threadUnspent }: Heard,
  { nowMs, excused }: { readonly nowMs: number; readonly excused: ReadonlySet<number> },
  deps: FollowDeps,
): Decision {
  const { level, members } = job.sent.role.facts
  return decideRound(
    {
      roundId: round.lease.roundId,
      job: { template: round.template, stage: job.stage, level, members, seats: job.sent.role.seats },
      packets: round.packets,
      results: job.results,
      deadlinePassed: nowMs >= job.deadlineMs,
      excused,
      threadUnspent,
    },
    deps.bounds.leave,
  )
}

/** Whose silence is no sign: asked only where somebody is silent and the deadline has passed. */
async function excusedFrom(
  { sent, deadlineMs, results }: HeldJob,
  nowMs: number,
  { store, bounds }: FollowDeps,
): Promise<ReadonlySet<number>> {
  const seats = sent.role.seats.map((_, seat) => seat)
  const answered = new Set(results.map(({ seat }) => seat))
  if (nowMs < deadlineMs || seats.every(seat => answered.has(seat))) return new Set()
  const fairMs = fairMsOf(bounds.job)
  if (nowMs > deadlineMs + fairMs) return new Set(seats)
  return store.excused(sent.txid, deadlineMs - fairMs)
}

async function advance(
  round: HeldRound,
  job: HeldJob,
  decided: Decided<'advance'>,
  deps: FollowDeps,
): Promise<Followed> {
  const next = nextJob(round, job, decided, deps)
  if (next === undefined) {
    const { stage } = decided.decision
    // Till then they may come back; whoever waits longer would keep a partition waiting for agents that are gone.
    if (decided.nowMs >= job.deadlineMs) return close(round, job, unseated(round, decided, deps), deps)
    const why = `fewer operators have an agent for ${stage} than a job of level ${round.level} has seats; the round goes on once there are enough`
    return { kind: 'refused', why, fault: undefined }
  }
  const written = await deps.store.advance(round.lease, decided, next)
  const sent = sentBy(written)
  if (sent.kind !== 'sent') return sent
  deps.at('rounds.advanced')
  tellDecided('advanced', round, job, decided, deps)
  return moved({
    ...round,
    packets: without(round.packets, decided.decision.leaving),
    last: sent.transaction.txid,
    inFlight: true,
    job: heldJob(sent.transaction, {
      stage: decided.decision.stage,
      deadlineMs: next.facts.deadlineMs,
      fanOut: next.fanOut,
      seenMs: null,
      reserveOffered: next.fanOut === 'all',
    }),
  })
}

async function certify(
  round: HeldRound,
  job: HeldJob,
  decided: Decided<'certify'>,
  deps: FollowDeps,
): Promise<Followed> {
  if ((await deps.store.certify(round.lease, decided)) === 'lost') return gone('lost')
  deps.at('rounds.handed-over')
  tellDecided('certifying', round, job, decided, deps)
  return gone('certifying')
}

async function close(
  round: HeldRound,
  job: HeldJob,
  decided: Decided<'close'>,
  deps: FollowDeps,
): Promise<Followed> {
  const written = await deps.store.close(round.lease, decided, closeOf(job, deps.log))
  const sent = sentBy(written)
  if (sent.kind !== 'sent') return sent
  deps.at('rounds.closing')
  tellDecided('closing', round, job, decided, deps)
  return moved({ ...round, state: 'closing', last: sent.transaction.txid, inFlight: true })
}

/** Nothing goes on, as nobody can be asked: who has left by the decision leaves as it says, and the others unharmed. */
function unseated(
  round: HeldRound,
  { job, decision, nowMs }: Decided<'advance'>,
  { bounds }: FollowDeps,
): Decided<'close'> {
  const { leaving, conduct } = decision
  const others = leaveUnseated(without(round.packets, leaving), round.lease.roundId, bounds.leave)
  return { job, nowMs, decision: { kind: 'close', spends: [], leaving: [...leaving, ...others], conduct } }
}

function nextJob(
  round: HeldRound,
  job: HeldJob,
  { decision, nowMs }: Decided<'advance'>,
  { directory, log, locations, bounds }: FollowDeps,
): UnpaidJob | undefined {
  const { subject, inputHash, outputBytesMax } = job.sent.role.facts
  const { stage, members, inputRoot } = decision
  const { template, level, operators, rebuild } = round
  const deadlineMs = nowMs + bounds.job.timeoutMs
  const need = {
    ...{ stage, level, operators, nowMs, deadlineMs },
    coordinator: log.identityKey,
    packets: members.length,
    bytes: members.reduce((sum, member) => sum + (round.packets[member]?.bytes ?? 0), 0),
    rotation: turnOf(subject),
  }
  const agents = chooseSeats(need, directory, bounds.seats)
  if (agents === undefined) return undefined
  const spent = decision.spends.map(txid => {
    const result = job.results.find(each => each.txid === txid)
    if (result === undefined) throw new Error(`the decision spends ${txid}, which is no result at hand`)
    return result.transaction
  })
  return unpaidJob({
    ...{ coordinator: log, subject, template, stage, level, members, inputRoot, inputHash, deadlineMs },
    // As in the first job, which had all of these packets and more.
    ...{ outputBytesMax, rebuild, agents },
    locations: locations(),
    spends: stepSpends(
      log,
      subject,
      { transaction: job.transaction, seats: job.sent.role.seats.length },
      spent,
    ),
    bounds: bounds.job,
  })
}

/** Equals take turns from round to round, and a round needs no count of them for that. */
function turnOf(roundId: string): number {
  return Number.parseInt(roundId.slice(0, 8), 16)
}

/**
 * The first ones disagree, all of them have answered without a quorum, or half of the time is over. Whoever is held back
 * longer has no time left.
 */
function isReserveDue(
  { reserveOffered, seenMs, deadlineMs, results, sent }: HeldJob,
  nowMs: number,
): boolean {
  if (reserveOffered || seenMs === null) return false
  if (nowMs >= (seenMs + deadlineMs) / 2) return true
  const { agreeing } = quorums[sent.role.facts.level]
  return new Set(results.map(({ seat }) => seat)).size >= agreeing || disagree(results)
}

function disagree(results: readonly LiveResult[]): boolean {
  const said = results.filter(({ status }) => status === 'completed').map(({ leaves }) => leaves.join())
  return new Set(said).size > 1
}

function without(packets: readonly PacketStanding[], leaving: readonly Leaving[]): PacketStanding[] {
  const left = new Map(leaving.map(({ member, packet }) => [member, packet]))
  return packets.map((packet, index) => left.get(index) ?? packet)
}

function tellDecided(
  what: 'advanced' | 'certifying' | 'closing',
  round: HeldRound,
  job: HeldJob,
  { decision, nowMs }: Decided<'advance'> | Decided<'certify'> | Decided<'close'>,
  deps: FollowDeps,
): void {
  tell(what, round, job, deps)
  // Agents go by the deadline that they were given: of a job that was taken up again nobody owes anything after it.
  const isAsGiven = job.deadlineMs === job.sent.role.facts.deadlineMs
  if (isAsGiven && nowMs < job.deadlineMs && decision.conduct.includes('unheard')) deps.onUnheard(job)
}

function tell(what: RoundStep['what'], round: HeldRound, job: HeldJob | undefined, deps: FollowDeps): void {
  const seenMs = job?.seenMs ?? undefined
  const tookMs = seenMs === undefined ? undefined : deps.now() - seenMs
  deps.onRound({ what, roundId: round.lease.roundId, stage: job?.stage, tookMs })
}
