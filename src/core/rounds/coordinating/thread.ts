import type { Vote } from '../agreement.ts'
import type { Outpoint, PipelineTransaction, Role } from '../pipeline.ts'

/** What the network holds of a round, as far as the coordinator can see. */
export type NetworkView = {
  readonly isLive: (txid: string) => boolean
  /** The live transaction that spends an output, whoever made it. */
  readonly spenderOf: (outpoint: Outpoint) => PipelineTransaction | undefined
}

/** A job as a transaction that was sent. */
export type SentJob = PipelineTransaction & { readonly role: Extract<Role, { kind: 'job' }> }

export type LiveResult = Omit<Vote, 'operator'> & { readonly txid: string; readonly seat: number }

export function threadOf({ txid, role }: SentJob): Outpoint {
  return { txid, vout: role.seats.length }
}

export function isThreadUnspent(job: SentJob, network: NetworkView): boolean {
  return network.isLive(job.txid) && network.spenderOf(threadOf(job)) === undefined
}

/** Of everything known, delivered in time or late, the results that a step from this job can spend. */
export function liveResults(
  job: SentJob,
  known: Iterable<PipelineTransaction>,
  network: NetworkView,
): LiveResult[] {
  const results: LiveResult[] = []
  for (const { txid, role } of known) {
    if (role.kind !== 'result' || role.jobOutpoint.txid !== job.txid) continue
    if (!network.isLive(txid) || network.spenderOf({ txid, vout: 0 }) !== undefined) continue
    results.push({ txid, seat: role.jobOutpoint.vout, status: role.status, leaves: role.leaves })
  }
  return results
}

/**
 * The last live transaction on a round's thread, or undefined if not even its first job is alive. After a
 * crash, a double spend or a reorganisation this is the round, whatever was tried meanwhile.
 */
export function endOfThread(firstJob: SentJob, network: NetworkView): PipelineTransaction | undefined {
  if (!network.isLive(firstJob.txid)) return undefined
  let end: PipelineTransaction = firstJob
  // Each step is a later stage, so this ends with the template.
  for (;;) {
    if (!isJob(end)) return end
    const next = network.spenderOf(threadOf(end))
    if (next === undefined) return end
    end = next
  }
}

export function isJob(transaction: PipelineTransaction): transaction is SentJob {
  return transaction.role.kind === 'job'
}
