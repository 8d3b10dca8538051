import type { RoundStore } from './ports.ts'

/** A job that was decided before everybody with a seat had answered: the others had agreed, and its deadline is to come. */
export type OwedJob = { readonly jobTx: string; readonly deadlineMs: number }

export type OwedAnswers = {
  note(job: OwedJob): void
  /** Has those named whose deadline has passed. Looked often: who has not looked for long was not here. */
  look(): Promise<void>
  /** Nothing could be heard for a moment. */
  interrupted(): void
}

export type OwedDeps = {
  readonly store: Pick<RoundStore, 'nameSilent'>
  /** See fairMsOf. */
  readonly fairMs: number
  now(): number
  /** That nobody sets. */
  clock(): number
}

/** The oldest is forgotten, and counts for nobody. */
export const OWED_JOBS_MAX = 4096
/** That one look asks about. */
export const ASKED_JOBS_MAX = 256

/**
 * Who takes a seat owes an answer until the deadline, also where two others were quicker: else an agent that never says
 * anything looks as good as any. Kept in memory, since only who was here all the time can say that nothing came.
 */
export function openOwedAnswers({ store, fairMs, now, clock }: OwedDeps): OwedAnswers {
  const owed = new Map<string, number>()
  const time = () => ({ dayMs: now(), atMs: clock() })
  let last = time()
  /** Who had a fair part of its time left, or more, could answer afterwards; of all others nobody knows. */
  const interrupted = (dayMs: number) => {
    for (const [jobTx, deadlineMs] of owed) if (deadlineMs - fairMs < dayMs) owed.delete(jobTx)
  }
  return {
    note({ jobTx, deadlineMs }) {
      const [oldest] = owed.keys()
      if (owed.size >= OWED_JOBS_MAX && oldest !== undefined) owed.delete(oldest)
      owed.set(jobTx, deadlineMs)
    },
    interrupted: () => interrupted(now()),
    async look() {
      const before = last
      last = time()
      const passedMs = last.atMs - before.atMs
      const isSet = Math.abs(last.dayMs - before.dayMs - passedMs) > fairMs / 2
      // By a clock that was set, deadlines are not those that agents go by.
      if (isSet) owed.clear()
      if (passedMs > fairMs / 2) interrupted(last.dayMs)
      // What has come in time may still be on its way through this node.
      const due = [...owed].filter(([, deadlineMs]) => last.dayMs >= deadlineMs + fairMs / 2)
      const asked = due.slice(0, ASKED_JOBS_MAX).map(([jobTx]) => jobTx)
      if (asked.length === 0) return
      await store.nameSilent(asked, fairMs, last.dayMs)
      for (const jobTx of asked) owed.delete(jobTx)
    },
  }
}
