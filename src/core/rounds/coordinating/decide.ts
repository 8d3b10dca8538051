import type { Level } from '../../level.ts'
import { type Verdict, type Vote, verdicts } from '../agreement.ts'
import { type JobFacts, type Leaf, noLeaf, type Seat } from '../pipeline.ts'
import { rootOver } from '../round.ts'
import { type Stage, stageAfter, type Template } from '../template.ts'
import { type LeaveLimits, type Leaving, leaveLimits, leaveRound, type Why } from './leave.ts'
import type { Conduct } from './operators.ts'
import { belongsTo, type PacketStanding } from './standing.ts'
import type { LiveResult } from './thread.ts'

/** One round as its coordinator sees it now. */
export type RoundSituation = {
  readonly roundId: string
  readonly job: CurrentJob
  /** By their index in the round; those that have left it too. */
  readonly packets: readonly PacketStanding[]
  /** Results of this job that the network has and nobody has spent (liveResults). */
  readonly results: readonly LiveResult[]
  /** The job's deadline; after an anchor loss a new one, so that seats which had not answered may. */
  readonly deadlinePassed: boolean
  /** Seats that said nothing because of us: they had no time to answer, or we cannot hear what they have answered. */
  readonly excused?: ReadonlySet<number>
  /** False: the network has something on this job's thread, or no longer has the job (isThreadUnspent). */
  readonly threadUnspent: boolean
}

export type CurrentJob = Pick<JobFacts, 'members'> & {
  readonly template: Template
  readonly stage: Stage
  readonly level: Level
  readonly seats: readonly Seat[]
}

export type Decision =
  | { readonly kind: 'wait' }
  /** Build nothing: what the network holds on the thread is the round (recoverRound). */
  | { readonly kind: 'follow' }
  | (Step & {
      readonly kind: 'advance'
      readonly stage: Stage
      readonly members: readonly number[]
      readonly inputRoot: string
    })
  | (Step & {
      readonly kind: 'certify'
      readonly members: readonly { readonly index: number; readonly versionId: Leaf }[]
    })
  /** Spend the thread to change. Nobody leaves before the network has that; if it refuses, recoverRound. */
  | (Step & { readonly kind: 'close' })

type Step = {
  /** txids of every result at hand, dissent too: it stays in the trail. None for a close. */
  readonly spends: readonly string[]
  readonly leaving: readonly Leaving[]
  /** By seat. */
  readonly conduct: readonly Conduct[]
}

/**
 * What to do with a round now. Of each partition the longest run of agreed members from its first one goes on;
 * whatever else is in the job leaves the round for good.
 */
export function decideRound(situation: RoundSituation, limits: LeaveLimits = leaveLimits): Decision {
  const { job, results } = situation
  if (!situation.threadUnspent) return { kind: 'follow' }
  const found = verdicts(job.level, job.members.length, votesOf(situation))
  if (!isDecidable(situation, found)) return { kind: 'wait' }

  const { going, staying } = divide(situation, found)
  const members = going.map(({ member }) => member)
  const advanced = going.length > 0
  const leaving = leaveRound(staying, { level: job.level, advanced, members: job.members.length, limits })
  const conduct = job.seats.map((_, seat) => conductOf(seat, situation, found))
  const spends = results.map(result => result.txid)

  if (!advanced) return { kind: 'close', spends: [], leaving, conduct }
  const stage = stageAfter(job.template, job.stage)
  if (stage === undefined) {
    const certified = going.map(({ member, leaf }) => ({ index: member, versionId: leaf }))
    return { kind: 'certify', members: certified, spends, leaving, conduct }
  }
  const inputRoot = rootOver(going.map(({ leaf }) => leaf))
  return { kind: 'advance', stage, members, inputRoot, spends, leaving, conduct }
}

function votesOf({ job, results }: RoundSituation): Vote[] {
  return results.flatMap(({ seat, status, leaves }) => {
    const operator = job.seats[seat]?.operator
    return operator === undefined ? [] : [{ operator, status, leaves }]
  })
}

function isDecidable(
  { roundId, job, packets, results, deadlinePassed }: RoundSituation,
  found: Verdict[],
): boolean {
  const answered = new Set(results.map(result => result.seat))
  const stillOpen = job.members.some((member, i) => {
    const packet = packets[member]
    return packet !== undefined && belongsTo(packet, roundId) && found[i]?.kind !== 'agreed'
  })
  return deadlinePassed || answered.size === job.seats.length || !stillOpen
}

type Going = { readonly member: number; readonly leaf: Leaf }

function divide({ roundId, job, packets }: RoundSituation, found: readonly Verdict[]) {
  const going: Going[] = []
  const staying: Leaving[] = []
  const cut = new Set<string>()
  job.members.forEach((member, i) => {
    const packet = packets[member]
    const verdict = found[i]
    if (packet === undefined || verdict === undefined) return
    const belongs = belongsTo(packet, roundId)
    const why = cut.has(packet.partition) ? 'behind' : whyNot(verdict, packet, job)
    if (belongs && why === undefined && verdict.kind === 'agreed') going.push({ member, leaf: verdict.leaf })
    else {
      cut.add(packet.partition)
      if (belongs && why !== undefined) staying.push({ member, packet, why })
    }
  })
  return { going, staying }
}

/**
 * Whether a job's members are, of each partition, a run from its first packet in the round. Agents refuse a job
 * with others: it would decide a packet before the one that it builds on. `partitions` has the name of each
 * packet's partition, in the order of the round.
 */
export function areRunsFromFirst(members: readonly number[], partitions: readonly string[]): boolean {
  const listed = new Set(members)
  const cut = new Set<string>()
  for (const [index, partition] of partitions.entries()) {
    if (!listed.delete(index)) cut.add(partition)
    else if (cut.has(partition)) return false
  }
  return listed.size === 0
}

function whyNot(verdict: Verdict, packet: PacketStanding, job: CurrentJob): Why | undefined {
  if (verdict.kind !== 'agreed') return verdict.kind === 'dissent' ? 'dissent' : 'no-answer'
  // Its successors already name the version that was certified first.
  const isVersion = stageAfter(job.template, job.stage) === undefined
  const differs = packet.version !== null && packet.version.versionId !== verdict.leaf
  return isVersion && differs ? 'other-version' : undefined
}

function conductOf(
  seat: number,
  { results, deadlinePassed, excused }: RoundSituation,
  found: readonly Verdict[],
): Conduct {
  const result = results.find(each => each.seat === seat)
  if (result === undefined) return deadlinePassed && excused?.has(seat) !== true ? 'silent' : 'unheard'
  const leaves = result.status === 'completed' ? result.leaves : []
  const differs = (verdict: Verdict, i: number) =>
    verdict.kind === 'agreed' && verdict.leaf !== (leaves[i] ?? noLeaf)
  if (found.some(differs)) return 'dissenting'
  return found.every(verdict => verdict.kind === 'agreed') ? 'agreed' : 'unsettled'
}
