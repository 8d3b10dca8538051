import { pipelineSpend } from '../contract/pipeline-outputs.ts'
import { pipelineTransaction } from '../contract/pipeline-transaction.ts'
import type { Issuer } from '../contract/tokens.ts'
import type { Transaction } from '../contract/transaction.ts'
import type { Unpaid } from '../contract/unpaid.ts'
import type { Fault } from '../core/fault.ts'
import { isJob, type SentJob } from '../core/rounds/coordinating/thread.ts'
import type { CoordinatorBounds } from './bounds.ts'
import { jobTopics } from './job.ts'
import type { Directory, HeldJob, HeldRound, RoundStore, Written } from './ports.ts'

/* What following a round and recovering it have in common. */

export type FollowDeps = {
  readonly store: RoundStore
  readonly directory: Directory
  /** Our own key: it issues jobs and spends what answers them. */
  readonly log: Issuer
  locations(): readonly string[]
  readonly bounds: Pick<CoordinatorBounds, 'seats' | 'leave' | 'job'>
  now(): number
  at(step: string): void
  onRound(what: RoundStep): void
  /** A decision is written that did not wait for everybody. */
  onUnheard(job: HeldJob): void
}

/** For whoever counts them. */
export type RoundStep = {
  readonly what: 'opened' | 'seen' | 'advanced' | 'certifying' | 'closing' | 'closed' | 'recovered'
  readonly roundId: string
  readonly stage: string | undefined
  /** Since the job was there to be answered. */
  readonly tookMs: number | undefined
}

/** What was heard of a round since it was looked at last. */
export type Heard = {
  readonly last: 'stored' | 'seen' | 'mined' | 'dead' | undefined
  readonly threadUnspent: boolean
}

export type Followed =
  /** It is as we hold it now; `moved` where something was done, so that there may be more to do. */
  | { readonly kind: 'held'; readonly round: HeldRound; readonly moved: boolean }
  /** It is over, handed on, or somebody else's. */
  | { readonly kind: 'gone'; readonly why: 'over' | 'certifying' | 'lost' }
  /** Nothing was written, for want of fuel or of agents: it is asked again. */
  | { readonly kind: 'refused'; readonly why: string; readonly fault: Fault | undefined }

export function held(round: HeldRound): Followed {
  return { kind: 'held', round, moved: false }
}

export function moved(round: HeldRound): Followed {
  return { kind: 'held', round, moved: true }
}

export function gone(why: Extract<Followed, { kind: 'gone' }>['why']): Extract<Followed, { kind: 'gone' }> {
  return { kind: 'gone', why }
}

export function heldJob(
  transaction: Transaction,
  rest: Pick<HeldJob, 'stage' | 'deadlineMs' | 'fanOut' | 'seenMs' | 'reserveOffered'>,
): HeldJob {
  return { ...rest, sent: sentJob(transaction), transaction, results: [] }
}

function sentJob(transaction: Transaction): SentJob {
  const read = pipelineTransaction(transaction)
  if (!isJob(read)) throw new Error(`${transaction.txid} was written as a job and reads as ${read.role.kind}`)
  return read
}

/** What the store has written, or what that means for the round. */
export function sentBy(
  written: Written,
): { readonly kind: 'sent'; readonly transaction: Transaction } | Exclude<Followed, { kind: 'held' }> {
  if (written.kind === 'lost') return gone('lost')
  if (written.kind === 'refused') return { ...written, why: written.fault.detail }
  if (written.transaction === undefined) throw new Error('a step was written without its transaction')
  return { kind: 'sent', transaction: written.transaction }
}

/** Spends the thread to change; the topic of the stage sees its coin go. */
export function closeOf(
  { transaction, sent, stage }: Pick<HeldJob, 'transaction' | 'sent' | 'stage'>,
  log: Issuer,
): Unpaid {
  const { facts, seats } = sent.role
  return {
    spends: [pipelineSpend(transaction, seats.length, 'GDJ1', facts.subject, log)],
    outputs: [],
    topics: jobTopics('packet', stage).slice(0, 1),
  }
}
