import type { OperatorWord } from '../contract/operator.ts'
import type { Transaction } from '../contract/transaction.ts'
import type { Purpose, Unpaid } from '../contract/unpaid.ts'
import type { Audience } from '../core/audience.ts'
import type { Fault } from '../core/fault.ts'
import type { Level } from '../core/level.ts'
import type { PacketHeader } from '../core/log/packet-header.ts'
import type { Decision } from '../core/rounds/coordinating/decide.ts'
import type { OperatorRecord } from '../core/rounds/coordinating/operators.ts'
import type { RoundPlan } from '../core/rounds/coordinating/plan.ts'
import type { Recovery } from '../core/rounds/coordinating/recover.ts'
import type { PacketStanding } from '../core/rounds/coordinating/standing.ts'
import type { LiveResult, NetworkView, SentJob } from '../core/rounds/coordinating/thread.ts'
import type { JobFacts, PipelineTransaction } from '../core/rounds/pipeline.ts'
import type { Stage, Template } from '../core/rounds/template.ts'

/** Leave to work on a round. Whoever takes it next gets a greater token, and nothing is written under an older one. */
export type RoundLease = { readonly roundId: string; readonly token: number }

/** What the coordinator asks of the database. Whatever is written is one transaction, also with what it pays for. */
export type RoundStore = {
  /**
   * Opens what `choose` makes of the packets that may go now, alone among all nodes; `busy` where another one is at it.
   * Packets that are newly sealed have their standing by then, and packets that wait after a try are left out with all
   * that stand behind them. What is opened is leased to us.
   */
  plan(choose: (view: PlanView) => Choice): Promise<Planned>
  /** Rounds that nobody works on, or whose coordinator has let its time run out; ours from then on. */
  take(limit: number): Promise<readonly HeldRound[]>
  /** Of these, the ones that are still ours, for a while longer. */
  keep(leases: readonly RoundLease[]): Promise<readonly RoundLease[]>
  /** Lets go of everything, so that others need not wait. */
  letGo(): Promise<void>
  /** What has happened to these since; nothing is listed of a round about which there is nothing new. */
  news(leases: readonly RoundLease[]): Promise<readonly RoundNews[]>

  /** The network has the job: its seats are offered from now on, but for those held in reserve. */
  jobSeen(lease: RoundLease, jobTx: string, nowMs: number): Promise<'written' | 'lost'>
  /**
   * Seats of the job that cannot be blamed for having no answer at its deadline: that were not offered by `askedByMs`, whose
   * answer came in time and waits for the network, could not be read here, or was given up by us; and all of them where what
   * the job builds on is not here any more.
   */
  excused(jobTx: string, askedByMs: number): Promise<ReadonlySet<number>>
  /**
   * Of jobs that were decided before their deadline, which has passed: who had taken a seat `fairMs` before it, and has said
   * nothing.
   */
  nameSilent(jobTxs: readonly string[], fairMs: number, nowMs: number): Promise<void>
  /** Offers the seats that were held in reserve too. */
  offerReserve(lease: RoundLease, jobTx: string, nowMs: number): Promise<'written' | 'lost'>
  /**
   * A decision and the job that follows from it: conduct, conflicts, who leaves, the states of packets and the next job's
   * transaction, stored before a byte of it leaves.
   */
  advance(lease: RoundLease, decided: Decided<'advance'>, next: UnpaidJob): Promise<Written>
  /** Hands the round to whoever makes certificates, and lets go of it. */
  certify(lease: RoundLease, decided: Decided<'certify'>): Promise<'written' | 'lost'>
  /** A decision by which nothing goes on. Nobody leaves before `closed`. */
  close(lease: RoundLease, decided: Decided<'close'> | undefined, unpaid: Unpaid): Promise<Written>
  /** The network has the close: those who leave have left, and the round is over. */
  closed(lease: RoundLease): Promise<'written' | 'lost'>
  /** What the network holds of a round: for rounds whose transactions died, or came back. */
  view(lease: RoundLease): Promise<RoundView>
  /**
   * The round and its packets stand as the recovery says. `resume`: at this job, with a new deadline, its results live and
   * late. `revocations`: what spends each token that must not count.
   */
  recovered(lease: RoundLease, recovered: Recovered): Promise<Written>
  /** A split packet gets a fresh set of tries, under the policy that it had. */
  reopen(packetId: string, by: string): Promise<Reopened>
}

