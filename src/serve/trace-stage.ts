import { toHex, utf8 } from '../core/bytes.ts'
import { type Level, quorums } from '../core/level.ts'
import { leafHash } from '../core/merkle.ts'
import type { ResultStatus } from '../core/rounds/pipeline.ts'
import type { Stage } from '../core/rounds/template.ts'
import type { SeatAnswer, SeatWork, StageWork } from './packet-work.ts'
import { type TokenSignature, tokenSignature } from './token-signature.ts'
import { unlessNone } from './unless-none.ts'

/** One stage of the work on a packet: what was asked, who answered what, and what was agreed. */
export type TracedStage = {
  readonly stage: Stage
  readonly status: 'asked' | 'agreed' | 'undecided'
  readonly roundId: string
  readonly member: number
  readonly template: string
  readonly job: TracedJob
  readonly quorum: TracedQuorum
  readonly leaf: string | null
  readonly outputHash: string | null
  readonly stateOut: string | null
  readonly decidedMs: number | null
  readonly seats: readonly TracedSeat[]
  readonly dissent: readonly TracedDissent[]
}

type TracedJob = {
  readonly txid: string
  /** The output that the next step spends; its signature is the coordinator's. */
  readonly vout: number
  readonly rebuild: number
  readonly inputHash: string
  /** Null at the first stage, which builds on no other. */
  readonly inputRoot: string | null
  readonly madeMs: number
  readonly seenMs: number | null
  readonly deadlineMs: number
  readonly outcome: string | null
  readonly signature: TokenSignature | null
}

type TracedQuorum = {
  readonly level: Level
  readonly wanted: number
  readonly of: number
  readonly agreeing: number
  readonly operators: readonly string[]
  readonly independence: 'claimed' | 'simulated'
}

type TracedSeat = {
  /** `<job txid>.<output>`. */
  readonly jobId: string
  readonly agentId: string
  readonly operator: string
  readonly state: string
  readonly conduct: string | null
  readonly offeredMs: number | null
  readonly acknowledgedMs: number | null
  readonly results: readonly TracedResult[]
}

type TracedResult = {
  readonly txid: string
  readonly status: ResultStatus
  /** Null: it says nothing of this packet. */
  readonly leaf: string | null
  readonly agrees: boolean
  readonly outputHash: string | null
  readonly stateOut: string | null
  readonly workHash: string
  readonly evidenceHash: string
  readonly arrivedMs: number
  /** From offer to answer. */
  readonly processingMs: number | null
  readonly isLate: boolean
  readonly work: SeatAnswer['work']
  readonly signature: TokenSignature | null
}

type TracedDissent = {
  readonly agentId: string
  readonly operator: string
  readonly resultTxid: string
  readonly status: ResultStatus
  readonly leaf: string | null
  readonly outputHash: string | null
}

export function traceStage(
  work: StageWork,
  level: Level,
  transactions: ReadonlyMap<string, Uint8Array>,
): TracedStage {
  const { stage, roundId, member, template, txid, seats } = work
  const answers = seats.flatMap(seat => seat.answers.map(answer => ({ seat, answer })))
  const agreed = answers.filter(({ answer }) => answer.isAgreed)
  const first = agreed[0]?.answer
  const operators = [...new Set(agreed.map(({ seat }) => seat.operator))].sort()
  return {
    ...{ stage, roundId, member, template },
    status: first !== undefined ? 'agreed' : work.decidedMs === null ? 'asked' : 'undecided',
    job: {
      ...{ txid, vout: seats.length, rebuild: work.rebuild, inputHash: work.inputHash },
      inputRoot: unlessNone(work.inputRoot),
      ...{ madeMs: work.madeMs, seenMs: work.seenMs, deadlineMs: work.deadlineMs, outcome: work.outcome },
      signature: tokenSignature(transactions.get(txid), seats.length),
    },
    quorum: {
      level,
      ...{ wanted: quorums[level].agreeing, of: quorums[level].seats },
      ...{ agreeing: operators.length, operators },
      independence: independenceOf(seats),
    },
    leaf: first?.leaf ?? null,
    outputHash: first?.outputHash ?? null,
    stateOut: first?.stateOut ?? null,
    decidedMs: work.decidedMs,
    seats: seats.map(seat => traceSeat(txid, seat, transactions)),
    // Where nothing was agreed, nobody has departed from it.
    dissent:
      first === undefined
        ? []
        : answers.flatMap(each => (departs(each.answer, first) ? dissentOf(each) : [])),
  }
}

/** Of all that were asked: one person's operators are so whoever of them has agreed. */
export function independenceOf(seats: readonly SeatWork[]): SeatWork['independence'] {
  return seats.some(({ independence }) => independence === 'simulated') ? 'simulated' : 'claimed'
}

function departs(answer: SeatAnswer, agreed: SeatAnswer): boolean {
  return answer.leaf !== agreed.leaf || answer.status !== 'completed'
}

function dissentOf({
  seat,
  answer,
}: {
  readonly seat: SeatWork
  readonly answer: SeatAnswer
}): TracedDissent {
  return {
    ...{ agentId: seat.agentKey, operator: seat.operator, resultTxid: answer.txid, status: answer.status },
    ...{ leaf: unlessNone(answer.leaf), outputHash: answer.outputHash },
  }
}

function traceSeat(
  jobTxid: string,
  seat: SeatWork,
  transactions: ReadonlyMap<string, Uint8Array>,
): TracedSeat {
  const { vout, agentKey, operator, state, conduct, offeredMs, acknowledgedMs } = seat
  return {
    ...{ jobId: `${jobTxid}.${vout}`, agentId: agentKey },
    ...{ operator, state, conduct, offeredMs, acknowledgedMs },
    results: seat.answers.map(({ leaf, isAgreed, output: _, ...answer }) => ({
      ...answer,
      ...{ leaf: unlessNone(leaf), agrees: isAgreed },
      processingMs: offeredMs === null ? null : answer.arrivedMs - offeredMs,
      signature: tokenSignature(transactions.get(answer.txid), 0),
    })),
  }
}

/** A line, and the leaf of its tree. */
export function tracedLine(text: string): { readonly text: string; readonly leafHash: string } {
  return { text, leafHash: toHex(leafHash(utf8(text))) }
}
