import type { RoundStore } from './ports.ts'

/** A job that was decided before everybody with a seat had answered: the others had agreed, and its deadline is to come. */
export type OwedJob = { readonly jobTx: string; readonly deadlineMs: number }

export type OwedAnswers = {
  note(job: OwedJob): void
  /** Has those looked at whose deadline has passed. */
  look(): Promise<void>
}

export type OwedDeps = {
  readonly store: Pick<RoundStore, 'noteSilent'>
  /** Of the time for a job, what an agent must have had of it, and how much later nobody was here to hear it. */
  readonly fairMs: number
  now(): number
}

/** The oldest is forgotten, and counts for nobody. */
const JOBS_MAX = 4096
/** That one look asks about. */
const ASKED_MAX = 256

/**
 * Who takes a seat owes an answer until the deadline, also where two others were quicker: else an agent that never says
 * anything looks as good as any. Kept in memory, since only who was here all the time can say that nothing came.
 */
export function openOwedAnswers({ store, fairMs, now }: OwedDeps): OwedAnswers {
  const owed = new Map<string, number>()
  return {
    note({ jobTx, deadlineMs }) {
      const [oldest] = owed.keys()
      if (owed.size >= JOBS_MAX && oldest !== undefined) owed.delete(oldest)
      owed.set(jobTx, deadlineMs)
    },
    async look() {
      const nowMs = now()
      const asked: string[] = []
      for (const [jobTx, deadlineMs] of owed) {
        // What has come in time may still be on its way through this node.
        if (nowMs < deadlineMs + fairMs / 2) continue
        owed.delete(jobTx)
        if (nowMs <= deadlineMs + fairMs) asked.push(jobTx)
        if (asked.length === ASKED_MAX) break
      }
      if (asked.length > 0) await store.noteSilent(asked, fairMs, nowMs)
    },
  }
}