/** `state-gone`: nobody can be given the state that the packet builds on, so it stays split and nobody is asked. */
export type Reopened = 'reopened' | 'not-split' | 'state-gone'

/** What rounds are planned from: the arguments of planRounds, and what a round document says besides. */
export type PlanView = {
  readonly packets: readonly CandidatePacket[]
  readonly aggregates: readonly DueAggregate[]
  /** Counts up with each round that was ever made. */
  readonly rotation: number
  readonly nowMs: number
}

export type CandidatePacket = {
  readonly standing: PacketStanding
  readonly header: PacketHeader
  /** Whose agents may be asked; empty: those of the node. */
  readonly operators: readonly string[]
  /** Who may read its stream, in one order, where that is restricted; where it is not said, it goes with its own stream alone. */
  readonly readers?: readonly string[]
  /** Of its policy; where it is not said, what a policy has that says nothing. */
  readonly stateBytesMax?: number
}

/** A statement over certified packets that is due. It is decided as a round of one packet that is named by its id. */
export type DueAggregate = {
  /** In the place of a packet's: its id is the aggregate's, and its partition no packet's. */
  readonly standing: PacketStanding
  /** Canonical; agents are given it as a round document. */
  readonly document: string
  readonly rosterDigest: string
  readonly operators: readonly string[]
  /** Of its next transactions: it has one name at every try, and none of them may be mistaken for an earlier one. */
  readonly rebuild: number
}

export type Choice = {
  readonly openings: readonly Opening[]
  /** Levels that enough operators can be reached for. */
  readonly seatable: ReadonlySet<Level>
}

/** A round to be opened, with the job that begins it. */
export type Opening = {
  readonly template: Template
  /** Of an aggregate: its standing alone, and its id in the place of a roundId. */
  readonly plan: RoundPlan
  /** Canonical, to the byte (writeRoundDocument). */
  readonly document: string
  readonly rosterDigest: string
  readonly job: UnpaidJob
}

export type UnpaidJob = {
  readonly facts: JobFacts
  readonly seats: readonly MadeSeat[]
  readonly purpose: Purpose
  readonly unpaid: Unpaid
  readonly fanOut: FanOut
}

export type FanOut = 'all' | 'quorum-first'

export type MadeSeat = {
  readonly agentKey: string
  readonly operator: string
  readonly endpoints: readonly string[]
  readonly satoshis: number
  /** Held back until the first ones disagree, or are late. */
  readonly isReserve: boolean
}

export type Planned =
  | { readonly kind: 'busy' }
  | {
      readonly kind: 'planned'
      readonly opened: readonly HeldRound[]
      /** Why the rest was not opened, most often want of fuel. */
      readonly fault?: Fault
    }

export type Written =
  | { readonly kind: 'written'; readonly transaction: Transaction | undefined }
  | { readonly kind: 'lost' }
  /** No fuel, or no budget: nothing was written, and it may be asked again. */
  | { readonly kind: 'refused'; readonly fault: Fault }

/** A decision with the job and the answers that it was made on. */
export type Decided<Kind extends Decision['kind']> = {
  readonly job: SentJob
  readonly decision: Extract<Decision, { kind: Kind }>
  readonly nowMs: number
}

/** A round as its rows have it. Who holds the lease keeps it in memory, since nobody else writes to it. */
export type HeldRound = {
  readonly lease: RoundLease
  readonly template: Template
  readonly level: Level
  readonly audience: Audience
  readonly operators: readonly string[]
  readonly state: 'open' | 'closing' | 'lost'
  /** Of steps that were built again. */
  readonly rebuild: number
  readonly firstJob: SentJob | undefined
  readonly last: string | undefined
  readonly inFlight: boolean
  /** The job that waits for answers, or is on its way. */
  readonly job: HeldJob | undefined
  /** By index in the round; those that have left it too. */
  readonly packets: readonly PacketStanding[]
}

