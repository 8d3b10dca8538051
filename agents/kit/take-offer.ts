import type { Fault } from '../../src/core/fault.ts'
import type { JobQueue } from './job-queue.ts'
import { type JobReader, readJob } from './read-job.ts'

/** What becomes of a job that is offered, whichever way it came. */
export type OfferOutcome =
  | { readonly kind: 'taken'; readonly jobTx: string; readonly seat: number }
  /** It is none for this agent, and is not to be offered again. */
  | { readonly kind: 'refused'; readonly fault: Fault }
  /** There is no room now, or the agent is going. */
  | { readonly kind: 'busy'; readonly why: string }

export type TakeOffer = (beef: Uint8Array) => OfferOutcome

export function openOffers(reader: () => JobReader, queue: JobQueue, now: () => number): TakeOffer {
  return beef => {
    const job = readJob(beef, reader(), now())
    if (!job.ok) return { kind: 'refused', fault: job.fault }
    const { transaction, seat } = job.value
    switch (queue.take(job.value)) {
      case 'taken':
      case 'known':
        return { kind: 'taken', jobTx: transaction.txid, seat }
      case 'full':
        return { kind: 'busy', why: 'as many jobs wait as this agent keeps; offer it again in a moment' }
      case 'draining':
        return { kind: 'busy', why: 'this agent is being stopped; offer the job to another one' }
    }
  }
}
