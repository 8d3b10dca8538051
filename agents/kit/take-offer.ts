import { readSubmittedBeef } from '../../src/contract/submitted-beef.ts'
import type { Fault } from '../../src/core/fault.ts'
import type { JobQueue } from './job-queue.ts'
import { type JobReader, readJob } from './read-job.ts'

/** What becomes of a job that is offered, whichever way it came. */
export type OfferOutcome =
  | { readonly kind: 'taken'; readonly jobTx: string; readonly seat: number }
  /** It is none for this agent, and is not to be offered again. */
  | { readonly kind: 'refused'; readonly jobTx: string | undefined; readonly fault: Fault }
  /** There is no room now, or the agent is going. */
  | { readonly kind: 'busy'; readonly jobTx: string; readonly why: string }

export type TakeOffer = (bytes: Uint8Array) => OfferOutcome

export function openOffers(reader: () => JobReader, queue: JobQueue, now: () => number): TakeOffer {
  return bytes => {
    const beef = readSubmittedBeef(bytes)
    if (!beef.ok) return { kind: 'refused', jobTx: undefined, fault: beef.fault }
    const jobTx = beef.value.subject.txid
    // Before anything is verified: whoever has not heard the answer sends the same again.
    const taken = queue.seatTaken(jobTx)
    if (taken !== undefined) return { kind: 'taken', jobTx, seat: taken }
    const job = readJob(beef.value, reader(), now())
    if (!job.ok) return { kind: 'refused', jobTx, fault: job.fault }
    const room = queue.take(job.value)
    if (room === 'taken') return { kind: 'taken', jobTx, seat: job.value.seat }
    return { kind: 'busy', jobTx, why: room === 'full' ? isFull : isGoing }
  }
}

const isFull = 'as many jobs wait as this agent keeps for one log; offer it again in a moment'
const isGoing = 'this agent is being stopped; offer the job to another one'