export type HeldJob = {
  readonly sent: SentJob
  readonly transaction: Transaction
  readonly stage: Stage
  readonly deadlineMs: number
  readonly fanOut: FanOut
  /** Since when the network has it; null while it is on its way. */
  readonly seenMs: number | null
  readonly reserveOffered: boolean
  readonly results: readonly HeldResult[]
}

/** An answer whose work is here and is what it votes for, on a transaction that the network has and nobody has spent. */
export type HeldResult = LiveResult & { readonly transaction: Transaction }

export type RoundNews = {
  readonly roundId: string
  /** What the network says of the round's last transaction. */
  readonly last: 'stored' | 'seen' | 'mined' | 'dead'
  /** All that a step from the round's job can spend now, and not only those that are new. */
  readonly results: readonly HeldResult[]
  /** False: something of ours or of others spends it, or the job is gone. */
  readonly threadUnspent: boolean
}

export type RoundView = {
  readonly network: NetworkView
  /** Every transaction of the round that is known here, dead ones too. */
  readonly known: readonly PipelineTransaction[]
  readonly transactions: ReadonlyMap<string, Transaction>
}

export type Recovered = {
  readonly recovery: Recovery
  /** The end of its thread; undefined where not even the first job is alive. */
  readonly end: PipelineTransaction | undefined
  /** With `close`: what spends the thread. */
  readonly close: Unpaid | undefined
  readonly revocations: readonly { readonly index: number; readonly unpaid: Unpaid }[]
  /** With `resume`: until when seats that have not answered may. */
  readonly deadlineMs: number
  readonly nowMs: number
}

/** Agents as seats are given to them; from memory, refreshed behind it. */
export type Directory = {
  /** With an advert that has not expired, an operator's word that holds until then, and a host advert or a subscription. */
  agents(stage: Stage): readonly KnownAgent[]
  /** Every operator that ever had an agent here, in an order that is the same everywhere. */
  operators(): readonly OperatorRecord[]
}

export type KnownAgent = {
  readonly agentKey: string
  readonly word: OperatorWord
  /** None for one that is given its jobs over its connection alone. */
  readonly endpoints: readonly string[]
  readonly packetsMax: number
  readonly bytesMax: number
  readonly satoshisPerThousandEvents: number
  readonly region: string | undefined
  readonly expiresMs: number
  /** It has answered when last called, or is connected. */
  readonly reachable: boolean
  /** 0 to 100. */
  readonly reputation: number
  /** From offer to answer, smoothed. */
  readonly latencyMs: number | null
}

/** A seat that waits to be offered, with its job in history form. */
export type DueSeat = {
  readonly jobTx: string
  readonly vout: number
  readonly stage: Stage
  readonly agentKey: string
  readonly endpoints: readonly string[]
  readonly attempts: number
  readonly deadlineMs: number
  /** A call that begins later could go on when somebody else may offer it. */
  readonly beginUntilMs: number
}

export type SeatOffers = {
  /** Seats that are due and that nobody else is offering, for a while ours. */
  takeDue(limit: number): Promise<readonly DueSeat[]>
  /** Taken, and not offered after all: it is due again. */
  giveBack(seat: DueSeat): Promise<void>
  /** Resolves with the agent's STEAK as it was answered; rejects where there was none. */
  offer(seat: DueSeat): Promise<unknown>
  /** Running from now on, and asked when the offer began. */
  offered(
    seat: DueSeat,
    steak: unknown,
    times: { readonly beganMs: number; readonly atMs: number },
  ): Promise<void>
  /**
   * Queued again for `againMs`, or failed for good where that is undefined. Asked when the offer began, unless the error says that
   * nothing has reached out to the agent.
   */
  failed(
    seat: DueSeat,
    error: unknown,
    times: { readonly beganMs: number; readonly againMs: number | undefined },
  ): Promise<void>
}
